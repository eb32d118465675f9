//! Keeps the image of a tag under another name before the tag is overwritten.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::NaiveDate;

use super::compare::Comparison;
use super::manifest_writes::manifest_write;
use crate::oci::types::referrer_tag::ReferrerTag;
use crate::oci::{self, Digest, Endpoint, Reference, Repository, Tag};
use crate::sync::error::SyncError;
use crate::sync::input::backup_tag::BackupTag;
use crate::sync::input::spec::SyncSpec;
use crate::sync::kept::part::KeptActions;
use crate::sync::outcome::Action;
use crate::sync::outcome::TagOutcome;
use crate::sync::selection::candidate::Candidate;

/// How images are kept.
pub(in crate::sync) struct Backups {
    template: BackupTag,
    date: NaiveDate,
    taken: Taken,
    /// Whether more tags than these are copied by others.
    is_partial: bool,
}

/// The names that aren't free for it.
enum Taken {
    /// Where each target tag comes from, by repository and tag.
    Candidates(HashMap<(Repository, Tag), String>),
    /// Those of a kept plan.
    Plan(Arc<dyn KeptActions>),
}

/// An image to keep.
pub(in crate::sync) struct Backup {
    pub(in crate::sync) name: Tag,
    digest: Digest,
    /// What has the name now.
    present: Option<Digest>,
    /// Whether the image has the name by now.
    is_done: AtomicBool,
}

impl Backups {
    /// `None`: nothing is kept.
    pub(in crate::sync) fn of(spec: &SyncSpec, candidates: &[Candidate]) -> Option<Self> {
        let taken = candidates.iter().filter_map(|candidate| {
            let Reference::Tag(tag) = &candidate.target_reference else {
                return None;
            };
            let place = (candidate.target.clone(), tag.clone());
            Some((place, candidate.origin()))
        });
        Self::with(spec, || Taken::Candidates(taken.collect()))
    }

    /// The same for a kept plan.
    pub(in crate::sync) fn of_plan(spec: &SyncSpec, plan: &Arc<dyn KeptActions>) -> Option<Self> {
        Self::with(spec, || Taken::Plan(Arc::clone(plan)))
    }

    fn with(spec: &SyncSpec, taken: impl FnOnce() -> Taken) -> Option<Self> {
        Some(Self {
            template: spec.backup_tag.clone()?,
            date: spec.date,
            taken: taken(),
            is_partial: spec.only.is_some(),
        })
    }

    /// What must be kept at `target` before the tag is written; `None`: nothing.
    pub(in crate::sync) async fn backup(
        &self,
        target: &Endpoint,
        candidate: &Candidate,
        comparison: &Comparison,
    ) -> Result<Option<Backup>, SyncError> {
        let (Action::Update, Reference::Tag(tag), Some(present)) = (
            comparison.action,
            &candidate.target_reference,
            &comparison.present,
        ) else {
            return Ok(None);
        };
        // A repair writes the same image again.
        if (comparison.manifest.as_ref()).is_some_and(|new| new.digest == *present) {
            return Ok(None);
        }
        let refused = |name: String, detail: String| SyncError::BackupName {
            tag: candidate.target_reference.on(&candidate.target),
            name,
            detail,
        };
        let name = self
            .template
            .name(tag.as_str(), self.date, present)
            .map_err(|error| refused(error.value, error.reason))?;
        if ReferrerTag::parse(name.as_str()).is_some() {
            let detail = "that is a name for signatures and the like".to_owned();
            return Err(refused(name.to_string(), detail));
        }
        if let Some(detail) = self.taken.objection(&candidate.target, &name).await {
            return Err(refused(name.to_string(), detail));
        }
        let reference = Reference::Tag(name.clone());
        let head = target.manifest_head(&candidate.target, &reference).await;
        let head = head.map_err(|error| failed(candidate, &name, SyncError::Target(error)))?;
        let backup = Backup {
            name,
            digest: present.clone(),
            present: head.map(|head| head.digest),
            is_done: AtomicBool::new(false),
        };
        if self.is_partial && backup.replaced().is_some() {
            let detail =
                "it has another image, which a retry mustn't replace: run the whole project";
            return Err(refused(backup.name.to_string(), detail.to_owned()));
        }
        Ok(Some(backup))
    }
}

