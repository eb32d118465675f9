//! One tag of a run: compared, copied, its referrers after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use futures_util::FutureExt as _;
use tokio::sync::Semaphore;

use crate::oci::{self, Endpoint, Manifest};

use super::copy::backup::{Backup, Backups};
use super::copy::compare::{Comparison, Ends};
use super::copy::ladder::{BlobLocations, Ladder, Route};
use super::copy::tag_write::TagWrite;
use super::copy::target_tags::{Filling, TargetTags};
use super::copy::unreachable::Unreachable;
use super::error::SyncError;
use super::input::index_mode::platforms_text;
use super::input::spec::SyncSpec;
use super::intents::Intents;
use super::outcome::{Action, Moved, Status, TagOutcome};
use super::progress::Reporter;
use super::prune::deleter::Ways;
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
    /// Where recovered outcomes are told.
    pub(super) reporter: Reporter,
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
                outcome = backup.with(outcome);
            }
            match copied {
                Ok(Copied {
                    moved,
                    manifest,
                    is_foreign,
                }) => {
                    outcome = if is_foreign {
                        left_alone(outcome, candidate, &manifest)
                    } else {
                        written(outcome, &comparison, &manifest)
                    };
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

    async fn copy(
        &self,
        (candidate, comparison): (&Candidate, &Comparison),
        backup: Option<&Backup>,
        outcome: &TagOutcome,
    ) -> Result<Copied, SyncError> {
        let chosen = comparison.manifest.as_ref();
        let chosen = chosen.ok_or_else(|| candidate.not_found())?;
        let manifest = match &chosen.body {
            Some(manifest) => manifest.clone(),
            None => candidate.manifest_get(&chosen.digest).await?,
        };
        let write = TagWrite {
            target: &self.target,
            tags: &self.tags,
            intents: self.intents.as_deref(),
            reporter: &self.reporter,
            candidate,
            comparison,
            backup,
            manifest: &manifest,
            expected: written(outcome.clone(), comparison, &manifest),
            is_whole: chosen.children.is_none(),
            is_kept: AtomicBool::new(false),
            is_sent: AtomicBool::new(false),
            is_foreign: AtomicBool::new(false),
        };
        let route = Route {
            from: candidate.from.clone(),
            source: candidate.source.clone(),
            target: candidate.target.clone(),
            is_lost: comparison.is_lost,
            is_new: comparison.present.is_none() && self.tags.is_new(&candidate.target).await,
        };
        let Some(children) = &chosen.children else {
            let boxed = || write.write().boxed();
            let moved = self.ladder.copy(&route, &manifest, &boxed).await?;
            let is_foreign = write.is_foreign.load(Ordering::Relaxed);
            return Ok(Copied {
                moved,
                manifest,
                is_foreign,
            });
        };
        let moved = self
            .ladder
            .children_copy(&route, &manifest, children)
            .await?;
        write.write().await.map_err(|error| match error {
            SyncError::Write(source) if is_refused(&source) => SyncError::Sparse {
                reference: candidate.target_reference.on(&candidate.target),
                platforms: platforms_text(&candidate.architectures),
                source: Box::new(source),
            },
            other => other,
        })?;
        let is_foreign = write.is_foreign.load(Ordering::Relaxed);
        Ok(Copied {
            moved,
            manifest,
            is_foreign,
        })
    }
}

/// What was copied for a tag.
struct Copied {
    moved: Moved,
    manifest: Manifest,
    /// Somebody else has written the tag meanwhile, as it was to be.
    is_foreign: bool,
}

/// The outcome of a tag that somebody else has written meanwhile, as it was to be.
fn left_alone(outcome: TagOutcome, candidate: &Candidate, manifest: &Manifest) -> TagOutcome {
    let selected_by = &candidate.selected_by;
    TagOutcome {
        action: Action::Skip,
        reason: format!("{selected_by}; somebody else has written the same meanwhile"),
        target_digest: Some(manifest.digest.clone()),
        ..outcome
    }
}

/// Whether a registry answers so for an index without some of its children.
fn is_refused(error: &oci::Error) -> bool {
    matches!(error.status(), Some(400 | 404 | 409 | 412 | 422))
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
