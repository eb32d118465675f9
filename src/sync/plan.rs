//! What a run would do, without writing anything.

use std::collections::HashSet;

use futures_util::StreamExt;

use crate::oci::Digest;

use super::copy::backup::Backups;
use super::copy::compare::{Comparison, Ends};
use super::copy::needs::{needs, root_get, total};
use super::copy::unreachable::Unreachable;
use super::engine::Engine;
use super::error::SyncError;
use super::outcome::{Action, MissingPlatforms, Status, TagOutcome};
use super::prune::run::planned_deletes;
use super::prune::sights::Sights;
use super::referrers::arrive::Arrived;
use super::referrers::of_tag::{CARRIED, in_order};
use super::referrers::walk::Referrers;
use super::selection::candidate::Candidate;
use super::selection::finding::candidates_find;
use crate::text::counted;

/// The actions of a run, and their totals.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// One for each selected tag, in the order of the items; tags that hold referrers come last if
    /// referrers are copied; then the deletes.
    pub actions: Vec<PlanAction>,
    /// Tags to copy.
    pub copy: u64,
    /// Tags to overwrite.
    pub update: u64,
    /// Unchanged or skipped tags.
    pub skip: u64,
    /// Tags to delete.
    pub delete: u64,
    /// Tags that can't or mustn't be copied or deleted.
    pub blocked: u64,
    /// Bytes of all required blobs, each counted once, including those that the target already has;
    /// without those of referrers.
    pub bytes: u64,
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
    /// `host/repository:tag` at the target.
    pub target: String,
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

impl From<TagOutcome> for PlanAction {
    /// A delete.
    fn from(delete: TagOutcome) -> Self {
        Self {
            repository: delete.repository,
            tag: delete.tag,
            target: delete.target,
            action: match delete.status {
                Status::Blocked => Action::Blocked,
                _ => delete.action,
            },
            reason: delete.reason,
            source_digest: None,
            digest: None,
            previous_digest: delete.previous_digest,
            size: None,
            error: None,
        }
    }
}

struct PlannedTag {
    action: PlanAction,
    /// Its blobs: digest and bytes.
    blobs: Vec<(Digest, u64)>,
    /// Chosen platforms that it lacks.
    missing: Option<MissingPlatforms>,
    /// Why some of its referrers wouldn't be copied.
    warnings: Vec<String>,
    /// The items that select it.
    items: Vec<usize>,
    /// Its target repository, and the tags that would be new there.
    target: (String, Vec<String>),
}

impl Plan {
    /// A tag has none of the chosen platforms: if other tags of its item have one, it is skipped,
    /// else it fails with its item.
    fn missing_add(&mut self, at: usize, is_met: bool, missing: MissingPlatforms) {
        let Some(action) = self.actions.get_mut(at) else {
            return;
        };
        if is_met {
            let told = missing.told_of(&action.repository, &action.tag);
            self.warnings.push(told);
            return;
        }
        action.action = Action::Blocked;
        action.error = Some(missing.words);
        self.skip -= 1;
        self.blocked += 1;
        self.failed += 1;
    }
}

/// What is known of the planned tags so far.
#[derive(Default)]
struct Planned {
    /// Blobs whose bytes were counted.
    counted: HashSet<Digest>,
    /// Tags with none of the chosen platforms: their place in the plan, and their items.
    missing_all: Vec<(usize, Vec<usize>, MissingPlatforms)>,
    /// Items with another tag.
    met: HashSet<usize>,
    /// The targets of the actions, in their order.
    targets: Vec<(String, Vec<String>)>,
}

