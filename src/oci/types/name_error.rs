//! Why a name isn't one.

use crate::text::{NAME, readable};

/// A name (repository, tag, digest, address, platform) that isn't one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not a valid {kind}: {reason}")]
pub struct NameError {
    /// What was meant: `tag`, `repository`, …
    pub kind: &'static str,
    /// What was given, shortened.
    pub value: String,
    /// Why it isn't one.
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
