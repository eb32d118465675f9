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
            enough: usize::MAX,
            pages: None,
            read: &read,
        };
        self.pages(call, &query).await
    }
}
