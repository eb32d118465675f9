//! Which tags the target's repositories have: once one is missing, a list tells it of all others.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::oci::{Endpoint, Reference, Repository};
use crate::sync::selection::candidate::Candidate;

/// A page of a list costs as much as this number of HEADs saves at least.
const TAGS_A_PAGE: usize = 10;
/// The most pages of a list.
const MOST_PAGES: usize = 100;
/// A list that takes longer is given up: HEADs tell the same.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether the target lacked the tag that it was asked for last, shared by the parts of a run: then
/// more may be missing, so a list is asked for before HEADs. A target that has all tags is never asked
/// for a list.
#[derive(Clone, Default)]
pub(in crate::sync) struct Filling(Arc<AtomicBool>);

/// The tags of some repositories of the target.
pub(in crate::sync) struct TargetTags {
    target: Endpoint,
    filling: Filling,
    /// How many tags are looked for in each repository.
    wanted: HashMap<Repository, usize>,
    lists: Mutex<HashMap<Repository, Arc<OnceCell<List>>>>,
}

/// What a list says.
enum List {
    /// Nothing that can be relied on.
    Unknown,
    /// The target doesn't know the repository.
    NoRepository,
    Tags(HashSet<String>),
}

impl TargetTags {
    pub(in crate::sync) fn of(target: Endpoint, filling: Filling, all: &[Candidate]) -> Self {
        let mut wanted: HashMap<Repository, usize> = HashMap::new();
        for candidate in all {
            *wanted.entry(candidate.target.clone()).or_default() += 1;
        }
        Self {
            target,
            filling,
            wanted,
            lists: Mutex::default(),
        }
    }

    /// Whether a list says that the target lacks the tag. `false`: only a HEAD tells.
    pub(in crate::sync) async fn lacks(&self, repository: &Repository, tag: &Reference) -> bool {
        match (self.list(repository).await.get(), tag) {
            (Some(List::NoRepository), _) => true,
            (Some(List::Tags(tags)), Reference::Tag(tag)) => !tags.contains(tag.as_str()),
            _ => false,
        }
    }

    /// Whether a list says that the target doesn't know the repository.
    pub(in crate::sync) async fn is_new(&self, repository: &Repository) -> bool {
        matches!(self.list(repository).await.get(), Some(List::NoRepository))
    }

    /// Takes the answer to a HEAD.
    pub(in crate::sync) fn found(&self, is_there: bool) {
        self.filling.0.store(!is_there, Ordering::Relaxed);
    }

    /// The list, asked for if that is worth it.
    async fn list(&self, repository: &Repository) -> Arc<OnceCell<List>> {
        let list = Arc::clone(self.lock().entry(repository.clone()).or_default());
        if self.filling.0.load(Ordering::Relaxed) {
            list.get_or_init(|| self.ask(repository)).await;
        }
        list
    }

    async fn ask(&self, repository: &Repository) -> List {
        let wanted = self.wanted.get(repository).copied().unwrap_or_default();
        let pages = (wanted / TAGS_A_PAGE).clamp(1, MOST_PAGES);
        let ask = self.target.tags_within(repository, pages);
        match tokio::time::timeout(PATIENCE, ask).await {
            Ok(Ok(Some(tags))) => List::Tags(tags.into_iter().collect()),
            Ok(Err(error)) if error.is_not_found() => List::NoRepository,
            _ => List::Unknown,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Repository, Arc<OnceCell<List>>>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
