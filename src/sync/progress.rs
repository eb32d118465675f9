//! What an engine tells while it works.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc::Sender;

use super::outcome::TagOutcome;

/// Something happened.
#[derive(Debug)]
pub enum Event {
    /// All tags of all items are known.
    Selected {
        /// How many are selected.
        tags: u64,
    },
    /// Something worth knowing that stops nothing.
    Warning(String),
    /// The same of an item that selects nothing.
    Empty(String),
    /// A tag came to its end.
    Finished(Box<TagOutcome>),
}

/// Where events go. The channel is bounded: whoever reads slowly slows the engine, and no memory
/// fills up.
#[derive(Clone)]
pub struct Reporter {
    events: Sender<Event>,
    bytes: Arc<AtomicU64>,
}

impl Reporter {
    /// A reporter that sends to `events`.
    pub fn new(events: Sender<Event>) -> Self {
        Self {
            events,
            bytes: Arc::default(),
        }
    }

    /// Bytes handed to the target so far, repeated ones too; for showing a rate.
    pub fn bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.bytes)
    }

    pub(super) async fn send(&self, event: Event) {
        // Nobody listening any more means that the run is being given up.
        let _ = self.events.send(event).await;
    }

    pub(super) fn on_bytes(&self) -> crate::oci::registry::upload::OnBytes {
        let bytes = self.bytes();
        Arc::new(move |count| {
            bytes.fetch_add(count, Ordering::Relaxed);
        })
    }
}
