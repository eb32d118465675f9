//! Manifests so large that they are worked on offload: a registry may make one up with hundreds of
//! thousands of entries.

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::blocking::blocking;

/// From so many bytes on a manifest is large; ordinary ones have a few KiB.
pub(in crate::oci) const LARGE: usize = 256 * 1024;

/// Indexes within indexes; real ones have one level, and a circle can't be hashed.
pub(crate) const MAX_DEPTH: usize = 4;

/// Room for one large manifest at each depth, in this process: one takes ten times its size in
/// memory. An index keeps its room while its children ask for theirs, so each depth has its own.
static ROOMS: [Semaphore; MAX_DEPTH + 1] = [const { Semaphore::const_new(1) }; MAX_DEPTH + 1];

/// The right to have a large manifest in memory; nothing for an ordinary one.
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

/// Does what takes time that grows with a manifest of `size` bytes: here for an ordinary one, for a
/// large one on a thread on which nobody else waits.
pub(crate) async fn offload<T: Send + 'static>(
    size: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if size <= LARGE {
        return work();
    }
    blocking(work).await
}
