//! What deletes the tags of one place needs, and how it tells what became of them.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::decide::Doomed;
use super::sights::PlaceSights;
use crate::oci::{Endpoint, Error};
use crate::sync::course::RunStop;
use crate::sync::outcome::{Status, TagOutcome};

/// How a registry deletes, learnt once for a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::sync) enum Way {
    /// By tag, as far as is known.
    #[default]
    Tag,
    /// By digest only.
    Digest,
    /// Not at all.
    None,
}

/// The same for all parts of the run.
#[derive(Debug, Default)]
pub(in crate::sync) struct Ways(Mutex<Way>);

impl Ways {
    pub(in crate::sync) fn get(&self) -> Way {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether that is new.
    pub(super) fn note(&self, way: Way) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *known, way) != way
    }
}

/// What became of a tag, to be reported.
pub(in crate::sync) enum Deletion {
    /// It is gone, the registry refused, or something needs it.
    Outcome(Box<TagOutcome>),
    /// Somebody else has deleted it.
    Gone(String),
    /// It stays, as text.
    Warning(String),
}

/// The place to delete at.
pub(in crate::sync) struct Deleter<'a> {
    pub(in crate::sync) target: &'a Endpoint,
    pub(in crate::sync) known: &'a PlaceSights,
    /// The tags that the target has.
    pub(in crate::sync) present: &'a HashSet<String>,
    pub(in crate::sync) ways: &'a Ways,
    pub(in crate::sync) halt: &'a RunStop,
    pub(in crate::sync) parallel: usize,
    pub(in crate::sync) tell: tokio::sync::mpsc::UnboundedSender<Deletion>,
}

/// Nothing more is deleted at this place.
pub(in crate::sync) struct Stopped;

impl Deleter<'_> {
    /// Err: the run may not delete any more.
    pub(super) async fn gate(&self, doomed: &Doomed) -> Result<(), Stopped> {
        if self.halt.cancel.is_cancelled() || self.halt.drain.is_cancelled() {
            return Err(Stopped);
        }
        let Some(gate) = &self.halt.gate else {
            return Ok(());
        };
        let expected = self.known.outcome(doomed);
        gate.pass(&expected).await.map_err(|why| {
            let target = &expected.target;
            self.warn(format!(
                "`{target}` and what comes after it isn't deleted: {why}"
            ));
            Stopped
        })
    }

    pub(super) fn failed(
        &self,
        group: Vec<Doomed>,
        error: &Error,
        is_sent: bool,
    ) -> Result<(), Stopped> {
        for doomed in group {
            self.tell(TagOutcome {
                status: Status::Failed,
                error: Some(format!("target {error}")),
                is_unsure: is_sent,
                ..self.known.outcome(&doomed)
            });
        }
        if error.is_unreachable() || error.is_rate_limited() {
            return Err(Stopped);
        }
        Ok(())
    }

    /// Somebody else was faster.
    pub(super) fn gone(&self, doomed: Doomed) {
        let _ = self.tell.send(Deletion::Gone(doomed.written.tag));
    }

    pub(super) fn done(&self, doomed: &Doomed) {
        self.tell(self.known.outcome(doomed));
    }

    pub(super) fn tell(&self, outcome: TagOutcome) {
        // The receiver lives as long as this.
        let _ = self.tell.send(Deletion::Outcome(Box::new(outcome)));
    }

    pub(super) fn warn(&self, text: String) {
        let _ = self.tell.send(Deletion::Warning(text));
    }
}

/// The warning about a tag that somebody else has overwritten.
pub(in crate::sync) fn overwritten(place: &str, tag: &str) -> String {
    format!(
        "`{place}:{tag}` isn't deleted: somebody else has overwritten it since this project wrote it"
    )
}
