//! What a run would do, without writing anything.

use std::collections::HashSet;

use futures_util::StreamExt;
use tokio::sync::mpsc;

use crate::oci::Digest;

use super::copy::compare::{Comparison, Ends};
use super::copy::unreachable::Unreachable;
use super::costs::{CopyCosts, PlanCosts};
use super::engine::Engine;
use super::error::SyncError;
use super::input::index_mode::platforms_text;
use super::needs::{Needs, needs_find, root_get};
use super::outcome::{Action, MissingPlatforms, TagOutcome};
use super::referrers::arrive::Arrived;
use super::referrers::of_tag::{CARRIED, in_order};
use super::referrers::walk::Referrers;
use super::selection::candidate::{Candidate, candidates_find};
use crate::text::counted;

/// The actions of a run, and their totals.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// One for each selected tag, in the order of the items; tags that hold referrers come last if
    /// referrers are copied.
    pub actions: Vec<PlanAction>,
    /// Tags to copy.
    pub copy: u64,
    /// Tags to overwrite.
    pub update: u64,
    /// Unchanged or skipped tags.
    pub skip: u64,
    /// Tags that can't or mustn't be copied.
    pub blocked: u64,
    /// Bytes of all required blobs, each counted once, including those that the target already has;
    /// without those of referrers.
    pub bytes: u64,
    /// What a run would ask of both registries.
    pub costs: PlanCosts,
    /// The blocked ones that couldn't be checked, rather than being forbidden.
    pub failed: u64,
    /// Why a registry couldn't be reached at all.
    pub unreachable: Option<String>,
    /// Warnings.
    pub warnings: Vec<String>,
    /// Items that select nothing although that isn't expected; each has a warning.
    pub empty: usize,
}

/// What would be done with one tag.
#[derive(Clone, Debug)]
pub struct PlanAction {
    /// The source repository, as the item names it.
    pub repository: String,
    /// The tag or digest; "" for a repository whose tags can't be listed.
    pub tag: String,
    /// `host/repository:tag` at the source; `host/repository` if its tags can't be listed.
    pub source: String,
    /// `host/repository:tag` at the target.
    pub target: String,
    /// The full repository path at the target.
    pub target_repository: String,
    /// The tag or digest at the target.
    pub target_tag: String,
    /// The chosen platforms, in the form of [`platforms_text`].
    pub platforms: String,
    /// The planned action.
    pub action: Action,
    /// Why the tag is selected, and why this action.
    pub reason: String,
    /// The source's digest.
    pub source_digest: Option<Digest>,
    /// The target's digest after the run.
    pub digest: Option<Digest>,
    /// The target's current digest.
    pub previous_digest: Option<Digest>,
    /// Bytes of the required blobs, for tags to copy.
    pub size: Option<u64>,
    /// Why it couldn't be checked; then the same as the reason.
    pub error: Option<String>,
}

impl PlanAction {
    /// Whether the tag is to be written.
    pub fn is_copy(&self) -> bool {
        matches!(self.action, Action::Copy | Action::Update)
    }
}

/// What failed before its tags were known.
impl From<TagOutcome> for PlanAction {
    fn from(failed: TagOutcome) -> Self {
        let reason = failed.error.unwrap_or(failed.reason);
        Self {
            repository: failed.repository,
            tag: failed.tag,
            source: failed.source,
            target: failed.target,
            target_repository: failed.target_repository,
            target_tag: failed.target_tag,
            platforms: failed.platforms,
            action: Action::Blocked,
            error: Some(reason.clone()),
            reason,
            source_digest: None,
            digest: None,
            previous_digest: None,
            size: None,
        }
    }
}

/// Planned actions, each with its number in the plan. One whose fate is known late comes late.
pub type PlannedActions = mpsc::Sender<(u64, PlanAction)>;

/// Actions that wait to be taken before the planning waits.
const ACTIONS: usize = 256;

struct PlannedTag {
    action: PlanAction,
    /// What it needs, for tags to copy.
    needs: Needs,
    /// Chosen platforms that it lacks.
    missing: Option<MissingPlatforms>,
    /// Referrers to copy.
    referrers: u64,
    /// Why some of its referrers wouldn't be copied.
    warnings: Vec<String>,
    candidate: Candidate,
}

