//! The course of a run: what may stop it, and how it ended.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::intents::Intents;
use super::outcome::{Action, TagOutcome, Totals};
use super::progress::{Event, Reporter};
use super::prune::gate::DeleteGate;

/// What may end a run early, and what it may do until then.
#[derive(Clone, Debug, Default)]
pub struct RunStop {
    /// Cancels all transfers at once.
    pub cancel: CancellationToken,
    /// Lets the tags in progress finish, and starts no others.
    pub drain: CancellationToken,
    /// Whether it may still delete.
    pub gate: Option<Arc<dyn DeleteGate>>,
    /// Keeps what it is about to write.
    pub intents: Option<Arc<dyn Intents>>,
    /// What earlier attempts of the same run have done.
    pub earlier: EarlierWork,
}

/// What earlier attempts of a run have done to the tags of one target repository.
#[derive(Clone, Debug, Default)]
pub struct EarlierWork {
    /// Tags that are new with this run.
    pub added: Vec<String>,
    /// How many tags were deleted.
    pub deleted: usize,
    /// What of that wasn't recorded.
    pub recovered: Vec<TagOutcome>,
}

impl EarlierWork {
    /// Adds what wasn't recorded.
    pub(super) fn recover(&mut self, recovered: Vec<TagOutcome>) {
        for outcome in &recovered {
            match outcome.action {
                Action::Copy => self.added.push(outcome.target_tag.clone()),
                Action::Delete => self.deleted += 1,
                _ => {}
            }
        }
        self.recovered.extend(recovered);
    }
}

impl From<CancellationToken> for RunStop {
    fn from(cancel: CancellationToken) -> Self {
        Self {
            cancel,
            ..Self::default()
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct RunEnd {
    /// The counts.
    pub totals: Totals,
    /// Whether it was cancelled before its end.
    pub cancelled: bool,
    /// Whether tags weren't started because of draining.
    pub drained: bool,
    /// Which registries couldn't be reached at all, and why; tags after that weren't tried.
    pub unreachable: Option<String>,
}

impl RunEnd {
    /// Counts and reports the outcome of a tag.
    pub(super) async fn tell(&mut self, outcome: TagOutcome, reporter: &Reporter) {
        let about_referrers = outcome.referrers.warnings.iter().cloned();
        for warning in outcome.warning().into_iter().chain(about_referrers) {
            self.warn(warning, reporter).await;
        }
        self.totals.add(&outcome);
        reporter.send(Event::Finished(Box::new(outcome))).await;
    }

    /// Counts and reports a warning.
    pub(super) async fn warn(&mut self, warning: String, reporter: &Reporter) {
        self.totals.warnings += 1;
        reporter.send(Event::Warning(warning)).await;
    }
}
