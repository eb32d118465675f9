//! The native engine: selects, then compares and copies tags concurrently.

use std::sync::Arc;

use futures_util::StreamExt;
use indexmap::IndexMap;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use crate::oci::Endpoint;

use super::copy::backup::Backups;
use super::copy::ladder::Ladder;
use super::copy::missing_platforms::MissingPlatformItems;
use super::copy::target_tags::{Filling, TargetTags};
use super::copy::unreachable::Unreachable;
use super::course::{RunEnd, RunStop};
use super::input::spec::{SyncItem, SyncSpec, Unmatched};
use super::intents::intents_settle;
use super::kept::part::KeptPart;
use super::outcome::{Action, Status, TagOutcome};
use super::progress::{Event, Reporter};
use super::prune::deleter::Ways;
use super::prune::place::Registries;
use super::prune::run::Pruning;
use super::prune::sights::Sights;
use super::referrers::lease::IndexLeases;
use super::referrers::of_tag::in_order;
use super::referrers::tags::ReferrerTags;
use super::referrers::walk::Referrers;
use super::selection::candidate::Candidate;
use super::selection::finding::{Candidates, candidates_find};
use super::tag_worker::{Shared, TagWorker};

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
                filling: Filling::default(),
                ways: Ways::default(),
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
        let mut halt = halt.into();
        let recovered = self.settle(&reporter, &halt).await;
        halt.earlier.recover(recovered);
        let mut end = match &self.kept {
            Some(kept) => Box::pin(self.kept_copy(kept, &reporter, &halt)).await,
            None => Box::pin(self.items_copy(&reporter, &halt)).await,
        };
        if end.cancelled {
            self.target.uploads_end().await;
        }
        end.unreachable = self.shared.unreachable.summary();
        end
    }

    /// Reports what earlier attempts did and couldn't record, and returns it.
    pub async fn settle(&self, reporter: &Reporter, halt: &RunStop) -> Vec<TagOutcome> {
        let Some(intents) = &halt.intents else {
            return Vec::new();
        };
        tokio::select! {
            recovered = intents_settle(intents.as_ref(), &self.target, reporter) => recovered,
            () = halt.cancel.cancelled() => Vec::new(),
            () = halt.drain.cancelled() => Vec::new(),
        }
    }

    async fn items_copy(&self, reporter: &Reporter, halt: &RunStop) -> RunEnd {
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
        let mut work = Work {
            sights: Sights::of(&self.target, std::mem::take(&mut found.looks), &found.all),
            lacking: MissingPlatformItems::default(),
            end,
        };
        let (all, tags) = self.found_report(found, reporter, &mut work).await;
        let backups = Backups::of(&self.spec, &all);
        let wanted = self.target_tags(&all);
        let worker = self.worker(tags, (backups, wanted), (reporter, halt));
        self.all_copy(all, &worker, (reporter, halt), &mut work)
            .await;
        self.end(work, &worker, reporter, halt).await
    }

    /// The same for a kept plan, whose actions are read page by page.
    async fn kept_copy(&self, kept: &KeptPart, reporter: &Reporter, halt: &RunStop) -> RunEnd {
        let mut work = Work {
            sights: Sights::kept(&self.target, &kept.place),
            ..Work::default()
        };
        let backups = Backups::of_plan(&self.spec, &kept.actions);
        let held = (backups, self.target_tags(&[]));
        let worker = self.worker(ReferrerTags::default(), held, (reporter, halt));
        if let Some(warning) = &kept.warning {
            work.end.warn(warning.clone(), reporter).await;
        }
        let mut after = None;
        loop {
            let page = tokio::select! {
                page = kept.page(after, self.spec.index) => page,
                () = halt.cancel.cancelled() => {
                    work.end.cancelled = true;
                    break;
                }
            };
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    work.tell(kept.unread(error), reporter).await;
                    return work.end;
                }
            };
            if after.is_none() {
                work.end.totals.selected = page.all;
                reporter.send(Event::Selected { tags: page.all }).await;
            }
            after = page.last;
            let stop = (reporter, halt);
            self.all_copy(page.candidates, &worker, stop, &mut work)
                .await;
            if after.is_none() || work.end.cancelled || work.end.drained {
                break;
            }
        }
        self.end(work, &worker, reporter, halt).await
    }

    /// Reports what was found; returns what is to be copied.
    async fn found_report(
        &self,
        found: Candidates,
        reporter: &Reporter,
        work: &mut Work,
    ) -> (Vec<Candidate>, ReferrerTags) {
        let tags = (found.all.len() + found.failed.len()) as u64;
        work.end.totals.selected = tags;
        for warning in found.warnings {
            work.end.warn(warning, reporter).await;
        }
        for warning in found.empty {
            work.end.totals.warnings += 1;
            work.end.totals.empty += 1;
            reporter.send(Event::Empty(warning)).await;
        }
        for failed in found.failed {
            work.tell(failed, reporter).await;
        }
        reporter.send(Event::Selected { tags }).await;
        (found.all, found.referrer_tags)
    }

    /// What comes after the last tag: reports held back, and deletes.
    async fn end(
        &self,
        mut work: Work,
        worker: &TagWorker,
        reporter: &Reporter,
        halt: &RunStop,
    ) -> RunEnd {
        if work.end.drained || work.end.cancelled {
            return work.end;
        }
        // Tags that haven't been checked yet may have had the platform.
        for outcome in std::mem::take(&mut work.lacking).end() {
            work.tell(outcome, reporter).await;
        }
        let Work {
            mut sights,
            mut end,
            ..
        } = work;
        let Some(rules) = self.spec.prune.as_ref().filter(|_| self.spec.is_pruning()) else {
            return end;
        };
        let rules = &*rules.with_recovered(&halt.earlier.recovered);
        sights.earlier(&halt.earlier);
        sights.carried(worker.referrers.as_ref());
        sights.unreachable(self.shared.unreachable.summary().as_deref());
        let pruning = Pruning {
            registries: self.registries(),
            rules,
            ways: &self.shared.ways,
            halt,
            reporter,
        };
        let is_cut = tokio::select! {
            biased;
            () = halt.cancel.cancelled() => true,
            () = async {
                match &self.kept {
                    Some(kept) => pruning.run_kept(kept, sights, &mut end).await,
                    None => pruning.run(sights, &mut end).await,
                }
            } => false,
        };
        end.cancelled |= is_cut;
        end
    }

    /// Who is asked before anything is deleted.
    pub(super) fn registries(&self) -> Registries<'_> {
        Registries {
            target: &self.target,
            items: &self.items,
            parallel: self.spec.max_parallel,
        }
    }

    fn target_tags(&self, wanted: &[Candidate]) -> TargetTags {
        TargetTags::of(self.target.clone(), self.shared.filling.clone(), wanted)
    }

    fn worker(
        &self,
        tags: ReferrerTags,
        (backups, at_target): (Option<Backups>, TargetTags),
        (reporter, halt): (&Reporter, &RunStop),
    ) -> Arc<TagWorker> {
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
            tags: at_target,
            intents: halt.intents.clone(),
            reporter: reporter.clone(),
            backups,
            shared: Arc::clone(&self.shared),
        })
    }

    async fn all_copy(
        &self,
        all: Vec<Candidate>,
        worker: &Arc<TagWorker>,
        course: (&Reporter, &RunStop),
        work: &mut Work,
    ) {
        if let Some(referrers) = &worker.referrers {
            referrers.origins_note(&all);
        }
        for some in in_order(all, worker.referrers.is_some()) {
            self.candidates_copy(some, worker, course, work).await;
        }
    }

    async fn candidates_copy(
        &self,
        some: Vec<Candidate>,
        worker: &Arc<TagWorker>,
        (reporter, halt): (&Reporter, &RunStop),
        work: &mut Work,
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
                    work.end.cancelled = true;
                    return;
                }
                next = tasks.next() => next,
            };
            match next {
                Some(Ok(Some((items, outcome)))) => {
                    for outcome in work.lacking.take(&items, outcome) {
                        work.tell(outcome, reporter).await;
                    }
                }
                Some(Ok(None)) => work.end.drained = true,
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

/// What becomes of the tags, so far.
#[derive(Default)]
struct Work {
    sights: Sights,
    /// Reports about tags without a chosen platform.
    lacking: MissingPlatformItems,
    end: RunEnd,
}

impl Work {
    /// Counts and reports the outcome of a tag.
    async fn tell(&mut self, outcome: TagOutcome, reporter: &Reporter) {
        if outcome.status != Status::Done {
            let error = outcome.told_error().unwrap_or_default();
            let place = &outcome.target_repository;
            self.sights.trouble(place, &outcome.target, error);
        } else if outcome.action == Action::Copy {
            let (place, tag) = (&outcome.target_repository, &outcome.target_tag);
            self.sights.adds(place, tag);
        }
        if let Some(kept) = &outcome.backup {
            self.sights.adds(&outcome.target_repository, kept);
            self.sights.writes(&outcome.target_repository, kept);
        }
        if let Some(event) = Event::of_kept(&outcome) {
            reporter.send(event).await;
        }
        self.end.tell(outcome, reporter).await;
    }
}