/// A tag with none of the chosen platforms.
struct Lacking {
    number: u64,
    action: PlanAction,
    items: Vec<usize>,
    missing: MissingPlatforms,
}

/// A plan that is being made.
struct Planning {
    plan: Plan,
    actions: PlannedActions,
    /// The number of the latest action.
    number: u64,
    costs: CopyCosts,
    lacking: Vec<Lacking>,
    /// Items with another tag.
    met: HashSet<usize>,
}

impl Planning {
    /// Adds a tag to the plan. `false`: nobody takes its actions any more.
    async fn take(&mut self, tag: PlannedTag) -> bool {
        let PlannedTag {
            action,
            needs,
            missing,
            referrers,
            warnings,
            candidate,
        } = tag;
        self.number += 1;
        self.plan.warnings.extend(warnings);
        match missing {
            Some(missing) if missing.is_all => {
                self.lacking.push(Lacking {
                    number: self.number,
                    action,
                    items: candidate.items,
                    missing,
                });
                return true;
            }
            missing => {
                let told = missing.map(|missing| missing.told_of(&action.repository, &action.tag));
                self.plan.warnings.extend(told);
            }
        }
        if action.is_copy() {
            let fresh = self.costs.copy(&candidate, &needs);
            self.plan.bytes = self.plan.bytes.saturating_add(fresh);
        }
        self.costs.referrers(referrers);
        self.met.extend(candidate.items);
        self.send(self.number, action).await
    }

    /// If other tags of its item have one of the chosen platforms, a tag without is skipped, else it
    /// fails with its item.
    async fn end(mut self) -> Plan {
        for Lacking {
            number,
            mut action,
            items,
            missing,
        } in std::mem::take(&mut self.lacking)
        {
            if items.iter().any(|item| self.met.contains(item)) {
                let told = missing.told_of(&action.repository, &action.tag);
                self.plan.warnings.push(told);
            } else {
                action.action = Action::Blocked;
                action.error = Some(missing.words);
            }
            if !self.send(number, action).await {
                break;
            }
        }
        self.plan.costs = self.costs.all();
        self.plan
    }

    async fn send(&mut self, number: u64, action: PlanAction) -> bool {
        let plan = &mut self.plan;
        plan.failed += u64::from(action.error.is_some());
        let count = match action.action {
            Action::Copy => &mut plan.copy,
            Action::Update => &mut plan.update,
            Action::Skip => &mut plan.skip,
            Action::Blocked => &mut plan.blocked,
        };
        *count += 1;
        self.actions.send((number, action)).await.is_ok()
    }
}

impl Engine {
    /// Compares all selected tags; writes nothing. A tag that can't be compared is blocked, with
    /// the reason.
    pub async fn plan(&self) -> Plan {
        let (sender, mut receiver) = mpsc::channel(ACTIONS);
        let collected = async {
            let mut all = Vec::new();
            while let Some(action) = receiver.recv().await {
                all.push(action);
            }
            all
        };
        let (mut plan, mut actions) = tokio::join!(self.plan_to(sender), collected);
        actions.sort_by_key(|(number, _)| *number);
        plan.actions = actions.into_iter().map(|(_, action)| action).collect();
        plan
    }

    /// The same, with the actions sent to `actions` instead of being kept in memory. Ends early if
    /// nobody takes them.
    pub async fn plan_to(&self, actions: PlannedActions) -> Plan {
        let unreachable = Unreachable::default();
        let costs = CopyCosts::begin(&self.target, &self.items);
        let mut found = candidates_find(&self.target, &self.spec, &self.items, &unreachable).await;
        found.unmatched_add(&self.unmatched);
        let mut warnings = found.warnings;
        let empty = found.empty.len();
        warnings.extend(found.empty);
        let mut planning = Planning {
            plan: Plan {
                warnings,
                empty,
                ..Plan::default()
            },
            actions,
            number: 0,
            costs,
            lacking: Vec::new(),
            met: HashSet::new(),
        };
        for failed in found.failed {
            planning.number += 1;
            if !planning.send(planning.number, failed.into()).await {
                return planning.plan;
            }
        }
        let (target, choice) = (self.target.clone(), &self.spec.referrers);
        let referrers = Referrers::new(target, choice, found.referrer_tags, None, None);
        for some in in_order(found.all, referrers.is_some()) {
            let mut compared = futures_util::stream::iter(some)
                .map(|candidate| self.plan_tag(candidate, &unreachable, referrers.as_ref()))
                .buffered(self.spec.max_parallel.max(1));
            while let Some(tag) = compared.next().await {
                if !planning.take(tag).await {
                    return planning.plan;
                }
            }
        }
        let mut plan = planning.end().await;
        plan.unreachable = unreachable.summary();
        plan
    }

