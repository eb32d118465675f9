//! Keeps the image of a tag under another name before the tag is overwritten.

use std::collections::HashMap;

use chrono::NaiveDate;

use super::compare::Comparison;
use super::manifest_writes::manifest_write;
use crate::oci::types::referrer_tag::ReferrerTag;
use crate::oci::{Digest, Endpoint, Reference, Repository, Tag};
use crate::sync::error::SyncError;
use crate::sync::input::backup_tag::BackupTag;
use crate::sync::input::spec::SyncSpec;
use crate::sync::outcome::Action;
use crate::sync::selection::candidate::Candidate;

/// How images are kept; the names that aren't free for it.
pub(in crate::sync) struct Backups {
    template: BackupTag,
    date: NaiveDate,
    /// Where each target tag comes from, by repository and tag.
    taken: HashMap<(Repository, Tag), String>,
}

/// An image to keep.
pub(in crate::sync) struct Backup {
    pub(in crate::sync) name: Tag,
    digest: Digest,
}

impl Backups {
    /// `None`: nothing is kept.
    pub(in crate::sync) fn of(spec: &SyncSpec, candidates: &[Candidate]) -> Option<Self> {
        let template = spec.backup_tag.clone()?;
        let taken = candidates.iter().filter_map(|candidate| {
            let Reference::Tag(tag) = &candidate.target_reference else {
                return None;
            };
            let place = (candidate.target.clone(), tag.clone());
            Some((place, candidate.origin()))
        });
        Some(Self {
            template,
            date: spec.date,
            taken: taken.collect(),
        })
    }

    /// What must be kept before the tag is written; `None`: nothing.
    pub(in crate::sync) fn backup(
        &self,
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
        if let Some(origin) = self.taken.get(&(candidate.target.clone(), name.clone())) {
            let detail = format!("`{origin}` is copied to that tag");
            return Err(refused(name.to_string(), detail));
        }
        Ok(Some(Backup {
            name,
            digest: present.clone(),
        }))
    }
}

impl Backup {
    /// Writes the present image under its other name.
    pub(in crate::sync) async fn keep(
        &self,
        target: &Endpoint,
        candidate: &Candidate,
    ) -> Result<(), SyncError> {
        let repository = &candidate.target;
        let kept = async {
            let present = Reference::Digest(self.digest.clone());
            let manifest = target.manifest_get(repository, &present).await?;
            let name = Reference::Tag(self.name.clone());
            manifest_write(target, repository, &name, &manifest, false).await
        };
        match kept.await {
            Ok(_) => Ok(()),
            Err(error) => Err(SyncError::Backup {
                tag: candidate.target_reference.on(repository),
                name: self.name.to_string(),
                source: Box::new(SyncError::Target(error)),
            }),
        }
    }

    /// For the reason in a plan.
    pub(in crate::sync) fn planned(&self) -> String {
        format!("keeps the previous image as `{}`", self.name)
    }

    /// For the reason of an outcome.
    pub(in crate::sync) fn told(&self) -> String {
        format!("kept the previous image as `{}`", self.name)
    }
}
