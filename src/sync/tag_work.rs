//! Works on one tag: compares both ends, copies what is missing, then what refers to it.

use std::sync::Arc;
use std::time::Instant;

use crate::oci::{Endpoint, Manifest};

use super::copy::compare::{Comparison, Ends};
use super::copy::ladder::{Ladder, Route};
use super::copy::manifest_writes::manifest_write;
use super::copy::unreachable::Unreachable;
use super::error::SyncError;
use super::input::index_mode::platforms_text;
use super::input::spec::SyncSpec;
use super::outcome::{Action, Moved, Status, TagOutcome};
use super::referrers::arrive::Arrived;
use super::referrers::of_tag::CARRIED;
use super::referrers::walk::Referrers;
use super::selection::candidate::Candidate;

/// Works on one tag at a time; the ladder is shared.
pub(super) struct TagWorker {
    pub(super) target: Endpoint,
    pub(super) spec: Arc<SyncSpec>,
    pub(super) ladder: Arc<Ladder>,
    /// If any are wanted.
    pub(super) referrers: Option<Referrers>,
    pub(super) unreachable: Arc<Unreachable>,
}

impl TagWorker {
    pub(super) async fn tag(&self, candidate: &Candidate) -> TagOutcome {
        let start = Instant::now();
        let mut outcome = Box::pin(self.tag_outcome(candidate)).await;
        outcome.duration = start.elapsed();
        outcome
    }

    async fn tag_outcome(&self, candidate: &Candidate) -> TagOutcome {
        let failed = |error: SyncError, outcome: TagOutcome| {
            let (from, to) = (candidate.from.host(), self.target.host());
            self.unreachable.note(from, to, &error);
            TagOutcome {
                status: Status::Failed,
                error: Some(error.to_string()),
                ..outcome
            }
        };
        let blank = candidate.outcome(&self.target, Action::Copy, candidate.selected_by.clone());
        let (source, target) = (candidate.from.host(), self.target.host());
        if let Some(error) = self.unreachable.find(source, Some(target)) {
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