impl Planned {
    /// Adds a tag to the plan.
    fn take(&mut self, plan: &mut Plan, tag: PlannedTag) {
        let PlannedTag {
            action,
            blobs,
            missing,
            warnings,
            items,
            target,
        } = tag;
        self.targets.push(target);
        match missing {
            Some(missing) if missing.is_all => {
                let at = plan.actions.len();
                self.missing_all.push((at, items, missing));
            }
            missing => {
                self.met.extend(items);
                let told = missing.map(|missing| missing.told_of(&action.repository, &action.tag));
                plan.warnings.extend(told);
            }
        }
        plan.warnings.extend(warnings);
        plan.failed += u64::from(action.error.is_some());
        let fresh = blobs
            .into_iter()
            .filter(|(digest, _)| self.counted.insert(digest.clone()));
        plan.bytes = plan
            .bytes
            .saturating_add(total(fresh.map(|(_, size)| size)));
        let count = match action.action {
            Action::Copy => &mut plan.copy,
            Action::Update => &mut plan.update,
            Action::Skip => &mut plan.skip,
            Action::Delete => &mut plan.delete,
            Action::Blocked => &mut plan.blocked,
        };
        *count += 1;
        plan.actions.push(action);
    }
}

impl Engine {
    /// Compares all selected tags; writes nothing. A tag that can't be compared is blocked, with
    /// the reason.
    pub async fn plan(&self) -> Plan {
        let unreachable = Unreachable::default();
        let found = candidates_find(&self.target, &self.spec, &self.items, &unreachable).await;
        let sights = Sights::of(&self.target, found.looks, &found.all);
        let backups = Backups::of(&self.spec, &found.all);
        let mut planned = Planned::default();
        let mut warnings = found.warnings;
        let empty = found.empty.len();
        warnings.extend(found.empty);
        let mut plan = Plan {
            warnings,
            empty,
            ..Plan::default()
        };
        for failed in found.failed {
            plan.blocked += 1;
            plan.failed += 1;
            planned.targets.push((failed.target_repository, Vec::new()));
            let reason = failed.error.unwrap_or(failed.reason);
            plan.actions.push(PlanAction {
                repository: failed.repository,
                tag: failed.tag,
                target: failed.target,
                action: Action::Blocked,
                error: Some(reason.clone()),
                reason,
                source_digest: None,
                digest: None,
                previous_digest: None,
                size: None,
            });
        }
        let (target, choice) = (self.target.clone(), &self.spec.referrers);
        let referrers = Referrers::new(target, choice, found.referrer_tags, None, None);
        for some in in_order(found.all, referrers.is_some()) {
            let mut compared = futures_util::stream::iter(some)
                .map(|candidate| {
                    let referrers = (referrers.as_ref(), backups.as_ref());
                    self.plan_tag(candidate, &unreachable, referrers)
                })
                .buffered(self.spec.max_parallel.max(1));
            while let Some(tag) = compared.next().await {
                planned.take(&mut plan, tag);
            }
        }
        for (at, items, missing) in planned.missing_all {
            let is_met = items.iter().any(|item| planned.met.contains(item));
            plan.missing_add(at, is_met, missing);
        }
        plan.unreachable = unreachable.summary();
        self.plan_deletes(&mut plan, planned.targets, sights, referrers.as_ref())
            .await;
        plan
    }

    /// Adds what would be deleted afterwards.
    async fn plan_deletes(
        &self,
        plan: &mut Plan,
        targets: Vec<(String, Vec<String>)>,
        mut sights: Sights,
        referrers: Option<&Referrers>,
    ) {
        let Some(rules) = self.spec.prune.as_ref().filter(|_| self.spec.is_pruning()) else {
            return;
        };
        for (action, (repository, new)) in plan.actions.iter().zip(targets) {
            if action.action == Action::Blocked {
                sights.trouble(&repository, &action.target, &action.reason);
            }
            for tag in new {
                sights.adds(&repository, &tag);
            }
        }
        sights.carried(referrers);
        sights.unreachable(plan.unreachable.as_deref());
        let parallel = self.spec.max_parallel;
        let (deletes, warnings) = planned_deletes(&self.target, rules, sights, parallel).await;
        plan.warnings.extend(warnings);
        for delete in deletes {
            let count = match delete.status {
                Status::Blocked => &mut plan.blocked,
                _ => &mut plan.delete,
            };
            *count += 1;
            plan.actions.push(PlanAction::from(delete));
        }
    }

