//! Progress events of an engine.

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
    /// A warning.
    Warning(String),
    /// The same about an item that selects nothing.
    Empty(String),
    /// For the log only.
    Note(String),
    /// Recorded tags that aren't at the target any more.
    Forgotten {
        /// `host/repository` at the target.
        place: String,
        /// The tags.
        tags: Vec<String>,
    },
    /// This was kept as an intent and has come about, but wasn't recorded.
    Recovered(Box<TagOutcome>),
    /// A tag was finished.
    Finished(Box<TagOutcome>),
}

impl Event {
    /// The name under which an overwritten image was kept may have been a tag of the project: what is
    /// kept isn't.
    pub(super) fn of_kept(outcome: &TagOutcome) -> Option<Self> {
        let (place, _) = outcome.places()?;
        Some(Self::Forgotten {
            place: place.to_owned(),
            tags: vec![outcome.backup.clone()?],
        })
    }
}

/// Sends events. The channel is bounded: a slow receiver slows down the engine instead of filling
/// memory.
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

    /// Bytes sent to the target so far, including repeated ones; for showing a rate.
    pub fn bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.bytes)
    }

    pub(super) async fn send(&self, event: Event) {
        // If nothing receives them any more, the run is being given up.
        let _ = self.events.send(event).await;
    }

    pub(super) fn on_bytes(&self) -> crate::oci::registry::upload::OnBytes {
        let bytes = self.bytes();
        Arc::new(move |count| {
            bytes.fetch_add(count, Ordering::Relaxed);
        })
    }
}
