//! The tags of source repositories that hold referrers. A listing that was read to select tags says
//! which there are, so that none is requested in vain; else the tags are listed once.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::oci::types::referrer_tag::ReferrerTag;
use crate::oci::{Endpoint, Repository};
use crate::sync::error::SyncError;

/// What is known of one run's source repositories, by host and repository.
#[derive(Default)]
pub(in crate::sync) struct ReferrerTags {
    known: Mutex<HashMap<(String, Repository), Arc<Cell>>>,
}

type Names = Arc<HashSet<String>>;
type Cell = OnceCell<Result<Names, SyncError>>;

impl ReferrerTags {
    /// Keeps what a listing of a repository has of such tags.
    pub(in crate::sync) fn note(&self, host: &str, repository: &Repository, listing: &[String]) {
        // It may have been noted for another item already.
        let _ = self.cell(host, repository).set(Ok(names(listing)));
    }

    /// The tags of a repository that hold referrers.
    pub(super) async fn get(
        &self,
        from: &Endpoint,
        repository: &Repository,
    ) -> Result<Names, SyncError> {
        let list = || async {
            match from.tag_listing(repository).await {
                Ok(listing) => Ok(names(&listing.entries)),
                Err(error) if error.is_not_found() => Ok(Names::default()),
                Err(error) => Err(SyncError::Source(error)),
            }
        };
        let cell = self.cell(from.host(), repository);
        cell.get_or_init(list).await.clone()
    }

    fn cell(&self, host: &str, repository: &Repository) -> Arc<Cell> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (host.to_owned(), repository.clone());
        Arc::clone(known.entry(key).or_default())
    }
}

fn names(listing: &[String]) -> Names {
    let names = listing
        .iter()
        .filter(|name| ReferrerTag::parse(name).is_some());
    Arc::new(names.cloned().collect())
}
