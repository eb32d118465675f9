//! Makes a plan: compares all selected tags, and decides what would be deleted afterwards.

use std::collections::HashSet;

use futures_util::StreamExt;

use super::copy::backup::{Backup, Backups};
use super::copy::compare::{Comparison, Ends};
use super::copy::target_tags::{Filling, TargetTags};
use super::copy::unreachable::Unreachable;
use super::costs::CopyCosts;
use super::engine::Engine;
use super::error::SyncError;
use super::input::index_mode::platforms_text;
use super::needs::{Needs, needs_find, root_get};
use super::outcome::{Action, MissingPlatforms, NOTHING};
use super::plan::{Plan, PlanAction, PlannedActions};
use super::prune::run::planned_deletes;
use super::prune::sights::Sights;
use super::referrers::arrive::Arrived;
use super::referrers::of_tag::in_order;
use super::referrers::walk::Referrers;
use super::selection::candidate::Candidate;
use super::selection::finding::candidates_find;
use crate::text::counted;

struct PlannedTag {
    action: PlanAction,
    /// What it needs, for tags to copy.
    needs: Needs,
    /// Whether the target doesn't know its repository.
    is_new: bool,
    /// Chosen platforms that it lacks.
    missing: Option<MissingPlatforms>,
    /// Referrers to copy.
    referrers: u64,
    /// Why some of its referrers wouldn't be copied.
    warnings: Vec<String>,
    /// Where its previous image is kept.
    backup: Option<Backup>,
    candidate: Candidate,
}

/// What is looked at for each tag.
struct Looks<'a> {
    unreachable: &'a Unreachable,
    backups: Option<Backups>,
    tags: TargetTags,
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
    /// What is known of the target's repositories, for the deletes.
    sights: Sights,
}

