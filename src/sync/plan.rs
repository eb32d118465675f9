//! What a run would do, without writing anything.

use std::collections::HashSet;

use futures_util::StreamExt;
use indexmap::IndexMap;

use crate::oci::types::large::Room;
use crate::oci::types::manifest::Content;
use crate::oci::{Descriptor, Digest, Manifest};

use super::copy::chosen::TargetManifest;
use super::copy::compare::{Comparison, Ends};
use super::copy::ladder::CHILDREN;
use super::copy::unreachable::Unreachable;
use super::engine::Engine;
use super::error::SyncError;
use super::outcome::{Action, MissingPlatforms};
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
        } = tag;
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
        let mut found = candidates_find(&self.target, &self.spec, &self.items, &unreachable).await;
        found.unmatched_add(&self.unmatched);
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
        let mut planned = Planned::default();
        for some in in_order(found.all, referrers.is_some()) {
            let mut compared = futures_util::stream::iter(some)
                .map(|candidate| self.plan_tag(candidate, &unreachable, referrers.as_ref()))
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
            Ok((mut comparison, blobs, arrived)) => {
                let missing = comparison.missing.take();
                let mut reason = format!("{}; {}", candidate.selected_by, comparison.reason);
                if arrived.written > 0 {
                    reason = format!("{reason}; {} to copy", counted(arrived.written, "referrer"));
                }
                PlannedTag {
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

/// A sum of sizes from a source, which may have invented them large enough to overflow.
fn total(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, u64::saturating_add)
}

/// The manifest to write.
async fn root_get(candidate: &Candidate, manifest: &TargetManifest) -> Result<Manifest, SyncError> {
    match &manifest.body {
        Some(manifest) => Ok(manifest.clone()),
        None => candidate.manifest_get(&manifest.digest).await,
    }
}

/// All blobs that a manifest needs, each once.
async fn needs(
    candidate: &Candidate,
    manifest: &TargetManifest,
    root: &Manifest,
) -> Result<Vec<(Digest, u64)>, SyncError> {
    if matches!(root.content, Content::Schema1) {
        return Err(SyncError::Schema1 {
            reference: candidate.reference.on(&candidate.source),
        });
    }
    let chosen = |child: &&Descriptor| match &manifest.children {
        Some(keep) => keep.contains(&child.digest),
        None => true,
    };
    let mut blobs = Blobs::default();
    blobs.take(root);
    let looks: Vec<_> = root
        .children()
        .iter()
        .filter(chosen)
        .map(|child| {
            let (from, source) = (candidate.from.clone(), candidate.source.clone());
            let child = child.clone();
            async move {
                let place = Room::take(child.size, 1).await;
                let child = from.child_get(&source, &child, place).await;
                let mut blobs = Blobs::default();
                blobs.take(&child.map_err(SyncError::Source)?);
                Ok::<_, SyncError>(blobs)
            }
        })
        .collect();
    let mut children = futures_util::stream::iter(looks).buffered(CHILDREN);
    while let Some(child) = children.next().await {
        blobs.0.extend(child?.0);
    }
    Ok(blobs.0.into_iter().collect())
}

/// Blobs with their bytes, each once.
#[derive(Default)]
struct Blobs(IndexMap<Digest, u64>);

impl Blobs {
    fn take(&mut self, manifest: &Manifest) {
        for blob in manifest.blobs() {
            self.0.entry(blob.digest.clone()).or_insert(blob.size);
        }
    }
}
