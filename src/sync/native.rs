//! The native engine: selects, then compares and copies tag by tag, many at once.

use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::oci::Client;

use super::candidate::{Candidate, candidates_find};
use super::compare::{Comparison, Ends};
use super::error::SyncError;
use super::ladder::{Ladder, Route};
use super::outcome::{Action, Moved, Status, TagOutcome, Totals};
use super::progress::{Event, Reporter};
use super::spec::{SyncSpec, platforms_text};
use super::unreachable::Unreachable;

/// Copies to one registry what a [`SyncSpec`] names.
pub struct Engine {
    pub(super) target: Client,
    pub(super) spec: Arc<SyncSpec>,
}

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct RunEnd {
    /// The counts.
    pub totals: Totals,
    /// Whether it was cancelled before its end.
    pub cancelled: bool,
    /// Which registries couldn't be reached at all, and why; tags after that weren't tried.
    pub unreachable: Option<String>,
}

impl Engine {
    /// An engine for one plan or run.
    pub fn new(target: Client, spec: SyncSpec) -> Self {
        Self {
            target,
            spec: Arc::new(spec),
        }
    }

    /// Does the work. A failing tag doesn't stop the others. Cancelling ends all transfers at once;
    /// the target stays consistent, since a tag is written last.
    pub async fn run(&self, reporter: Reporter, cancel: CancellationToken) -> RunEnd {
        let mut end = RunEnd::default();
        let unreachable = Unreachable::default();
        let found = tokio::select! {
            found = candidates_find(&self.target, &self.spec, &unreachable) => found,
            () = cancel.cancelled() => {
                end.cancelled = true;
                return end;
            }
        };
        end.totals.selected = found.all.len() as u64;
        for warning in found.warnings {
            reporter.send(Event::Warning(warning)).await;
        }
        for failed in found.failed {
            end.totals.add(&failed);
            reporter.send(Event::Finished(Box::new(failed))).await;
        }
        let tags = end.totals.selected;
        reporter.send(Event::Selected { tags }).await;
        let worker = Arc::new(Worker {
            target: self.target.clone(),
            spec: Arc::clone(&self.spec),
            ladder: Arc::new(Ladder::new(self.target.clone(), reporter.on_bytes())),
            unreachable,
        });
        let tasks = found.all.into_iter().map(|candidate| {
            let worker = Arc::clone(&worker);
            AbortOnDropHandle::new(tokio::spawn(async move { worker.tag(&candidate).await }))
        });
        let mut tasks =
            futures_util::stream::iter(tasks).buffer_unordered(self.spec.max_parallel.max(1));
        loop {
            let next = tokio::select! {
                biased;
                () = cancel.cancelled() => {
                    end.cancelled = true;
                    break;
                }
                next = tasks.next() => next,
            };
            match next {
                Some(Ok(outcome)) => {
                    end.totals.add(&outcome);
                    reporter.send(Event::Finished(Box::new(outcome))).await;
                }
                Some(Err(failure)) => {
                    if let Ok(panic) = failure.try_into_panic() {
                        std::panic::resume_unwind(panic);
                    }
                }
                None => break,
            }
        }
        if end.cancelled {
            drop(tasks);
            self.target.uploads_end().await;
        }
        end.unreachable = worker.unreachable.summary();
        end
    }
}

/// Works on one tag at a time; all of them share the ladder.
struct Worker {
    target: Client,
    spec: Arc<SyncSpec>,
    ladder: Arc<Ladder>,
    unreachable: Unreachable,
}

impl Worker {
    async fn tag(&self, candidate: &Candidate) -> TagOutcome {
        let start = Instant::now();
        let mut outcome = self.tag_outcome(candidate).await;
        outcome.duration = start.elapsed();
        outcome
    }

    async fn tag_outcome(&self, candidate: &Candidate) -> TagOutcome {
        let failed = |error: SyncError, outcome: TagOutcome| {
            self.unreachable.note(&error);
            TagOutcome {
                status: Status::Failed,
                error: Some(error.to_string()),
                ..outcome
            }
        };
        let blank = candidate.outcome(&self.target, Action::Copy, candidate.selected_by.clone());
        let hosts = [candidate.from.host(), self.target.host()];
        if let Some(error) = self.unreachable.find(&hosts) {
            return failed(error, blank);
        }
        let ends = Ends {
            target: &self.target,
            known: &self.spec.known,
        };
        let comparison = match ends.compare(candidate).await {
            Ok(comparison) => comparison,
            Err(error) => return failed(error, blank),
        };
        let reason = format!("{}; {}", candidate.selected_by, comparison.reason);
        let mut outcome = candidate.outcome(&self.target, comparison.action, reason);
        outcome.source_digest.clone_from(&comparison.source_digest);
        outcome.target_digest.clone_from(&comparison.present);
        if !matches!(comparison.action, Action::Copy | Action::Update) {
            return outcome;
        }
        match self.copy(candidate, &comparison).await {
            Ok((moved, digest)) => TagOutcome {
                // A tag that moved in between is copied as it is now.
                source_digest: match &comparison.wanted {
                    Some(wanted) if wanted.manifest.is_none() => Some(digest.clone()),
                    _ => comparison.source_digest,
                },
                target_digest: Some(digest),
                previous_digest: comparison.present,
                moved,
                ..outcome
            },
            Err(error) => failed(error, outcome),
        }
    }

    async fn copy(
        &self,
        candidate: &Candidate,
        comparison: &Comparison,
    ) -> Result<(Moved, crate::oci::Digest), SyncError> {
        let named = || SyncError::NotFound {
            host: candidate.from.host().to_owned(),
            reference: candidate.reference.on(&candidate.source),
        };
        let wanted = comparison.wanted.as_ref().ok_or_else(named)?;
        let manifest = match &wanted.manifest {
            Some(manifest) => manifest.clone(),
            None => candidate.manifest_get(&wanted.digest).await?,
        };
        let route = Route {
            from: candidate.from.clone(),
            source: candidate.source.clone(),
            target: candidate.target.clone(),
        };
        let children = wanted.children.as_deref();
        let moved = self.ladder.needs_copy(&route, &manifest, children).await?;
        let put = self
            .target
            .manifest_put(&candidate.target, &candidate.reference, &manifest)
            .await;
        put.map_err(|source| match source.status() {
            Some(400 | 404 | 409 | 412 | 422) if children.is_some() => SyncError::Sparse {
                reference: candidate.reference.on(&candidate.target),
                platforms: platforms_text(&candidate.architectures),
                source,
            },
            _ => SyncError::Target(source),
        })?;
        Ok((moved, manifest.digest))
    }
}