impl Planning {
    /// Adds a tag to the plan. `false`: nobody takes its actions any more.
    async fn take(&mut self, tag: PlannedTag) -> bool {
        let PlannedTag {
            action,
            needs,
            is_new,
            missing,
            referrers,
            warnings,
            backup,
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
        if action.action == Action::Copy {
            let (repository, tag) = (&action.target_repository, &action.target_tag);
            self.sights.adds(repository, tag);
        }
        if let Some(backup) = backup {
            let name = backup.name.as_str();
            self.sights.adds(&action.target_repository, name);
            self.sights.writes(&action.target_repository, name);
            self.costs.backup(&backup);
        }
        if action.action == Action::Update {
            self.costs.update();
        }
        if action.is_copy() {
            let fresh = self.costs.copy(&candidate, &needs, is_new);
            self.plan.bytes = self.plan.bytes.saturating_add(fresh);
        }
        self.costs.referrers(referrers);
        self.met.extend(candidate.items);
        self.send(self.number, action).await
    }

    /// If other tags of its item have one of the chosen platforms, a tag without is skipped, else it
    /// fails with its item.
    async fn lacking_end(&mut self) {
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
    }

    async fn send(&mut self, number: u64, action: PlanAction) -> bool {
        if action.action == Action::Blocked {
            let repository = &action.target_repository;
            self.sights
                .trouble(repository, &action.target, &action.reason);
        }
        let plan = &mut self.plan;
        let count = match action.action {
            _ if action.error.is_some() => &mut plan.failed,
            Action::Copy => &mut plan.copy,
            Action::Update => &mut plan.update,
            Action::Skip => &mut plan.skip,
            Action::Delete => &mut plan.delete,
            Action::Blocked => &mut plan.blocked,
        };
        *count += 1;
        self.actions.send((number, action)).await.is_ok()
    }
}

impl Engine {
    /// Compares all selected tags, and sends an action for each; writes nothing. Ends early if nobody
    /// takes them.
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
            sights: Sights::of(&self.target, found.looks, &found.all),
        };
        for failed in found.failed {
            planning.number += 1;
            if !planning.send(planning.number, failed.into()).await {
                return planning.plan;
            }
        }
        let looks = Looks {
            unreachable: &unreachable,
            backups: Backups::of(&self.spec, &found.all),
            tags: TargetTags::of(self.target.clone(), Filling::default(), &found.all),
        };
        let (target, choice) = (self.target.clone(), &self.spec.referrers);
        let referrers = Referrers::new(target, choice, found.referrer_tags, None, None);
        if let Some(referrers) = &referrers {
            referrers.origins_note(&found.all);
        }
        for some in in_order(found.all, referrers.is_some()) {
            let mut compared = futures_util::stream::iter(some)
                .map(|candidate| self.plan_tag(candidate, &looks, referrers.as_ref()))
                .buffered(self.spec.max_parallel.max(1));
            while let Some(tag) = compared.next().await {
                if !planning.take(tag).await {
                    return planning.plan;
                }
            }
        }
        planning.lacking_end().await;
        planning.plan.unreachable = unreachable.summary();
        let is_nothing = planning.plan.is_nothing();
        self.plan_deletes(&mut planning, referrers.as_ref()).await;
        planning.plan.costs = planning.costs.all();
        planning.plan.failure = match planning.plan.failed {
            _ if is_nothing => Some(NOTHING.to_owned()),
            0 if self.items.is_empty() && self.unmatched.is_empty() => {
                Some("there are no items".to_owned())
            }
            0 => None,
            1 => Some("1 action is `failed`".to_owned()),
            failed => Some(format!("{failed} actions are `failed`")),
        };
        planning.plan
    }

    /// Adds what would be deleted afterwards.
    async fn plan_deletes(&self, planning: &mut Planning, referrers: Option<&Referrers>) {
        let Some(rules) = self.spec.prune.as_ref().filter(|_| self.spec.is_pruning()) else {
            return;
        };
        let mut sights = std::mem::take(&mut planning.sights);
        sights.carried(referrers);
        sights.unreachable(planning.plan.unreachable.as_deref());
        let planned = planned_deletes(self.registries(), rules, sights).await;
        planning.plan.warnings.extend(planned.warnings);
        planning.costs.only_planned(planned.requests);
        for delete in planned.outcomes {
            let action = PlanAction::from(delete);
            if action.action == Action::Delete {
                planning.costs.delete();
            }
            planning.number += 1;
            if !planning.send(planning.number, action).await {
                return;
            }
        }
    }

    async fn plan_tag(
        &self,
        candidate: Candidate,
        looks: &Looks<'_>,
        referrers: Option<&Referrers>,
    ) -> PlannedTag {
        let unreachable = looks.unreachable;
        let (source, target) = (candidate.from.host(), self.target.host());
        let compared = match unreachable.find(source, Some(target)) {
            Some(error) => Err(error),
            None => self.plan_compared(&candidate, &looks.tags, referrers).await,
        };
        let kept = match (compared, &looks.backups) {
            (Ok(compared), Some(backups)) => {
                let backup = backups.backup(&self.target, &candidate, &compared.0);
                backup.await.map(|backup| (compared, backup))
            }
            (compared, _) => compared.map(|compared| (compared, None)),
        };
        match kept {
            Ok(((mut comparison, needs, arrived), backup)) => {
                let missing = comparison.missing.take();
                let mut reason = format!("{}; {}", candidate.selected_by, comparison.reason);
                if arrived.written > 0 {
                    reason = format!("{reason}; {} to copy", counted(arrived.written, "referrer"));
                }
                if let Some(backup) = &backup {
                    reason = format!("{reason}; {}", backup.planned());
                }
                let is_new =
                    comparison.action == Action::Copy && looks.tags.is_new(&candidate.target).await;
                PlannedTag {
                    action: self.action(&candidate, comparison, reason, &needs),
                    needs,
                    is_new,
                    missing,
                    referrers: arrived.written,
                    warnings: arrived.warnings,
                    backup,
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
                    is_new: false,
                    missing: None,
                    referrers: 0,
                    warnings: Vec::new(),
                    backup: None,
                    candidate,
                }
            }
        }
    }

    async fn plan_compared(
        &self,
        candidate: &Candidate,
        tags: &TargetTags,
        referrers: Option<&Referrers>,
    ) -> Result<(Comparison, Needs, Arrived), SyncError> {
        if let Some(why) = referrers.and_then(|all| all.why_not_alone(candidate)) {
            let stop = Comparison::stop(Action::Skip, why.to_owned());
            return Ok((stop, Needs::default(), Arrived::default()));
        }
        let ends = Ends {
            target: &self.target,
            known: &self.spec.known,
            lost: &self.spec.lost,
            tags,
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
