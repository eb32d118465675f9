//! Why a name is invalid.

use crate::text::{NAME, readable};

/// An invalid name (repository, tag, digest, address, platform).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not a valid {kind}: {reason}")]
pub struct NameError {
    /// The expected kind: `tag`, `repository`, …
    pub kind: &'static str,
    /// The given text, shortened.
    pub value: String,
    /// Why it is invalid.
    pub reason: String,
}

impl NameError {
    pub(crate) fn new(kind: &'static str, value: &str, reason: impl Into<String>) -> Self {
        Self {
            kind,
            value: readable(value, NAME),
            reason: reason.into(),
        }
    }
}
