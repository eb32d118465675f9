//! One tag of a run: compared, copied, its referrers after it.

use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt as _;
use tokio::sync::Semaphore;

use crate::oci::{Digest, Endpoint, Manifest};

use super::copy::backup::{Backup, Backups};
use super::copy::compare::{Comparison, Ends};
use super::copy::ladder::{BlobLocations, Ladder, Route};
use super::copy::manifest_writes::manifest_write;
use super::copy::target_tags::{Filling, TargetTags};
use super::copy::unreachable::Unreachable;
use super::error::SyncError;
use super::input::index_mode::platforms_text;
use super::input::spec::SyncSpec;
use super::intents::Intents;
use super::outcome::{Action, Moved, Status, TagOutcome};
use super::prune::delete::Ways;
use super::referrers::arrive::Arrived;
use super::referrers::walk::Referrers;
use super::selection::candidate::Candidate;

/// State shared by the parts of a run: blobs copied by one are mounted by the others, a registry
/// found unreachable by one isn't tried by the others, and all of them together work on no more
/// tags at once than the specification allows.
pub(super) struct Shared {
    pub(super) homes: Arc<BlobLocations>,
    pub(super) unreachable: Unreachable,
    pub(super) filling: Filling,
    /// How the target deletes.
    pub(super) ways: Ways,
    pub(super) permits: Semaphore,
}

/// Works on one tag at a time; the ladder is shared.
pub(super) struct TagWorker {
    pub(super) target: Endpoint,
    pub(super) spec: Arc<SyncSpec>,
    pub(super) ladder: Arc<Ladder>,
    pub(super) tags: TargetTags,
    /// If any are wanted.
    pub(super) referrers: Option<Referrers>,
    /// Keeps what is about to be written.
    pub(super) intents: Option<Arc<dyn Intents>>,
    /// If overwritten images are kept.
    pub(super) backups: Option<Backups>,
    pub(super) shared: Arc<Shared>,
}

impl TagWorker {
    /// The outcome of one tag.
    pub(super) async fn tag(&self, candidate: &Candidate) -> TagOutcome {
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
                is_unsure: error.is_unsure(),
                ..outcome
            }
        };
        let blank = candidate.outcome(&self.target, Action::Copy, candidate.selected_by.clone());
        let (source, target) = (candidate.from.host(), self.target.host());
        if let Some(error) = self.shared.unreachable.find(source, Some(target)) {
            return failed(error, blank);
        }
        let referrers = self.referrers.as_ref();
        if let Some(why) = referrers.and_then(|all| all.why_not_alone(candidate)) {
            let reason = format!("{}; {why}", candidate.selected_by);
            return candidate.outcome(&self.target, Action::Skip, reason);
        }
        let ends = Ends {
            target: &self.target,
            known: &self.spec.known,
            lost: &self.spec.lost,
            tags: &self.tags,
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
            let backup = match self.backup(candidate, &comparison).await {
                Ok(backup) => backup,
                Err(error) => return failed(error, outcome),
            };
            let copy = self.copy((candidate, &comparison), backup.as_ref(), &outcome);
            let copied = Box::pin(copy).await;
            if let Some(backup) = backup.filter(Backup::is_done) {
                outcome = with_backup(outcome, &backup);
            }
            match copied {
                Ok((moved, manifest)) => {
                    outcome = written(outcome, &comparison, &manifest);
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

    /// What of the target is to be kept before it is overwritten.
    async fn backup(
        &self,
        candidate: &Candidate,
        comparison: &Comparison,
    ) -> Result<Option<Backup>, SyncError> {
        let Some(backups) = &self.backups else {
            return Ok(None);
        };
        backups.backup(&self.target, candidate, comparison).await
    }

    /// Right before the tag is written: it is what was compared, the write may be made and is kept as
    /// an intent, and so is the image that goes.
    async fn before_write(
        &self,
        (candidate, comparison): (&Candidate, &Comparison),
        backup: Option<&Backup>,
        expected: TagOutcome,
    ) -> Result<(), SyncError> {
        let (target, reference) = (&candidate.target, &candidate.target_reference);
        if expected.previous_digest == expected.target_digest {
            return Ok(());
        }
        // What a list says is missing is trusted, unless nothing may go without its backup.
        if comparison.present.is_some() || self.backups.is_some() {
            let head = self.target.manifest_head(target, reference).await;
            let now = head.map_err(SyncError::Target)?.map(|head| head.digest);
            if now != comparison.present {
                let named = |digest: Option<&Digest>, none: &str| match digest {
                    Some(digest) => format!("`{digest}`"),
                    None => none.to_owned(),
                };
                return Err(SyncError::Moved {
                    tag: candidate.place(&self.target),
                    was: named(comparison.present.as_ref(), "not there"),
                    now: named(now.as_ref(), "gone"),
                });
            }
        }
        let expected = match backup {
            Some(backup) => with_backup(expected, backup),
            None => expected,
        };
        if let Some(intents) = &self.intents {
            intents.keep(expected).await.map_err(SyncError::Intent)?;
        }
        match backup {
            Some(backup) => backup.keep(&self.target, candidate).await,
            None => Ok(()),
        }
    }

    async fn copy(
        &self,
        (candidate, comparison): (&Candidate, &Comparison),
        backup: Option<&Backup>,
        outcome: &TagOutcome,
    ) -> Result<(Moved, Manifest), SyncError> {
        let chosen = comparison.manifest.as_ref();
        let chosen = chosen.ok_or_else(|| candidate.not_found())?;
        let manifest = match &chosen.body {
            Some(manifest) => manifest.clone(),
            None => candidate.manifest_get(&chosen.digest).await?,
        };
        let before = || {
            let expected = written(outcome.clone(), comparison, &manifest);
            self.before_write((candidate, comparison), backup, expected)
                .boxed()
        };
        let route = Route {
            from: candidate.from.clone(),
            source: candidate.source.clone(),
            target: candidate.target.clone(),
            is_lost: comparison.is_lost,
            is_new: comparison.present.is_none() && self.tags.is_new(&candidate.target).await,
        };
        let Some(children) = &chosen.children else {
            let moved = self
                .ladder
                .copy(&route, &candidate.target_reference, &manifest, &before)
                .await?;
            return Ok((moved, manifest));
        };
        let moved = self
            .ladder
            .children_copy(&route, &manifest, children)
            .await?;
        before().await?;
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

/// The outcome with the image that is kept.
fn with_backup(outcome: TagOutcome, backup: &Backup) -> TagOutcome {
    TagOutcome {
        reason: format!("{}; {}", outcome.reason, backup.told()),
        backup: Some(backup.name.to_string()),
        ..outcome
    }
}

/// The outcome of a tag once the manifest is written.
fn written(outcome: TagOutcome, comparison: &Comparison, manifest: &Manifest) -> TagOutcome {
    let chosen = comparison.manifest.as_ref();
    // A tag that was moved in between is copied as it is now.
    let is_as_source = chosen.is_some_and(|chosen| chosen.body.is_none());
    let as_source = is_as_source.then(|| manifest.digest.clone());
    TagOutcome {
        source_digest: as_source.or(outcome.source_digest),
        target_digest: Some(manifest.digest.clone()),
        previous_digest: comparison.present.clone(),
        is_written: true,
        ..outcome
    }
}
