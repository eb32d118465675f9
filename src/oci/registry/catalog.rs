//! The repositories of a registry, if it has a catalogue.

use super::page::{ListQuery, Listing, PAGE_SIZE, Parsed};
use crate::oci::auth::scope::Scope;
use crate::oci::error::Error;
use crate::oci::http::call::Call;
use crate::oci::http::client::Client;
use crate::oci::types::reference::Repository;

/// The longest repository as JSON; the specification's names have 255 characters.
const LONGEST: usize = 4096;

impl Client {
    /// All repositories, named as this address names them: without its prefix, and only those
    /// below it. Registries without a catalogue answer 401, 403, 404 or 405.
    pub async fn repository_list(&self) -> Result<Vec<String>, Error> {
        Ok(self.repository_listing().await?.entries)
    }

    /// The same, with what was left out of the list.
    pub async fn repository_listing(&self) -> Result<Listing, Error> {
        self.repositories(usize::MAX).await
    }

    /// The same number of repositories.
    pub(in crate::oci) async fn repositories(&self, enough: usize) -> Result<Listing, Error> {
        let mut url = self.root_url("v2/_catalog");
        url.set_query(Some(&format!("n={PAGE_SIZE}")));
        let prefix = self.address().prefix().map(|prefix| format!("{prefix}/"));
        let call = Call::get(url, Scope::Catalog, "catalogue");
        let read = |json: &[u8]| {
            let name = serde_json::from_slice::<String>(json).ok();
            let Some(name) = name.filter(|name| Repository::parse(name).is_ok()) else {
                return Parsed::Invalid;
            };
            match &prefix {
                None => Parsed::Entry(name),
                Some(prefix) => match name.strip_prefix(prefix.as_str()) {
                    Some(below) => Parsed::Entry(below.to_owned()),
                    None => Parsed::Other,
                },
            }
        };
        let query = ListQuery {
            member: "repositories",
            longest: LONGEST,
            enough,
            pages: None,
            bytes: None,
            read: &read,
        };
        self.pages(call, &query).await
    }
}
