//! The anchors by which pages refer to methods.

use crate::api::types::Kind;
use crate::api::{Method, Namespace};

/// The anchor of a signature: overloads differ in their parameters.
pub(super) fn method_anchor(namespace: &Namespace, method: &Method) -> String {
    let mut text = format!("apidoc-{}-{}", anchor(namespace.name()), method.name());
    for parameter in method.parameters() {
        text.push('-');
        text.push_str(parameter.name);
        if parameter.shape.kind() != Kind::Text {
            text.push('_');
            text.push_str(parameter.shape.kind().name());
        }
    }
    text
}

/// Names a namespace.
pub(super) fn anchor(name: &str) -> String {
    name.replace('.', "_")
}
