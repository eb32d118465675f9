//! The tags of a repository.

use super::page::{ListQuery, Listing, PAGE_SIZE, Parsed};
use crate::oci::auth::scope::Scope;
use crate::oci::error::Error;
use crate::oci::http::call::Call;
use crate::oci::http::client::Client;
use crate::oci::types::reference::{Repository, Tag};

/// The longest tag as JSON, with each of its characters as an escape.
const LONGEST: usize = 128 * 6 + 2;

impl Client {
    /// The tags of [`Client::tag_listing`], without the skipped entries.
    pub async fn tag_list(&self, repository: &Repository) -> Result<Vec<String>, Error> {
        Ok(self.tag_listing(repository).await?.entries)
    }

    /// All tags in the repository's list, in the registry's order; invalid tag names are skipped
    /// and counted. A missing list (`null`) is an empty one; a missing repository is a "not found"
    /// error.
    pub async fn tag_listing(&self, repository: &Repository) -> Result<Listing, Error> {
        self.tags(repository, usize::MAX).await
    }

    /// All tags, if they certainly are no more than `pages` pages. A list that ends with a full page may
    /// have been cut off: some registries don't say how it goes on.
    pub async fn tags_within(
        &self,
        repository: &Repository,
        pages: usize,
    ) -> Result<Option<Vec<String>>, Error> {
        let enough = pages.saturating_mul(PAGE_SIZE);
        let listing = self.tags(repository, enough).await?;
        let names = listing.entries.len() + listing.dropped.count;
        let is_cut = names > 0 && names.is_multiple_of(PAGE_SIZE);
        let is_whole = !is_cut && listing.dropped.count == 0;
        Ok(is_whole.then_some(listing.entries))
    }

    async fn tags(&self, repository: &Repository, enough: usize) -> Result<Listing, Error> {
        let mut url = self.url(repository, "tags/list");
        url.set_query(Some(&format!("n={PAGE_SIZE}")));
        let what = format!("tags of `{repository}`");
        let call = Call::get(url, Scope::Pull(repository.clone()), what);
        let read = |json: &[u8]| match serde_json::from_slice::<String>(json) {
            Ok(name) if Tag::parse(&name).is_ok() => Parsed::Entry(name),
            _ => Parsed::Invalid,
        };
        let query = ListQuery {
            member: "tags",
            longest: LONGEST,
            enough,
            pages: None,
            bytes: None,
            read: &read,
        };
        self.pages(call, &query).await
    }
}
