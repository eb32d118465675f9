//! From a manifest to all that refers to it, to what refers to that, and so on, within limits.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::oci::registry::referrer::MOST_REFERRERS;
use crate::oci::types::referrer_index::referrer_descriptor;
use crate::oci::types::referrer_tag::ReferrerTag;
use crate::oci::{Descriptor, Digest, Endpoint, Reference, Repository};
use crate::sync::copy::ladder::{Ladder, Route};
use crate::sync::copy::once::Once;
use crate::sync::error::SyncError;
use crate::sync::input::referrer_choice::ReferrerChoice;
use crate::sync::selection::candidate::Candidate;

use super::arrive::{Arrival, Arrived};
use super::found::{Found, find};
use super::lease::IndexLeases;
use super::tags::ReferrerTags;
use super::turns::Turns;

/// How far referrers of referrers are followed; real ones have two levels.
const DEEPEST: usize = 4;

/// Why nothing is done for the tags of a copied image.
const CARRIED: &str = "copied with the image to which it belongs";
/// The same for an index of which only some types are wanted.
const LISTED: &str =
    "what it lists is copied with the image to which it belongs, if `referrers` names its type";

/// The referrers of a run's or plan's tags.
pub(in crate::sync) struct Referrers {
    pub(super) target: Endpoint,
    choice: ReferrerChoice,
    tags: ReferrerTags,
    /// `None`: nothing is written.
    pub(super) ladder: Option<Arc<Ladder>>,
    leases: Option<Arc<dyn IndexLeases>>,
    turns: Turns,
    /// Several tags may have the same manifest.
    subjects: Once<(String, Repository, Repository, Digest)>,
    /// Tags that aren't copied as tags of their own, by target repository, and why.
    carried: Mutex<HashMap<(Repository, String), &'static str>>,
    /// The sources of each target repository, in the order of the items.
    origins: Mutex<HashMap<Repository, Vec<(Endpoint, Repository)>>>,
}

impl Referrers {
    /// `None`: none are wanted. `ladder`: for a run; without one nothing is written.
    pub(in crate::sync) fn new(
        target: Endpoint,
        choice: &ReferrerChoice,
        tags: ReferrerTags,
        ladder: Option<Arc<Ladder>>,
        leases: Option<Arc<dyn IndexLeases>>,
    ) -> Option<Self> {
        (!choice.is_none()).then(|| Self {
            target,
            choice: choice.clone(),
            tags,
            ladder,
            leases,
            turns: Turns::default(),
            subjects: Once::default(),
            carried: Mutex::default(),
            origins: Mutex::default(),
        })
    }

    /// Notes the sources of these candidates, in their order.
    pub(in crate::sync) fn origins_note(&self, candidates: &[Candidate]) {
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        for candidate in candidates.iter().flat_map(Candidate::with_rivals) {
            let known = origins.entry(candidate.target.clone()).or_default();
            let (from, source) = (&candidate.from, &candidate.source);
            if !known
                .iter()
                .any(|(host, path)| path == source && host.is_same(from))
            {
                known.push((from.clone(), source.clone()));
            }
        }
    }

    /// The sources of the same target repository that come before this one.
    fn earlier(&self, route: &Route) -> Vec<Route> {
        let origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        let known = origins.get(&route.target).map_or(&[][..], Vec::as_slice);
        let earlier = known
            .iter()
            .take_while(|(from, source)| !(*source == route.source && from.is_same(&route.from)));
        earlier
            .map(|(from, source)| Route {
                from: from.clone(),
                source: source.clone(),
                ..route.clone()
            })
            .collect()
    }

