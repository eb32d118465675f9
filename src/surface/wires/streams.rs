//! Limits the number of simultaneous event streams, and ends all of them when the server stops.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Maximum number of simultaneous streams.
const STREAMS: usize = 256;

/// State shared by all streams.
#[derive(Clone, Debug)]
pub(in crate::surface) struct Streams {
    pub(super) places: Arc<Semaphore>,
    pub(super) stop: CancellationToken,
}

impl Streams {
    /// With streams that end at `stop`.
    pub(in crate::surface) fn new(stop: CancellationToken) -> Streams {
        Streams {
            places: Arc::new(Semaphore::new(STREAMS)),
            stop,
        }
    }
}
