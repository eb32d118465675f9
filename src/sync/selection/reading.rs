//! What is read of a candidate at its source.

use super::candidate::Candidate;
use crate::oci::{Digest, Manifest, Reference};
use crate::sync::error::SyncError;

impl Candidate {
    /// The source's current digest; `None`: it doesn't exist.
    pub(in crate::sync) async fn source_digest(&self) -> Result<Option<Digest>, SyncError> {
        if let Some(digest) = &self.digest {
            return Ok(Some(digest.clone()));
        }
        let head = self.from.manifest_head(&self.source, &self.reference).await;
        Ok(head.map_err(SyncError::Source)?.map(|head| head.digest))
    }

    /// What the source has; `None`: nothing. One GET.
    pub(in crate::sync) async fn manifest_now(&self) -> Result<Option<Manifest>, SyncError> {
        if let Some(digest) = &self.digest {
            return self.manifest_get(digest).await.map(Some);
        }
        match self.from.manifest_get(&self.source, &self.reference).await {
            Err(error) if error.is_not_found() => Ok(None),
            found => found.map(Some).map_err(SyncError::Source),
        }
    }

    /// The error of a tag that the source doesn't have.
    pub(in crate::sync) fn not_found(&self) -> SyncError {
        SyncError::NotFound {
            host: self.from.host().to_owned(),
            reference: self.reference.on(&self.source),
        }
    }

    /// The manifest named by HEAD. Fetched by digest, since the tag may have been moved since; if
    /// the source doesn't know that digest, its image is gone or the digest was wrong, and the tag
    /// shows which.
    pub(in crate::sync) async fn manifest_get(
        &self,
        digest: &Digest,
    ) -> Result<Manifest, SyncError> {
        let by_digest = Reference::Digest(digest.clone());
        let found = match self.from.manifest_get(&self.source, &by_digest).await {
            Err(error)
                if error.is_not_found()
                    && self.reference != by_digest
                    // Its target tag, or a plan, names the digest.
                    && self.digest.is_none()
                    && self.planned.is_none() =>
            {
                self.from.manifest_get(&self.source, &self.reference).await
            }
            other => other,
        };
        found.map_err(SyncError::Source)
    }
}
