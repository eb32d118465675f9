//! A sample response of each call: what a server really answered to the sample, as a test recorded it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value as Json;

use crate::api::{Method, Namespace};

static RECORDED: LazyLock<BTreeMap<String, Json>> = LazyLock::new(|| {
    let recorded = include_str!("../../assets/answers.json");
    serde_json::from_str(recorded).unwrap_or_default()
});

/// The body of a JSON response; long lists are shortened.
pub(super) fn answer(namespace: &Namespace, method: &Method) -> String {
    let answer = RECORDED.get(&key(namespace, method));
    answer.map_or(String::new(), |answer| format!("{answer:#}"))
}

/// The name under which the response to a call is recorded.
pub fn key(namespace: &Namespace, method: &Method) -> String {
    format!("{}.{}", namespace.name(), method.signature())
}
