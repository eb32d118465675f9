//! Manifests so large that they are processed on a separate thread: a registry may serve one with
//! hundreds of thousands of entries.

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::blocking::blocking;

/// Manifests from this size on are large; ordinary ones have a few KiB.
pub(in crate::oci) const LARGE: usize = 256 * 1024;

/// Nested indexes; real ones have one level, and a cycle can't be hashed.
pub(crate) const MAX_DEPTH: usize = 4;

/// Room for one large manifest at each depth, in this process: one takes ten times its size in
/// memory. An index keeps its room while its children request theirs, so each depth has its own.
static ROOMS: [Semaphore; MAX_DEPTH + 1] = [const { Semaphore::const_new(1) }; MAX_DEPTH + 1];

/// The permit to have a large manifest in memory; empty for an ordinary one.
#[derive(Debug, Default)]
pub(crate) struct Room {
    _permit: Option<SemaphorePermit<'static>>,
}

impl Room {
    /// Waits for room for a manifest of `size` bytes, `depth` indexes deep.
    pub(crate) async fn take(size: u64, depth: usize) -> Self {
        let permit = match ROOMS.get(depth) {
            Some(rooms) if size > LARGE as u64 => rooms.acquire().await.ok(),
            _ => None,
        };
        Self { _permit: permit }
    }
}

/// Does work whose time grows with a manifest of `size` bytes: directly for an ordinary one, on a
/// blocking thread for a large one.
pub(crate) async fn offload_if_large<T: Send + 'static>(
    size: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if size <= LARGE {
        return work();
    }
    blocking(work).await
}