impl Taken {
    /// Why a name isn't free.
    async fn objection(&self, target: &Repository, name: &Tag) -> Option<String> {
        let origin = match self {
            Self::Candidates(all) => all.get(&(target.clone(), name.clone())).cloned(),
            Self::Plan(plan) => match plan.source_of(target.as_str(), name.as_str()).await {
                Ok(origin) => origin,
                Err(error) => return Some(format!("whether it is free isn't known: {error}")),
            },
        };
        origin.map(|origin| format!("`{origin}` is copied to that tag"))
    }
}

impl Backup {
    /// Writes the present image under its other name, unless it has it.
    pub(in crate::sync) async fn keep(
        &self,
        target: &Endpoint,
        candidate: &Candidate,
    ) -> Result<(), SyncError> {
        if self.is_done() {
            return Ok(());
        }
        let refused = |error| failed(candidate, &self.name, error);
        let repository = &candidate.target;
        let name = Reference::Tag(self.name.clone());
        let head = target.manifest_head(repository, &name).await;
        let now = head.map_err(|error| refused(SyncError::Target(error)))?;
        let now = now.map(|head| head.digest);
        if now.as_ref() != Some(&self.digest) {
            if now != self.present {
                let place = format!("{}/{}", target.host(), name.on(repository));
                return Err(refused(SyncError::moved(
                    place,
                    self.present.as_ref(),
                    now.as_ref(),
                )));
            }
            let written = self.write(target, repository).await;
            written.map_err(|error| refused(SyncError::Target(error)))?;
        }
        self.is_done.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn write(&self, target: &Endpoint, repository: &Repository) -> Result<(), oci::Error> {
        let present = Reference::Digest(self.digest.clone());
        let manifest = target.manifest_get(repository, &present).await?;
        let name = Reference::Tag(self.name.clone());
        manifest_write(target, repository, &name, &manifest, false).await?;
        Ok(())
    }

    /// Whether [`keep`](Self::keep) has done it.
    pub(in crate::sync) fn is_done(&self) -> bool {
        self.is_done.load(Ordering::Relaxed)
    }

    /// The outcome of the tag, with the image that is kept.
    pub(in crate::sync) fn with(&self, outcome: TagOutcome) -> TagOutcome {
        TagOutcome {
            reason: format!("{}; {}", outcome.reason, self.told()),
            backup: Some(self.name.to_string()),
            ..outcome
        }
    }

    /// Whether the image has the name already.
    pub(in crate::sync) fn is_kept(&self) -> bool {
        self.present.as_ref() == Some(&self.digest)
    }

    /// The other image that has the name.
    fn replaced(&self) -> Option<&Digest> {
        self.present.as_ref().filter(|other| **other != self.digest)
    }

    /// For the reason in a plan.
    pub(in crate::sync) fn planned(&self) -> String {
        format!("keeps {}", self.words())
    }

    /// For the reason of an outcome.
    pub(in crate::sync) fn told(&self) -> String {
        format!("kept {}", self.words())
    }

    fn words(&self) -> String {
        let instead = (self.replaced()).map(|other| format!(", instead of `{other}`"));
        let instead = instead.unwrap_or_default();
        format!("the previous image as `{}`{instead}", self.name)
    }
}

fn failed(candidate: &Candidate, name: &Tag, error: SyncError) -> SyncError {
    SyncError::Backup {
        tag: candidate.target_reference.on(&candidate.target),
        name: name.to_string(),
        source: Box::new(error),
    }
}
