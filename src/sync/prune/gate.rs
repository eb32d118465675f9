//! Whether a run may still delete: asked right before each delete.

use std::fmt::Debug;

use futures_util::future::BoxFuture;

use crate::oci::Digest;

/// Knows whether a run still has the right to delete. Without one nobody else can take it away.
pub trait DeleteGate: Debug + Send + Sync {
    /// Whether the tag of `place` (`host/repository`), recorded with this digest, may be deleted
    /// now. Err: why not, as text; then nothing more is deleted.
    fn pass<'a>(
        &'a self,
        place: &'a str,
        tag: &'a str,
        digest: &'a Digest,
    ) -> BoxFuture<'a, Result<(), String>>;
}
