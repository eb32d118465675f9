//! Texts of failures: the host and the reason.

use std::time::Duration;

use url::Url;

use crate::oci::error::{Error, TransportKind};
use crate::text::{SENTENCE, readable};

/// Host and port of `url`; never its query, which may contain a signature.
pub(in crate::oci) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// A timeout: nothing was received within `idle`.
pub(in crate::oci) fn idle_error(host: &str, what: &str, idle: Duration) -> Error {
    Error::Transport {
        host: host.to_owned(),
        phase: what.to_owned(),
        detail: format!("timeout: no data for {} s", idle.as_secs_f32()),
        kind: TransportKind::Silent,
    }
}

/// The innermost cause of an error, as text.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    readable(&cause.to_string(), SENTENCE)
}
