//! Referrers of a manifest: signatures, SBOMs, attestations.
//!
//! Source: OCI distribution specification 1.1, "Listing Referrers", with its fallback tag schema.

use super::page::{ListQuery, Parsed};
use crate::oci::auth::scope::Scope;
use crate::oci::error::Error;
use crate::oci::http::call::Call;
use crate::oci::http::client::Client;
use crate::oci::types::digest::Digest;
use crate::oci::types::manifest::{Descriptor, OCI_INDEX};
use crate::oci::types::reference::{Reference, Repository, Tag};

/// Maximum number of referrers: they are for people to read, and a manifest may have any number.
const MANY: usize = 1000;
/// The longest descriptor in bytes, annotations included.
const LONGEST: usize = 64 * 1024;

impl Client {
    /// The referrers of `digest`: by the referrers API, else by the fallback tag.
    pub async fn referrer_list(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<Descriptor>, Error> {
        let what = format!("referrers of `{repository}@{digest}`");
        let url = self.url(repository, &format!("referrers/{digest}"));
        let call = Call::get(url, Scope::Pull(repository.clone()), what).accept(OCI_INDEX);
        let read = |json: &[u8]| match serde_json::from_slice(json) {
            Ok(descriptor) => Parsed::Entry(descriptor),
            Err(_) => Parsed::Invalid,
        };
        let query = ListQuery {
            member: "manifests",
            longest: LONGEST,
            enough: MANY,
            read: &read,
        };
        match self.pages(call, &query).await {
            Ok(listing) => Ok(listing.entries),
            Err(error) if matches!(error.status(), Some(400 | 404 | 405)) => {
                self.referrer_fallback(repository, digest).await
            }
            Err(error) => Err(error),
        }
    }

    async fn referrer_fallback(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<Descriptor>, Error> {
        let Ok(tag) = Tag::parse(&digest.as_str().replace(':', "-")) else {
            return Ok(Vec::new());
        };
        // Next to an index and its child.
        match self.manifest_at(repository, &Reference::Tag(tag), 2).await {
            Ok(index) => Ok(index.children().to_vec()),
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}
