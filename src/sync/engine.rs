//! The native engine: selects, then compares and copies tags concurrently.

use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use indexmap::IndexMap;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::oci::{Endpoint, Manifest};

use super::copy::compare::{Comparison, Ends};
use super::copy::ladder::{BlobLocations, Ladder, Route};
use super::copy::manifest_writes::manifest_write;
use super::copy::missing_platforms::MissingPlatformItems;
use super::copy::unreachable::Unreachable;
use super::error::SyncError;
use super::input::index_mode::platforms_text;
use super::input::spec::{SyncItem, SyncSpec, Unmatched};
use super::outcome::{Action, Moved, Status, TagOutcome, Totals};
use super::progress::{Event, Reporter};
use super::referrers::arrive::Arrived;
use super::referrers::lease::IndexLeases;
use super::referrers::of_tag::{CARRIED, in_order};
use super::referrers::tags::ReferrerTags;
use super::referrers::walk::Referrers;
use super::selection::candidate::{Candidate, candidates_find};

/// Copies the content of a [`SyncSpec`] to one registry.
pub struct Engine {
    pub(super) target: Endpoint,
    pub(super) spec: Arc<SyncSpec>,
    /// The part of the specification that this engine copies.
    pub(super) items: Vec<SyncItem>,
    pub(super) unmatched: Vec<Unmatched>,
    shared: Arc<Shared>,
    leases: Option<Arc<dyn IndexLeases>>,
}

/// State shared by the parts of a run: blobs copied by one are mounted by the others, a registry
/// found unreachable by one isn't tried by the others, and all of them together work on no more
/// tags at once than the specification allows.
struct Shared {
    homes: Arc<BlobLocations>,
    unreachable: Unreachable,
    permits: Semaphore,
}

/// Signals to end a run early.
#[derive(Clone, Debug, Default)]
pub struct RunStop {
    /// Cancels all transfers at once.
    pub cancel: CancellationToken,
    /// Lets the tags in progress finish, and starts no others.
    pub drain: CancellationToken,
}