    async fn plan_tag(
        &self,
        candidate: Candidate,
        unreachable: &Unreachable,
        referrers: Option<&Referrers>,
    ) -> PlannedTag {
        let (source, target) = (candidate.from.host(), self.target.host());
        let compared = match unreachable.find(source, Some(target)) {
            Some(error) => Err(error),
            None => self.plan_compared(&candidate, referrers).await,
        };
        match compared {
            Ok((mut comparison, needs, arrived)) => {
                let missing = comparison.missing.take();
                let mut reason = format!("{}; {}", candidate.selected_by, comparison.reason);
                if arrived.written > 0 {
                    reason = format!("{reason}; {} to copy", counted(arrived.written, "referrer"));
                }
                PlannedTag {
                    action: self.action(&candidate, comparison, reason, &needs),
                    needs,
                    missing,
                    referrers: arrived.written,
                    warnings: arrived.warnings,
                    candidate,
                }
            }
            Err(error) => {
                unreachable.note(candidate.from.host(), self.target.host(), &error);
                let reason = error.to_string();
                let stop = Comparison::stop(Action::Blocked, reason.clone());
                PlannedTag {
                    action: PlanAction {
                        error: Some(reason.clone()),
                        ..self.action(&candidate, stop, reason, &Needs::default())
                    },
                    needs: Needs::default(),
                    missing: None,
                    referrers: 0,
                    warnings: Vec::new(),
                    candidate,
                }
            }
        }
    }

    async fn plan_compared(
        &self,
        candidate: &Candidate,
        referrers: Option<&Referrers>,
    ) -> Result<(Comparison, Needs, Arrived), SyncError> {
        if referrers.is_some_and(|all| all.has_carried(candidate)) {
            let stop = Comparison::stop(Action::Skip, CARRIED.to_owned());
            return Ok((stop, Needs::default(), Arrived::default()));
        }
        let ends = Ends {
            target: &self.target,
            known: &self.spec.known,
            lost: &self.spec.lost,
        };
        let comparison = ends.compare(candidate).await?;
        let mut needs = Needs::default();
        let mut root = None;
        if let (Action::Copy | Action::Update, Some(manifest)) =
            (comparison.action, &comparison.manifest)
        {
            let whole = root_get(candidate, manifest).await?;
            needs = needs_find(candidate, manifest, &whole).await?;
            root = Some(whole);
        }
        let arrived = match (referrers, root) {
            (Some(all), Some(root)) => all.of_planned(candidate, &comparison, root).await?,
            (Some(all), None) => all.of_copied(candidate, &comparison, None).await?,
            (None, _) => Arrived::default(),
        };
        Ok((comparison, needs, arrived))
    }

    fn action(
        &self,
        candidate: &Candidate,
        comparison: Comparison,
        reason: String,
        needs: &Needs,
    ) -> PlanAction {
        let copies = matches!(comparison.action, Action::Copy | Action::Update);
        PlanAction {
            repository: candidate.repository.to_string(),
            tag: candidate.reference.as_str().to_owned(),
            source: candidate.origin(),
            target: candidate.place(&self.target),
            target_repository: candidate.target.to_string(),
            target_tag: candidate.target_reference.as_str().to_owned(),
            platforms: platforms_text(&candidate.architectures),
            action: comparison.action,
            reason,
            source_digest: comparison.source_digest,
            digest: comparison.manifest.map(|manifest| manifest.digest),
            previous_digest: comparison.present,
            size: copies.then(|| needs.bytes()),
            error: None,
        }
    }
}
