//! What a run or a plan knows of each place once all tags were worked on.

use std::collections::HashSet;

use indexmap::IndexMap;

use super::look::SourceLook;
use crate::oci::{Digest, Endpoint, Reference, Repository};
use crate::sync::course::EarlierWork;
use crate::sync::referrers::walk::Referrers;
use crate::sync::selection::candidate::Candidate;

/// One target repository.
pub(in crate::sync) struct PlaceSights {
    pub(super) repository: Repository,
    /// `host/repository`
    pub(in crate::sync) place: String,
    pub(super) looks: Vec<SourceLook>,
    /// The tags that the run writes or carries along.
    pub(super) writes: HashSet<String>,
    /// Tags that are new at the target with this run, or would be.
    pub(super) adds: HashSet<String>,
    /// Tags that earlier attempts of the run deleted.
    pub(super) deleted: usize,
    /// Images that the run writes by digest, without a tag.
    pub(super) pinned: HashSet<Digest>,
    /// What forbids all deletes.
    pub(super) trouble: Option<String>,
}

/// All of them, in the order of the items.
#[derive(Default)]
pub(in crate::sync) struct Sights {
    places: IndexMap<String, PlaceSights>,
}

impl Sights {
    /// The places of these items, and the tags that would be written there.
    pub(in crate::sync) fn of(
        target: &Endpoint,
        looks: Vec<SourceLook>,
        candidates: &[Candidate],
    ) -> Self {
        let mut sights = Self::default();
        for look in looks {
            let Ok(repository) = Repository::parse(&look.target) else {
                continue;
            };
            sights.place(target, repository).looks.push(look);
        }
        for candidate in candidates {
            match &candidate.target_reference {
                Reference::Tag(tag) => sights.writes(candidate.target.as_str(), tag.as_str()),
                Reference::Digest(digest) => {
                    if let Some(known) = sights.places.get_mut(candidate.target.as_str()) {
                        known.pinned.insert(digest.clone());
                    }
                }
            }
        }
        sights
    }

    /// The target repository of a part of a kept plan, whose source isn't listed.
    pub(in crate::sync) fn kept(target: &Endpoint, place: &str) -> Self {
        let mut sights = Self::default();
        if let Ok(repository) = Repository::parse(place) {
            sights.place(target, repository);
        }
        sights
    }

    fn place(&mut self, target: &Endpoint, repository: Repository) -> &mut PlaceSights {
        let place = format!("{}/{repository}", target.host());
        let known = self.places.entry(repository.to_string());
        known.or_insert_with(|| PlaceSights {
            repository,
            place,
            looks: Vec::new(),
            writes: HashSet::new(),
            adds: HashSet::new(),
            deleted: 0,
            pinned: HashSet::new(),
            trouble: None,
        })
    }

    /// A tag that the run writes.
    pub(in crate::sync) fn writes(&mut self, target_repository: &str, tag: &str) {
        if let Some(known) = self.places.get_mut(target_repository) {
            known.writes.insert(tag.to_owned());
        }
    }

    /// A tag that is new at the target, or would be.
    pub(in crate::sync) fn adds(&mut self, target_repository: &str, tag: &str) {
        if let Some(known) = self.places.get_mut(target_repository) {
            known.adds.insert(tag.to_owned());
        }
    }

    /// What earlier attempts have done; a part has one target repository.
    pub(in crate::sync) fn earlier(&mut self, work: &EarlierWork) {
        for known in self.places.values_mut() {
            known.adds.extend(work.added.iter().cloned());
            known.deleted = work.deleted;
        }
    }

    /// A tag that failed or is blocked: nothing is deleted at its place.
    pub(in crate::sync) fn trouble(&mut self, target_repository: &str, target: &str, error: &str) {
        // A source whose tags aren't known has no target.
        let name = if target.is_empty() {
            target_repository
        } else {
            target
        };
        if let Some(known) = self.places.get_mut(target_repository) {
            known
                .trouble
                .get_or_insert_with(|| format!("`{name}` isn't as it should be: {error}"));
        }
    }

    /// A registry that can't be reached: nothing is deleted anywhere.
    pub(in crate::sync) fn unreachable(&mut self, summary: Option<&str>) {
        for known in self.places.values_mut() {
            if let Some(summary) = summary {
                known
                    .trouble
                    .get_or_insert_with(|| format!("a registry can't be reached: {summary}"));
            }
        }
    }

    /// The tags of referrers that the run carried along.
    pub(in crate::sync) fn carried(&mut self, referrers: Option<&Referrers>) {
        for known in self.places.values_mut() {
            let carried = referrers.map(|all| all.carried(&known.repository));
            known.writes.extend(carried.into_iter().flatten());
        }
    }

    /// Each place.
    pub(in crate::sync) fn into_places(self) -> impl Iterator<Item = PlaceSights> {
        self.places.into_values()
    }
}