impl From<CancellationToken> for RunStop {
    fn from(cancel: CancellationToken) -> Self {
        Self {
            cancel,
            drain: CancellationToken::new(),
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

impl Engine {
    /// An engine for one plan or run.
    pub fn new(target: impl Into<Endpoint>, mut spec: SyncSpec) -> Self {
        let items = std::mem::take(&mut spec.items);
        let unmatched = std::mem::take(&mut spec.unmatched);
        let permits = Semaphore::new(spec.max_parallel.clamp(1, Semaphore::MAX_PERMITS));
        Self {
            target: target.into(),
            spec: Arc::new(spec),
            items,
            unmatched,
            shared: Arc::new(Shared {
                homes: Arc::default(),
                unreachable: Unreachable::default(),
                permits,
            }),
            leases: None,
        }
    }

    /// The same, where other processes write to the target too.
    #[must_use]
    pub fn with_leases(self, leases: Arc<dyn IndexLeases>) -> Self {
        Self {
            leases: Some(leases),
            ..self
        }
    }

    /// An engine for each target place, in the order of the items. Two items can only conflict over
    /// a tag within one place, so all engines together do what a single one would do. An item
    /// without a valid target has its own path as its place, where it fails; one without
    /// repositories has its pattern.
    pub fn split(&self) -> Vec<(String, Engine)> {
        let mut parts: IndexMap<String, Vec<SyncItem>> = IndexMap::new();
        for item in &self.items {
            let place = match item.way(&self.spec.placement, self.target.address()) {
                Ok((_, target)) => target.to_string(),
                Err(_) => item.repository.to_string(),
            };
            parts.entry(place).or_default().push(item.clone());
        }
        let engine = |items, unmatched| Self {
            target: self.target.clone(),
            spec: Arc::clone(&self.spec),
            items,
            unmatched,
            shared: Arc::clone(&self.shared),
            leases: self.leases.clone(),
        };
        let parts = parts.into_iter();
        let parts = parts.map(|(place, items)| (place, engine(items, Vec::new())));
        let unmatched = self.unmatched.iter().cloned();
        let unmatched =
            unmatched.map(|item| (item.pattern.clone(), engine(Vec::new(), vec![item])));
        parts.chain(unmatched).collect()
    }

    /// Does the work. A failing tag doesn't stop the others. Cancelling ends all transfers at once;
    /// the target stays consistent, since tags are written last.
    pub async fn run(&self, reporter: Reporter, halt: impl Into<RunStop>) -> RunEnd {
        let halt = halt.into();
        let mut end = RunEnd::default();
        let unreachable = &self.shared.unreachable;
        let mut found = tokio::select! {
            found = candidates_find(&self.target, &self.spec, &self.items, unreachable) => found,
            () = halt.cancel.cancelled() => {
                end.cancelled = true;
                return end;
            }
            () = halt.drain.cancelled() => {
                end.drained = true;
                return end;
            }
        };
        found.unmatched_add(&self.unmatched);
        end.totals.selected = (found.all.len() + found.failed.len()) as u64;
        for warning in found.warnings {
            end.totals.warnings += 1;
            reporter.send(Event::Warning(warning)).await;
        }
        for warning in found.empty {
            end.totals.warnings += 1;
            end.totals.empty += 1;
            reporter.send(Event::Empty(warning)).await;
        }
        for failed in found.failed {
            end.totals.add(&failed);
            reporter.send(Event::Finished(Box::new(failed))).await;
        }
        let tags = end.totals.selected;
        reporter.send(Event::Selected { tags }).await;
        let worker = self.worker(found.referrer_tags, &reporter);
        let mut lacking = MissingPlatformItems::default();
        for some in in_order(found.all, worker.referrers.is_some()) {
            self.candidates_copy(some, &worker, &mut lacking, (&reporter, &halt), &mut end)
                .await;
        }
        // Tags that haven't been checked yet may have the platform.
        if !end.drained && !end.cancelled {
            for outcome in lacking.end() {
                tell(outcome, &reporter, &mut end).await;
            }
        }
        if end.cancelled {
            self.target.uploads_end().await;
        }
        end.unreachable = unreachable.summary();
        end
    }

    fn worker(&self, tags: ReferrerTags, reporter: &Reporter) -> Arc<TagWorker> {
        let (target, homes) = (self.target.clone(), Arc::clone(&self.shared.homes));
        let ladder = Arc::new(Ladder::new(target.clone(), reporter.on_bytes(), homes));
        let (choice, leases) = (&self.spec.referrers, self.leases.clone());
        Arc::new(TagWorker {
            referrers: Referrers::new(
                target.clone(),
                choice,
                tags,
                Some(Arc::clone(&ladder)),
                leases,
            ),
            target,
            spec: Arc::clone(&self.spec),
            ladder,
            shared: Arc::clone(&self.shared),
        })
    }

    async fn candidates_copy(
        &self,
        some: Vec<Candidate>,
        worker: &Arc<TagWorker>,
        lacking: &mut MissingPlatformItems,
        (reporter, halt): (&Reporter, &RunStop),
        end: &mut RunEnd,
    ) {
        let tasks = some.into_iter().map(|candidate| {
            let (worker, drain) = (Arc::clone(worker), halt.drain.clone());
            AbortOnDropHandle::new(tokio::spawn(async move {
                let _permit = worker.shared.permits.acquire().await;
                if drain.is_cancelled() {
                    return None;
                }
                let outcome = Box::pin(worker.tag(&candidate)).await;
                Some((candidate.items, outcome))
            }))
        });
        let mut tasks =
            futures_util::stream::iter(tasks).buffer_unordered(self.spec.max_parallel.max(1));
        loop {
            let next = tokio::select! {
                biased;
                () = halt.cancel.cancelled() => {
                    end.cancelled = true;
                    return;
                }
                next = tasks.next() => next,
            };
            match next {
                Some(Ok(Some((items, outcome)))) => {
                    for outcome in lacking.take(&items, outcome) {
                        tell(outcome, reporter, end).await;
                    }
                }
                Some(Ok(None)) => end.drained = true,
                Some(Err(failure)) => {
                    if let Ok(panic) = failure.try_into_panic() {
                        std::panic::resume_unwind(panic);
                    }
                }
                None => return,
            }
        }
    }
}

/// Counts and reports the outcome of a tag.
async fn tell(outcome: TagOutcome, reporter: &Reporter, end: &mut RunEnd) {
    let about_referrers = outcome.referrers.warnings.iter().cloned();
    for warning in outcome.warning().into_iter().chain(about_referrers) {
        end.totals.warnings += 1;
        reporter.send(Event::Warning(warning)).await;
    }
    end.totals.add(&outcome);
    reporter.send(Event::Finished(Box::new(outcome))).await;
}

/// Works on one tag at a time; the ladder is shared.
struct TagWorker {
    target: Endpoint,
    spec: Arc<SyncSpec>,
    ladder: Arc<Ladder>,
    /// If any are wanted.
    referrers: Option<Referrers>,
    shared: Arc<Shared>,
}

impl TagWorker {
    async fn tag(&self, candidate: &Candidate) -> TagOutcome {
        let start = Instant::now();
        let mut outcome = Box::pin(self.tag_outcome(candidate)).await;
        outcome.duration = start.elapsed();
        outcome
    }

    async fn tag_outcome(&self, candidate: &Candidate) -> TagOutcome {
        let failed = |error: SyncError, outcome: TagOutcome| {
            let (from, to) = (candidate.from.host(), self.target.host());
            self.shared.unreachable.note(from, to, &error);
            TagOutcome {
                status: Status::Failed,
                error: Some(error.to_string()),
                ..outcome
            }
        };
        let blank = candidate.outcome(&self.target, Action::Copy, candidate.selected_by.clone());
        let (source, target) = (candidate.from.host(), self.target.host());
        if let Some(error) = self.shared.unreachable.find(source, Some(target)) {
            return failed(error, blank);
        }
        if self
            .referrers
            .as_ref()
            .is_some_and(|all| all.has_carried(candidate))
        {
            let reason = format!("{}; {CARRIED}", candidate.selected_by);
            return candidate.outcome(&self.target, Action::Skip, reason);
        }
        let ends = Ends {
            target: &self.target,
            known: &self.spec.known,
            lost: &self.spec.lost,
        };
        let comparison = match ends.compare(candidate).await {
            Ok(comparison) => comparison,
            Err(error) => return failed(error, blank),
        };
        let reason = format!("{}; {}", candidate.selected_by, comparison.reason);
        let mut outcome = candidate.outcome(&self.target, comparison.action, reason);
        outcome.source_digest.clone_from(&comparison.source_digest);
        outcome.target_digest.clone_from(&comparison.present);
        outcome.missing.clone_from(&comparison.missing);
        let mut root = None;
        if matches!(comparison.action, Action::Copy | Action::Update) {
            match Box::pin(self.copy(candidate, &comparison)).await {
                Ok((moved, manifest)) => {
                    // A tag that was moved in between is copied as it is now.
                    if comparison
                        .manifest
                        .as_ref()
                        .is_some_and(|m| m.body.is_none())
                    {
                        outcome.source_digest = Some(manifest.digest.clone());
                    }
                    outcome.target_digest = Some(manifest.digest.clone());
                    outcome.previous_digest.clone_from(&comparison.present);
                    outcome.moved = moved;
                    root = Some(manifest);
                }
                Err(error) => return failed(error, outcome),
            }
        }
        match self.referrers_copy(candidate, &comparison, root).await {
            Ok(arrived) => outcome.with_referrers(arrived),
            Err(error) => failed(error, outcome),
        }
    }

    /// What refers to the image, which is at the target now. An image that was left alone has new
    /// signatures all the same.
    async fn referrers_copy(
        &self,
        candidate: &Candidate,
        comparison: &Comparison,
        root: Option<Manifest>,
    ) -> Result<Arrived, SyncError> {
        match &self.referrers {
            Some(all) => Box::pin(all.of_copied(candidate, comparison, root)).await,
            None => Ok(Arrived::default()),
        }
    }

    async fn copy(
        &self,
        candidate: &Candidate,
        comparison: &Comparison,
    ) -> Result<(Moved, Manifest), SyncError> {
        let chosen = comparison.manifest.as_ref();
        let chosen = chosen.ok_or_else(|| candidate.not_found())?;
        let manifest = match &chosen.body {
            Some(manifest) => manifest.clone(),
            None => candidate.manifest_get(&chosen.digest).await?,
        };
        let route = Route {
            from: candidate.from.clone(),
            source: candidate.source.clone(),
            target: candidate.target.clone(),
            is_lost: comparison.is_lost,
        };
        let Some(children) = &chosen.children else {
            let moved = self
                .ladder
                .copy(&route, &candidate.target_reference, &manifest)
                .await?;
            return Ok((moved, manifest));
        };
        let moved = self
            .ladder
            .children_copy(&route, &manifest, children)
            .await?;
        // The other children are missing for good, so there is no retry.
        let (target, reference) = (&candidate.target, &candidate.target_reference);
        manifest_write(&self.target, target, reference, &manifest, false)
            .await
            .map_err(|source| match source.status() {
                Some(400 | 404 | 409 | 412 | 422) => SyncError::Sparse {
                    reference: reference.on(target),
                    platforms: platforms_text(&candidate.architectures),
                    source: Box::new(source),
                },
                _ => SyncError::Target(source),
            })?;
        Ok((moved, manifest))
    }
}