    /// Why a tag isn't copied as a tag of its own, if so.
    pub(super) fn carried_why(&self, target: &Repository, tag: &str) -> Option<&'static str> {
        let carried = self.carried.lock().unwrap_or_else(PoisonError::into_inner);
        carried.get(&(target.clone(), tag.to_owned())).copied()
    }

    /// All such tags of a repository.
    pub(in crate::sync) fn carried(&self, target: &Repository) -> Vec<String> {
        let carried = self.carried.lock().unwrap_or_else(PoisonError::into_inner);
        let of_target = carried
            .keys()
            .filter(|(repository, _)| repository == target);
        of_target.map(|(_, tag)| tag.clone()).collect()
    }

    /// Copies all that refers to `subject`; of several callers the first gets the result.
    pub(super) async fn of(&self, route: &Route, subject: &Digest) -> Result<Arrived, SyncError> {
        let key = (
            route.from.host().to_owned(),
            route.source.clone(),
            route.target.clone(),
            subject.clone(),
        );
        let walk = Box::pin(self.walk(route, subject));
        self.subjects.get(key, walk).await
    }

    /// How many referrers of `subject` the source has that would be wanted.
    pub(super) async fn count(&self, route: &Route, subject: &Digest) -> Result<usize, SyncError> {
        let mut seen = HashSet::from([subject.clone()]);
        Ok(self.wanted(route, subject, &mut seen).await?.count())
    }

    async fn walk(&self, route: &Route, root: &Digest) -> Result<Arrived, SyncError> {
        let mut seen = HashSet::from([root.clone()]);
        let mut open = vec![(root.clone(), 1)];
        let mut all = Arrived::default();
        while let Some((subject, depth)) = open.pop() {
            self.note_carried(route, &subject, CARRIED);
            let mut found = self.wanted(route, &subject, &mut seen).await?;
            all.warnings.append(&mut found.warnings);
            let named = |digest: &Digest| Reference::Digest(digest.clone()).on(&route.source);
            if depth > DEEPEST && found.count() > 0 {
                let (root, deep) = (named(root), named(&subject));
                all.warnings.push(format!(
                    "`{root}` has referrers of referrers more than {DEEPEST} levels deep; those of \
                     `{deep}` are not copied"
                ));
                continue;
            }
            let left = left(&seen);
            if found.manifests.len() > left {
                found.manifests.truncate(left);
                let warning = format!(
                    "`{}` has more than {MOST_REFERRERS} referrers with those of its referrers; the \
                     others are not copied",
                    named(root)
                );
                // Many of them may have more.
                if !all.warnings.contains(&warning) {
                    all.warnings.push(warning);
                }
            }
            let mut next: Vec<Digest> = found
                .manifests
                .iter()
                .map(|entry| entry.digest.clone())
                .collect();
            let mut arrived = self.arrival(route, &subject).all(found).await?;
            next.retain(|digest| !arrived.foreign.contains(digest));
            next.append(&mut arrived.tagged);
            all += arrived;
            let new = next
                .into_iter()
                .filter(|digest| seen.insert(digest.clone()));
            open.extend(new.map(|digest| (digest, depth + 1)));
        }
        Ok(all)
    }

    fn arrival<'a>(&'a self, route: &'a Route, subject: &'a Digest) -> Arrival<'a> {
        Arrival {
            target: &self.target,
            route,
            subject,
            earlier: self.earlier(route),
            tags: &self.tags,
            ladder: self.ladder.as_ref(),
            leases: self.leases.as_ref(),
            turns: &self.turns,
        }
    }

    /// What the source has for a manifest, as far as it is wanted and not in `seen`: one that was met
    /// before ends a loop.
    async fn wanted(
        &self,
        route: &Route,
        subject: &Digest,
        seen: &mut HashSet<Digest>,
    ) -> Result<Found, SyncError> {
        let mut found = find(route, subject, &self.tags).await?;
        found.tags.retain(|(kind, _)| self.choice.wants_tag(*kind));
        let mut new = HashSet::new();
        found
            .manifests
            .retain(|entry| !seen.contains(&entry.digest) && new.insert(entry.digest.clone()));
        if self.choice.is_by_type() {
            found.manifests = self.of_type(route, found.manifests, seen).await?;
        }
        Ok(found)
    }

    /// Those of a wanted type. What is read for its type, and isn't wanted, is noted as seen, so that it
    /// counts like what is followed. Of those that are too many the first is kept, unread.
    async fn of_type(
        &self,
        route: &Route,
        entries: Vec<Descriptor>,
        seen: &mut HashSet<Digest>,
    ) -> Result<Vec<Descriptor>, SyncError> {
        let mut wanted = Vec::new();
        for entry in entries {
            let stated = entry.artifact_type.as_deref();
            let stated = stated.filter(|kind| !kind.is_empty());
            let is_wanted = match stated.map(|kind| self.choice.wants(kind)) {
                Some(is_wanted) => is_wanted,
                None if wanted.len() >= left(seen) => {
                    wanted.push(entry);
                    break;
                }
                None => {
                    let is_wanted = self.is_wanted(route, &entry).await?;
                    if !is_wanted {
                        seen.insert(entry.digest.clone());
                    }
                    is_wanted
                }
            };
            if is_wanted {
                wanted.push(entry);
            }
        }
        Ok(wanted)
    }

    /// Reads an entry for its type.
    async fn is_wanted(&self, route: &Route, entry: &Descriptor) -> Result<bool, SyncError> {
        let reference = Reference::Digest(entry.digest.clone());
        let manifest = route.from.manifest_get(&route.source, &reference).await;
        let own = referrer_descriptor(&manifest.map_err(SyncError::Source)?);
        Ok(own
            .artifact_type
            .is_some_and(|kind| self.choice.wants(&kind)))
    }

    /// Notes that the tags which belong to `subject` aren't copied as tags of their own, and why.
    pub(super) fn note_carried(&self, route: &Route, subject: &Digest, why: &'static str) {
        let kinds = [ReferrerTag::Index].into_iter().chain(ReferrerTag::COSIGN);
        let tags = kinds
            .filter(|kind| self.choice.wants_tag(*kind))
            .map(|kind| {
                let is_part = kind == ReferrerTag::Index && self.choice.is_by_type();
                let why = if is_part && why == CARRIED {
                    LISTED
                } else {
                    why
                };
                ((route.target.clone(), kind.of(subject).to_string()), why)
            });
        let mut carried = self.carried.lock().unwrap_or_else(PoisonError::into_inner);
        carried.extend(tags);
    }
}

/// How many more may be followed; the first that was seen is the root itself.
fn left(seen: &HashSet<Digest>) -> usize {
    (MOST_REFERRERS + 1).saturating_sub(seen.len())
}
