//! The referrers of one tag, after the tag itself.

use futures_util::StreamExt;

use crate::oci::{Digest, Endpoint, Manifest, Reference, Repository};
use crate::sync::copy::chosen::TargetManifest;
use crate::sync::copy::compare::Comparison;
use crate::sync::copy::ladder::{CHILDREN, Route};
use crate::sync::error::SyncError;
use crate::sync::outcome::{ReferrerOutcome, TagOutcome};
use crate::sync::selection::candidate::Candidate;
use crate::text::counted;

use super::arrive::Arrived;
use super::subjects::children;
use super::walk::Referrers;

/// Why nothing is done for the tags of an index that isn't copied as it is.
const REDUCED: &str =
    "belongs to the source's index, of which only the chosen platforms are copied";

/// The candidates in the order of work: with referrers, the tags that hold some come last, since
/// most of them are copied with their images.
pub(in crate::sync) fn in_order(all: Vec<Candidate>, has_referrers: bool) -> [Vec<Candidate>; 2] {
    let is_last = |candidate: &Candidate| has_referrers && candidate.is_of_referrers();
    let (last, first) = all.into_iter().partition(is_last);
    [first, last]
}

impl Referrers {
    /// Why a tag of referrers isn't copied as a tag of its own, if so.
    pub(in crate::sync) fn why_not_alone(&self, candidate: &Candidate) -> Option<&'static str> {
        let is_one = candidate.is_of_referrers();
        is_one
            .then(|| self.carried_why(&candidate.target, candidate.reference.as_str()))
            .flatten()
    }

    /// Copies the referrers of a tag whose image is at the target: `root`, or what the target has.
    pub(in crate::sync) async fn of_copied(
        &self,
        candidate: &Candidate,
        comparison: &Comparison,
        root: Option<Manifest>,
    ) -> Result<Arrived, SyncError> {
        let Some(chosen) = &comparison.manifest else {
            return Ok(Arrived::default());
        };
        let (target, repository) = (&self.target, &candidate.target);
        let root = match root {
            Some(root) => root,
            // Some sources count each GET, and it is the same at the target.
            None => target
                .manifest_get(repository, &Reference::Digest(chosen.digest.clone()))
                .await
                .map_err(SyncError::Target)?,
        };
        let subjects = subjects((target, repository), root, chosen).await;
        let subjects = subjects.map_err(SyncError::Target)?;
        self.of_subjects(candidate, comparison, subjects).await
    }

    /// The same for one that may not be at the target yet: `root` is at the source.
    pub(in crate::sync) async fn of_planned(
        &self,
        candidate: &Candidate,
        comparison: &Comparison,
        root: Manifest,
    ) -> Result<Arrived, SyncError> {
        let Some(chosen) = &comparison.manifest else {
            return Ok(Arrived::default());
        };
        let place = (&candidate.from, &candidate.source);
        let subjects = subjects(place, root, chosen).await;
        let subjects = subjects.map_err(SyncError::Source)?;
        self.of_subjects(candidate, comparison, subjects).await
    }

    async fn of_subjects(
        &self,
        candidate: &Candidate,
        comparison: &Comparison,
        subjects: Vec<Digest>,
    ) -> Result<Arrived, SyncError> {
        let route = &Route {
            from: candidate.from.clone(),
            source: candidate.source.clone(),
            target: candidate.target.clone(),
            is_lost: false,
            is_new: false,
        };
        let walks: Vec<_> = subjects
            .iter()
            .map(|subject| Box::pin(self.of(route, subject)))
            .collect();
        let mut walks = futures_util::stream::iter(walks).buffered(CHILDREN);
        let mut all = Arrived::default();
        while let Some(arrived) = walks.next().await {
            all += arrived?;
        }
        if let Some(source) = reduced(comparison) {
            self.note_carried(route, source, REDUCED);
            let count = self.count(route, source).await?;
            if count > 0 {
                all.warnings.push(format!(
                    "`{}`: only the chosen platforms are written, so the digest differs, and the source's {} don't apply to it: not copied; those of its images are",
                    candidate.reference.on(&candidate.repository),
                    counted(count as u64, "referrer"),
                ));
            }
        }
        Ok(all)
    }
}

impl TagOutcome {
    /// The same with what was done for its referrers.
    pub(in crate::sync) fn with_referrers(mut self, arrived: Arrived) -> Self {
        if arrived.written > 0 {
            let written = counted(arrived.written, "referrer");
            self.reason = format!("{}; {written} written", self.reason);
        }
        if !arrived.overwritten.is_empty() {
            let overwritten = arrived.overwritten.join(", ");
            self.reason = format!("{}; overwrote {overwritten}", self.reason);
        }
        self.moved += arrived.moved;
        self.referrers = ReferrerOutcome {
            written: arrived.written,
            warnings: arrived.warnings,
        };
        self
    }
}

/// The source's index, if something smaller is written for it.
fn reduced(comparison: &Comparison) -> Option<&Digest> {
    let (source, chosen) = (&comparison.source_digest, &comparison.manifest);
    source.as_ref().filter(|source| {
        chosen
            .as_ref()
            .is_some_and(|chosen| chosen.digest != **source)
    })
}

/// The manifests of a tag, the image itself first; a smaller index has no referrers.
async fn subjects(
    place: (&Endpoint, &Repository),
    root: Manifest,
    chosen: &TargetManifest,
) -> Result<Vec<Digest>, crate::oci::Error> {
    let below = children(place, &root, chosen.children.as_ref()).await?;
    let own = (!chosen.is_made).then_some(root.digest);
    Ok(own.into_iter().chain(below).collect())
}
