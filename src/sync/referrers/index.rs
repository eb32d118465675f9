//! The index of a subject's referrers at a target that doesn't list them itself: read, extended,
//! written, read again.

use std::sync::Arc;

use crate::oci::types::referrer_index::index_extended;
use crate::oci::types::referrer_tag::fallback_tag;
use crate::oci::{Descriptor, Digest, Endpoint, Reference, Repository};
use crate::sync::copy::manifest_writes::manifest_write;
use crate::sync::error::SyncError;

use super::lease::{IndexLeases, WRITE_TIME};
use super::turns::WRITERS;

/// Number of times to write it, if somebody outside of these leases replaces it meanwhile.
const TRIES: usize = 3;

/// Where the index is.
pub(super) struct IndexPlace<'a> {
    pub(super) target: &'a Endpoint,
    pub(super) repository: &'a Repository,
    pub(super) subject: &'a Digest,
}

impl IndexPlace<'_> {
    /// Adds `entries`, as the only writer.
    pub(super) async fn extend(
        &self,
        entries: &[Descriptor],
        leases: Option<&Arc<dyn IndexLeases>>,
    ) -> Result<(), SyncError> {
        let place = format!("{}/{}", self.target.host(), self.reference());
        let _turn = WRITERS.take(&place).await;
        let _held = match leases {
            Some(leases) => Some(leases.take(&place).await.map_err(|e| self.failed(e))?),
            None => None,
        };
        let written = tokio::time::timeout(WRITE_TIME, self.write(entries)).await;
        written.unwrap_or_else(|_| {
            let minutes = WRITE_TIME.as_secs() / 60;
            Err(self.failed(format!("it takes longer than {minutes} minutes")))
        })
    }

    async fn write(&self, entries: &[Descriptor]) -> Result<(), SyncError> {
        let tag = Reference::Tag(fallback_tag(self.subject));
        // Each round reads first, so that the last one only checks.
        for round in 0..=TRIES {
            let read = self.target.referrer_index(self.repository, self.subject);
            let present = read.await.map_err(SyncError::Target)?;
            let extended = index_extended(present.as_ref(), entries).map_err(|detail| {
                self.failed(format!("{detail}; if nothing needs this tag, delete it"))
            })?;
            let Some(index) = extended else {
                return Ok(());
            };
            if round == TRIES {
                break;
            }
            manifest_write(self.target, self.repository, &tag, &index, true)
                .await
                .map_err(SyncError::Target)?;
        }
        Err(self.failed(
            "entries are missing after it was written; somebody else writes it too: run this again \
             when they have finished"
                .into(),
        ))
    }

    fn reference(&self) -> String {
        Reference::Tag(fallback_tag(self.subject)).on(self.repository)
    }

    fn failed(&self, detail: String) -> SyncError {
        SyncError::ReferrerIndex {
            host: self.target.host().to_owned(),
            reference: self.reference(),
            detail,
        }
    }
}
