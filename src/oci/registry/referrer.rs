//! Referrers of a manifest: signatures, SBOMs, attestations.
//!
//! Source: OCI distribution specification 1.1, "Listing Referrers", with its fallback tag schema.

use super::page::{Dropped, ListQuery, Parsed};
use crate::oci::auth::scope::Scope;
use crate::oci::error::Error;
use crate::oci::http::call::Call;
use crate::oci::http::client::Client;
use crate::oci::types::digest::Digest;
use crate::oci::types::manifest::{Descriptor, Manifest, OCI_INDEX};
use crate::oci::types::reference::{Reference, Repository};
use crate::oci::types::referrer_tag::fallback_tag;

/// Maximum number of referrers that are read: a manifest may have any number.
pub const MOST_REFERRERS: usize = 1000;
/// Most pages of one list: registries that filter may send empty ones.
const MOST_PAGES: usize = 100;
/// The longest descriptor in bytes, annotations included.
const LONGEST: usize = 64 * 1024;

/// The answer of the referrers API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReferrerListing {
    /// The referrers, in the registry's order.
    pub entries: Vec<Descriptor>,
    /// The unusable entries.
    pub dropped: Dropped,
    /// Whether there are more, beyond [`MOST_REFERRERS`].
    pub is_cut: bool,
}

impl Client {
    /// The referrers of `digest`: by the referrers API, else by the fallback tag.
    pub async fn referrer_list(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<Descriptor>, Error> {
        if let Some(listing) = self.referrers(repository, digest).await? {
            return Ok(listing.entries);
        }
        let index = self.referrer_index(repository, digest).await?;
        Ok(index.map_or_else(Vec::new, |index| index.children().to_vec()))
    }

    /// What the referrers API lists; `None`: the registry doesn't have that API, which is
    /// remembered.
    pub async fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Option<ReferrerListing>, Error> {
        if self.inner.abilities.no_referrers.is_known() {
            return Ok(None);
        }
        let what = format!("referrers of `{repository}@{subject}`");
        let url = self.url(repository, &format!("referrers/{subject}"));
        let call = Call::get(url, Scope::Pull(repository.clone()), what).accept(OCI_INDEX);
        let read = |json: &[u8]| match serde_json::from_slice(json) {
            Ok(descriptor) => Parsed::Entry(descriptor),
            Err(_) => Parsed::Invalid,
        };
        let query = ListQuery {
            member: "manifests",
            longest: LONGEST,
            enough: MOST_REFERRERS + 1,
            pages: Some(MOST_PAGES),
            read: &read,
        };
        match self.pages(call, &query).await {
            Ok(mut listing) => {
                let is_cut = listing.entries.len() > MOST_REFERRERS;
                listing.entries.truncate(MOST_REFERRERS);
                Ok(Some(ReferrerListing {
                    entries: listing.entries,
                    dropped: listing.dropped,
                    is_cut,
                }))
            }
            Err(error) if is_without_api(&error) => {
                // These speak of the object, not of the API.
                if !matches!(error.code(), Some("NAME_UNKNOWN" | "MANIFEST_UNKNOWN")) {
                    self.inner.abilities.no_referrers.note();
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What is under the subject's fallback tag, usually an index of its referrers; `None`: there
    /// is no such tag.
    pub async fn referrer_index(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Option<Manifest>, Error> {
        let tag = Reference::Tag(fallback_tag(subject));
        // Next to an index and its child.
        match self.manifest_at(repository, &tag, 2).await {
            Ok(index) => Ok(Some(index)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn is_without_api(error: &Error) -> bool {
    matches!(error.status(), Some(400 | 404 | 405 | 501))
}
