//! The native engine: selects, then compares and copies tags concurrently.

use std::sync::Arc;

use futures_util::StreamExt;
use indexmap::IndexMap;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::oci::Endpoint;

use super::copy::ladder::{BlobLocations, Ladder};
use super::copy::missing_platforms::MissingPlatformItems;
use super::copy::unreachable::Unreachable;
use super::input::spec::{SyncItem, SyncSpec, Unmatched};
use super::kept::part::KeptPart;
use super::outcome::{TagOutcome, Totals};
use super::progress::{Event, Reporter};
use super::referrers::lease::IndexLeases;
use super::referrers::of_tag::in_order;
use super::referrers::tags::ReferrerTags;
use super::referrers::walk::Referrers;
use super::selection::candidate::{Candidate, candidates_find};
use super::tag_work::TagWorker;

/// Copies the content of a [`SyncSpec`] to one registry.
pub struct Engine {
    pub(super) target: Endpoint,
    pub(super) spec: Arc<SyncSpec>,
    /// The part of the specification that this engine copies.
    pub(super) items: Vec<SyncItem>,
    pub(super) unmatched: Vec<Unmatched>,
    shared: Arc<Shared>,
    leases: Option<Arc<dyn IndexLeases>>,
    /// What of a kept plan is copied, instead of items.
    kept: Option<KeptPart>,
}

/// State shared by the parts of a run: blobs copied by one are mounted by the others, a registry
/// found unreachable by one isn't tried by the others, and all of them together work on no more
/// tags at once than the specification allows.
struct Shared {
    homes: Arc<BlobLocations>,
    unreachable: Arc<Unreachable>,
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
                unreachable: Arc::default(),
                permits,
            }),
            leases: None,
            kept: None,
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
        let parts = parts.into_iter();
        let parts = parts.map(|(place, items)| (place, self.part(items, Vec::new(), None)));
        let unmatched = self.unmatched.iter().cloned();
        let unmatched = unmatched.map(|item| {
            let place = item.pattern.clone();
            (place, self.part(Vec::new(), vec![item], None))
        });
        parts.chain(unmatched).collect()
    }

    /// An engine that copies what a kept plan says, and nothing else: no tags are listed or selected.
    #[must_use]
    pub fn with_kept(&self, kept: KeptPart) -> Engine {
        self.part(Vec::new(), Vec::new(), Some(kept))
    }

    fn part(
        &self,
        items: Vec<SyncItem>,
        unmatched: Vec<Unmatched>,
        kept: Option<KeptPart>,
    ) -> Engine {
        Self {
            target: self.target.clone(),
            spec: Arc::clone(&self.spec),
            items,
            unmatched,
            shared: Arc::clone(&self.shared),
            leases: self.leases.clone(),
            kept,
        }
    }

    /// Does the work. A failing tag doesn't stop the others. Cancelling ends all transfers at once;
    /// the target stays consistent, since tags are written last.
    pub async fn run(&self, reporter: Reporter, halt: impl Into<RunStop>) -> RunEnd {
        let halt = halt.into();
        if let Some(kept) = &self.kept {
            return self.kept_copy(kept, &reporter, &halt).await;
        }
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

    /// The same for a kept plan, whose actions are read page by page.
    async fn kept_copy(&self, kept: &KeptPart, reporter: &Reporter, halt: &RunStop) -> RunEnd {
        let mut end = RunEnd::default();
        let worker = self.worker(ReferrerTags::default(), reporter);
        let mut after = None;
        loop {
            let page = tokio::select! {
                page = kept.page(after, self.spec.index) => page,
                () = halt.cancel.cancelled() => {
                    end.cancelled = true;
                    break;
                }
            };
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    tell(kept.unread(error), reporter, &mut end).await;
                    break;
                }
            };
            if after.is_none() {
                end.totals.selected = page.all;
                let tags = end.totals.selected;
                reporter.send(Event::Selected { tags }).await;
            }
            after = page.last;
            for some in in_order(page.candidates, worker.referrers.is_some()) {
                let mut lacking = MissingPlatformItems::default();
                self.candidates_copy(some, &worker, &mut lacking, (reporter, halt), &mut end)
                    .await;
            }
            if after.is_none() || end.cancelled || end.drained {
                break;
            }
        }
        if end.cancelled {
            self.target.uploads_end().await;
        }
        end.unreachable = self.shared.unreachable.summary();
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
            unreachable: Arc::clone(&self.shared.unreachable),
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
            let shared = Arc::clone(&self.shared);
            AbortOnDropHandle::new(tokio::spawn(async move {
                let _permit = shared.permits.acquire().await;
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
