//! The tags of a repository.

use serde::Deserialize;

use super::auth::Scope;
use super::call::Call;
use super::client::Client;
use super::error::Error;
use super::page::PAGE_SIZE;
use super::reference::Repository;

impl Client {
    /// All names in the repository's tag list, in the registry's order, as they came: some
    /// registries list names that are no legal tags. No list at all (`null`) is an empty one; a
    /// repository that isn't there is a "not found" error.
    pub async fn tag_list(&self, repository: &Repository) -> Result<Vec<String>, Error> {
        #[derive(Deserialize)]
        struct Page {
            tags: Option<Vec<String>>,
        }
        let mut url = self.url(repository, "tags/list");
        url.set_query(Some(&format!("n={PAGE_SIZE}")));
        let what = format!("tags of `{repository}`");
        let mut tags = Vec::new();
        let call = Call::get(url, Scope::Pull(repository.clone()), what);
        self.pages(call, |page: Page| {
            tags.extend(page.tags.unwrap_or_default());
        })
        .await?;
        Ok(tags)
    }
}
