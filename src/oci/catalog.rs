//! The repositories of a registry, where it has a catalogue.

use serde::Deserialize;

use super::auth::Scope;
use super::call::Call;
use super::client::Client;
use super::error::Error;
use super::page::PAGE_SIZE;

impl Client {
    /// All repositories, named as this address names them: without its prefix, and only those
    /// below it. Registries without a catalogue answer 401, 403, 404 or 405.
    pub async fn repository_list(&self) -> Result<Vec<String>, Error> {
        #[derive(Deserialize)]
        struct Page {
            repositories: Option<Vec<String>>,
        }
        let mut url = self.root_url("v2/_catalog");
        url.set_query(Some(&format!("n={PAGE_SIZE}")));
        let prefix = self.address().prefix().map(|prefix| format!("{prefix}/"));
        let mut found = Vec::new();
        let call = Call::get(url, Scope::Catalog, "catalogue");
        self.pages(call, |page: Page| {
            let all = page.repositories.unwrap_or_default().into_iter();
            match &prefix {
                None => found.extend(all),
                Some(prefix) => found.extend(
                    all.filter_map(|name| name.strip_prefix(prefix.as_str()).map(str::to_owned)),
                ),
            }
        })
        .await?;
        Ok(found)
    }
}