    async fn plan_tag(
        &self,
        candidate: Candidate,
        unreachable: &Unreachable,
        (referrers, backups): (Option<&Referrers>, Option<&Backups>),
    ) -> PlannedTag {
        let (source, target) = (candidate.from.host(), self.target.host());
        let compared = match unreachable.find(source, Some(target)) {
            Some(error) => Err(error),
            None => self.plan_compared(&candidate, referrers).await,
        };
        let kept = compared.and_then(|compared| {
            let backup = backups.map(|all| all.backup(&candidate, &compared.0));
            Ok((compared, backup.transpose()?.flatten()))
        });
        let repository = candidate.target.to_string();
        match kept {
            Ok(((mut comparison, blobs, arrived), backup)) => {
                let mut new = Vec::new();
                if comparison.action == Action::Copy {
                    new.push(candidate.target_reference.to_string());
                }
                let missing = comparison.missing.take();
                let mut reason = format!("{}; {}", candidate.selected_by, comparison.reason);
                if arrived.written > 0 {
                    reason = format!("{reason}; {} to copy", counted(arrived.written, "referrer"));
                }
                if let Some(backup) = backup {
                    reason = format!("{reason}; {}", backup.planned());
                    new.push(backup.name.to_string());
                }
                PlannedTag {
                    target: (repository, new),
                    action: self.action(&candidate, comparison, reason, &blobs),
                    blobs,
                    missing,
                    warnings: arrived.warnings,
                    items: candidate.items,
                }
            }
            Err(error) => {
                unreachable.note(candidate.from.host(), self.target.host(), &error);
                let reason = error.to_string();
                let stop = Comparison::stop(Action::Blocked, reason.clone());
                PlannedTag {
                    target: (repository, Vec::new()),
                    action: PlanAction {
                        error: Some(reason.clone()),
                        ..self.action(&candidate, stop, reason, &[])
                    },
                    blobs: Vec::new(),
                    missing: None,
                    warnings: Vec::new(),
                    items: candidate.items,
                }
            }
        }
    }

    async fn plan_compared(
        &self,
        candidate: &Candidate,
        referrers: Option<&Referrers>,
    ) -> Result<(Comparison, Vec<(Digest, u64)>, Arrived), SyncError> {
        if referrers.is_some_and(|all| all.has_carried(candidate)) {
            let stop = Comparison::stop(Action::Skip, CARRIED.to_owned());
            return Ok((stop, Vec::new(), Arrived::default()));
        }
        let ends = Ends {
            target: &self.target,
            known: &self.spec.known,
            lost: &self.spec.lost,
        };
        let comparison = ends.compare(candidate).await?;
        let mut blobs = Vec::new();
        let mut root = None;
        if let (Action::Copy | Action::Update, Some(manifest)) =
            (comparison.action, &comparison.manifest)
        {
            let whole = root_get(candidate, manifest).await?;
            blobs = needs(candidate, manifest, &whole).await?;
            root = Some(whole);
        }
        let arrived = match (referrers, root) {
            (Some(all), Some(root)) => all.of_planned(candidate, &comparison, root).await?,
            (Some(all), None) => all.of_copied(candidate, &comparison, None).await?,
            (None, _) => Arrived::default(),
        };
        Ok((comparison, blobs, arrived))
    }

    fn action(
        &self,
        candidate: &Candidate,
        comparison: Comparison,
        reason: String,
        blobs: &[(Digest, u64)],
    ) -> PlanAction {
        let copies = matches!(comparison.action, Action::Copy | Action::Update);
        PlanAction {
            repository: candidate.repository.to_string(),
            tag: candidate.reference.as_str().to_owned(),
            target: candidate.place(&self.target),
            action: comparison.action,
            reason,
            source_digest: comparison.source_digest,
            digest: comparison.manifest.map(|manifest| manifest.digest),
            previous_digest: comparison.present,
            size: copies.then(|| total(blobs.iter().map(|(_, size)| *size))),
            error: None,
        }
    }
}
