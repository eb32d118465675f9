//! Whether a run may still delete: asked right before each delete.

use std::fmt::Debug;

use futures_util::future::BoxFuture;

use crate::sync::outcome::TagOutcome;

/// Knows whether a run still has the right to delete. Without one nobody else can take it away.
pub trait DeleteGate: Debug + Send + Sync {
    /// Whether the tag may be deleted now that is recorded with the previous digest of this expected
    /// outcome, which is kept for the case that the worker is lost. Err: why not, as text; then
    /// nothing more is deleted.
    fn pass<'a>(&'a self, expected: &'a TagOutcome) -> BoxFuture<'a, Result<(), String>>;
}
