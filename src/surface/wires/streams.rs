//! How many streams of events there are at once, and when all of them end.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Streams at once.
const STREAMS: usize = 256;

/// What all streams share.
#[derive(Clone, Debug)]
pub(in crate::surface) struct Streams {
    pub(super) places: Arc<Semaphore>,
    pub(super) stop: CancellationToken,
}

impl Streams {
    /// Streams that end at `stop`.
    pub(in crate::surface) fn new(stop: CancellationToken) -> Streams {
        Streams {
            places: Arc::new(Semaphore::new(STREAMS)),
            stop,
        }
    }
}
