//! Referrers of a manifest: signatures, SBOMs, attestations.
//!
//! Source: OCI distribution specification 1.1, "Listing Referrers", with its fallback tag schema.

use std::collections::BTreeMap;
use std::convert::identity;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::manifest::MAX_MANIFEST;
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
/// Maximum memory in bytes of the annotations of one list, and what one of them takes beside its text.
const MOST_ANNOTATIONS: usize = 2 * 1024 * 1024;
const ANNOTATION: usize = 64;

/// The answer of the referrers API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReferrerListing<T = Descriptor> {
    /// The referrers, in the registry's order.
    pub entries: Vec<T>,
    /// The unusable entries.
    pub dropped: Dropped,
    /// Whether there are more, beyond [`MOST_REFERRERS`].
    pub is_cut: bool,
}

/// An entry of a list, with its annotations as text: as a map they take ten times as much.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(default)]
    media_type: String,
    digest: Digest,
    size: u64,
    artifact_type: Option<String>,
    annotations: Option<Box<RawValue>>,
}

impl Listed {
    /// Without its annotations.
    fn bare(self) -> Descriptor {
        Descriptor {
            media_type: self.media_type,
            digest: self.digest,
            size: self.size,
            platform: None,
            annotations: BTreeMap::new(),
            artifact_type: self.artifact_type,
        }
        .bare()
    }

    /// With its annotations, as far as they are some.
    fn whole(mut self) -> Descriptor {
        let text = self.annotations.take();
        let annotations = text.and_then(|text| serde_json::from_str(text.get()).ok());
        Descriptor {
            annotations: annotations.unwrap_or_default(),
            ..self.bare()
        }
    }
}

impl Client {
    /// The first [`MOST_REFERRERS`] referrers of `digest`: by the referrers API, else by the fallback
    /// tag. Of a list with very many annotations, some entries come without theirs.
    pub async fn referrer_list(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<Descriptor>, Error> {
        if let Some(listing) = self.listed(repository, digest, identity).await? {
            return Ok(annotated(listing.entries.into_iter().map(Listed::whole)));
        }
        let index = self.referrer_index(repository, digest).await?;
        let entries = index.as_ref().map_or(&[][..], Manifest::children);
        Ok(annotated(entries.iter().take(MOST_REFERRERS).cloned()))
    }

    /// What the referrers API lists, without annotations; `None`: the registry doesn't have that API,
    /// which is remembered.
    pub async fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Option<ReferrerListing>, Error> {
        self.listed(repository, subject, Listed::bare).await
    }

    /// The same with what `keep` makes of each entry while the list is read.
    async fn listed<T>(
        &self,
        repository: &Repository,
        subject: &Digest,
        keep: impl Fn(Listed) -> T + Sync,
    ) -> Result<Option<ReferrerListing<T>>, Error> {
        if self.inner.abilities.no_referrers.is_known() {
            return Ok(None);
        }
        let what = format!("referrers of `{repository}@{subject}`");
        let url = self.url(repository, &format!("referrers/{subject}"));
        let call = Call::get(url, Scope::Pull(repository.clone()), what).accept(OCI_INDEX);
        let read = |json: &[u8]| match serde_json::from_slice(json) {
            Ok(listed) => Parsed::Entry(keep(listed)),
            Err(_) => Parsed::Invalid,
        };
        let query = ListQuery {
            member: "manifests",
            longest: LONGEST,
            enough: MOST_REFERRERS + 1,
            pages: Some(MOST_PAGES),
            bytes: Some(MAX_MANIFEST),
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

/// These; an entry whose annotations would exceed [`MOST_ANNOTATIONS`] loses them.
fn annotated(entries: impl Iterator<Item = Descriptor>) -> Vec<Descriptor> {
    let mut left = MOST_ANNOTATIONS;
    let entries = entries.map(|mut entry| {
        let annotations = entry.annotations.iter();
        let size: usize = annotations
            .map(|(key, value)| ANNOTATION + key.len() + value.len())
            .sum();
        match left.checked_sub(size) {
            Some(rest) => left = rest,
            None => entry.annotations.clear(),
        }
        entry
    });
    entries.collect()
}

fn is_without_api(error: &Error) -> bool {
    matches!(error.status(), Some(400 | 404 | 405 | 501))
}

#[cfg(test)]
mod tests {
    use super::{Digest, Listed, MOST_ANNOTATIONS, annotated};

    fn listed(annotations: &str) -> Listed {
        let digest = Digest::of(b"x");
        let entry = format!(r#"{{"digest":"{digest}","size":1,"annotations":{annotations}}}"#);
        serde_json::from_str(&entry).unwrap()
    }

    #[test]
    fn an_entry_may_have_no_annotations_or_odd_ones() {
        assert_eq!(listed(r#"{"k":"v"}"#).whole().annotations["k"], "v");
        for odd in ["null", "7", "[]", r#"{"k":1}"#] {
            assert!(listed(odd).whole().annotations.is_empty(), "{odd}");
        }
        assert!(listed(r#"{"k":"v"}"#).bare().annotations.is_empty());
    }

    #[test]
    fn a_list_has_annotations_up_to_a_limit() {
        let third = format!(r#"{{"k":"{}"}}"#, "v".repeat(MOST_ANNOTATIONS / 3));
        let entries = [third.as_str(), &third, &third, r#"{"k":"v"}"#];
        let entries = annotated(entries.into_iter().map(|text| listed(text).whole()));
        let counts: Vec<usize> = entries.iter().map(|e| e.annotations.len()).collect();
        assert_eq!(counts, [1, 1, 0, 1]);
    }
}
