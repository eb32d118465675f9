//! Which tags the target's repositories have: once one is missing, a list tells it of all others.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::manifest_writes::FRESH;
use crate::oci::registry::page::PAGE_SIZE;
use crate::oci::{Endpoint, Reference, Repository};
use crate::sync::selection::candidate::Candidate;

/// A page of a list costs as much as this number of HEADs saves at least.
const TAGS_A_PAGE: usize = 10;
/// The most pages of a list.
const MOST_PAGES: usize = 100;
/// A list that takes longer is given up: HEADs tell the same.
const PATIENCE: Duration = Duration::from_secs(3);

/// A list is asked for again after this time, before it is too old to write by.
const RENEW_AFTER: Duration = Duration::from_secs(3);

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
    lists: Mutex<HashMap<Repository, Arc<OnceCell<Asked>>>>,
}

/// A list, and when it was asked for.
struct Asked {
    list: List,
    asked: Instant,
}

impl Asked {
    /// Whether one request is enough for it.
    fn is_short(&self) -> bool {
        match &self.list {
            List::Unknown => false,
            List::NoRepository => true,
            List::Tags(tags) => tags.len() < PAGE_SIZE,
        }
    }
}

/// What a list says.
enum List {
    /// Nothing that can be relied on.
    Unknown,
    /// The target doesn't know the repository.
    NoRepository,
    Tags(HashSet<String>),
}

impl List {
    fn lacks(&self, tag: &Reference) -> bool {
        match (self, tag) {
            (Self::NoRepository, _) => true,
            (Self::Tags(tags), Reference::Tag(tag)) => !tags.contains(tag.as_str()),
            _ => false,
        }
    }
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
        let list = self.list(repository).await;
        list.get().is_some_and(|asked| asked.list.lacks(tag))
    }

    /// Asks again for a list that is about to be too old to write by: one request for all tags.
    pub(in crate::sync) async fn renew(&self, repository: &Repository) {
        if let Some(list) = self.old_take(repository) {
            list.get_or_init(|| self.ask(repository)).await;
        }
    }

    /// A place for a new list, if the one that is known is old.
    fn old_take(&self, repository: &Repository) -> Option<Arc<OnceCell<Asked>>> {
        let is_old = |list: &Asked| list.is_short() && list.asked.elapsed() > RENEW_AFTER;
        let mut lists = self.lock();
        let known = lists.get_mut(repository)?;
        known.get().filter(|list| is_old(list))?;
        *known = Arc::default();
        Some(Arc::clone(known))
    }

    /// Whether a list that was asked for a moment ago says that the target lacks the tag.
    pub(in crate::sync) fn lacks_now(&self, repository: &Repository, tag: &Reference) -> bool {
        let list = self.lock().get(repository).cloned();
        let asked = list.as_ref().and_then(|list| list.get());
        asked.is_some_and(|asked| asked.asked.elapsed() < FRESH && asked.list.lacks(tag))
    }

    /// Whether a list says that the target doesn't know the repository.
    pub(in crate::sync) async fn is_new(&self, repository: &Repository) -> bool {
        let list = self.list(repository).await;
        list.get()
            .is_some_and(|asked| matches!(asked.list, List::NoRepository))
    }

    /// Takes the answer to a HEAD.
    pub(in crate::sync) fn found(&self, is_there: bool) {
        self.filling.0.store(!is_there, Ordering::Relaxed);
    }

    /// The list, asked for if that is worth it.
    async fn list(&self, repository: &Repository) -> Arc<OnceCell<Asked>> {
        let list = Arc::clone(self.lock().entry(repository.clone()).or_default());
        if self.filling.0.load(Ordering::Relaxed) {
            list.get_or_init(|| self.ask(repository)).await;
        }
        list
    }

    async fn ask(&self, repository: &Repository) -> Asked {
        let asked = Instant::now();
        let wanted = self.wanted.get(repository).copied().unwrap_or_default();
        let pages = (wanted / TAGS_A_PAGE).clamp(1, MOST_PAGES);
        let ask = self.target.tags_within(repository, pages);
        let list = match tokio::time::timeout(PATIENCE, ask).await {
            Ok(Ok(Some(tags))) => List::Tags(tags.into_iter().collect()),
            Ok(Err(error)) if error.is_not_found() => List::NoRepository,
            _ => List::Unknown,
        };
        Asked { list, asked }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Repository, Arc<OnceCell<Asked>>>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
