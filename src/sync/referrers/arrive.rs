//! Copies what refers to one manifest, as far as the target lacks it.

use futures_util::{FutureExt as _, TryFutureExt as _};
use std::collections::HashSet;
use std::sync::Arc;

use crate::oci::types::large::Room;
use crate::oci::types::referrer_index::{referrer_descriptor, subject_of};
use crate::oci::{Descriptor, Digest, Endpoint, Manifest, Reference, Tag};
use crate::sync::copy::ladder::{Ladder, Route};
use crate::sync::error::SyncError;
use crate::sync::outcome::Moved;

use super::found::Found;
use super::index::IndexPlace;
use crate::oci::registry::manifest::ManifestHead;

use super::lease::IndexLeases;
use super::tags::ReferrerTags;
use super::turns::Turns;

/// What was done for one manifest or more.
#[derive(Debug, Default)]
pub(in crate::sync) struct Arrived {
    /// Referrers that were written, or that a run would write.
    pub(in crate::sync) written: u64,
    pub(in crate::sync) moved: Moved,
    pub(in crate::sync) warnings: Vec<String>,
    /// Tags of cosign's that were overwritten, and what they were, as text.
    pub(in crate::sync) overwritten: Vec<String>,
    /// The manifests under cosign's tags.
    pub(super) tagged: Vec<Digest>,
    /// Entries of lists that belong to something else.
    pub(super) foreign: Vec<Digest>,
}

impl std::ops::AddAssign for Arrived {
    fn add_assign(&mut self, mut other: Self) {
        self.written += other.written;
        self.moved += other.moved;
        self.warnings.append(&mut other.warnings);
        self.overwritten.append(&mut other.overwritten);
        self.tagged.append(&mut other.tagged);
        self.foreign.append(&mut other.foreign);
    }
}

/// One manifest whose referrers are to arrive.
pub(super) struct Arrival<'a> {
    pub(super) target: &'a Endpoint,
    pub(super) route: &'a Route,
    pub(super) subject: &'a Digest,
    /// Other sources of the same target repository, whose tags come first.
    pub(super) earlier: Vec<Route>,
    pub(super) tags: &'a ReferrerTags,
    /// `None`: nothing is written.
    pub(super) ladder: Option<&'a Arc<Ladder>>,
    pub(super) leases: Option<&'a Arc<dyn IndexLeases>>,
    /// Of this run: several sources may have the same manifest.
    pub(super) turns: &'a Turns,
}

/// What a target lists for the manifest.
struct Listed {
    has_api: bool,
    digests: HashSet<Digest>,
}

impl Arrival<'_> {
    /// Copies these; asks and writes nothing if there are none.
    pub(super) async fn all(&self, found: Found) -> Result<Arrived, SyncError> {
        let mut arrived = Arrived::default();
        if found.count() == 0 {
            return Ok(arrived);
        }
        let place = Reference::Digest(self.subject.clone()).on(&self.route.target);
        let _turn = self.turns.take(&place).await;
        if !found.manifests.is_empty() {
            self.manifests(&found.manifests, &mut arrived).await?;
        }
        for (_, tag) in &found.tags {
            let name = || format!("`{}`", Reference::Tag(tag.clone()).on(&self.route.source));
            let copied = self.tag(tag, &mut arrived).await;
            copied.map_err(|error| wrapped(name(), error))?;
        }
        Ok(arrived)
    }

    async fn manifests(
        &self,
        manifests: &[Descriptor],
        arrived: &mut Arrived,
    ) -> Result<(), SyncError> {
        let listed = self.listed().await?;
        let mut entries = Vec::new();
        let mut done = Ok(());
        for referrer in manifests {
            if listed.digests.contains(&referrer.digest) {
                continue;
            }
            let copied = self.manifest(referrer, listed.has_api, arrived).await;
            match copied {
                Ok(entry) => entries.extend(entry),
                // What has arrived before is listed all the same.
                Err(error) => {
                    done = Err(wrapped(self.name(referrer), error));
                    break;
                }
            }
        }
        if !entries.is_empty() {
            let place = IndexPlace {
                target: self.target,
                repository: &self.route.target,
                subject: self.subject,
            };
            place.extend(&entries, self.leases).await?;
        }
        done
    }

    async fn listed(&self) -> Result<Listed, SyncError> {
        let (target, repository) = (self.target, &self.route.target);
        let listing = target.referrers(repository, self.subject).await;
        if let Some(listing) = listing.map_err(SyncError::Target)? {
            let entries = listing.entries.into_iter();
            return Ok(Listed {
                has_api: true,
                digests: entries.map(|entry| entry.digest).collect(),
            });
        }
        let index = target.referrer_index(repository, self.subject).await;
        let index = index.map_err(SyncError::Target)?;
        let entries = index.iter().flat_map(Manifest::children);
        Ok(Listed {
            has_api: false,
            digests: entries.map(|entry| entry.digest.clone()).collect(),
        })
    }

    /// A referrer that the target doesn't list; returns its entry if it has to be listed by us.
    async fn manifest(
        &self,
        referrer: &Descriptor,
        has_api: bool,
        arrived: &mut Arrived,
    ) -> Result<Option<Descriptor>, SyncError> {
        let reference = Reference::Digest(referrer.digest.clone());
        let head = self.target.manifest_head(&self.route.target, &reference);
        let is_there = head.await.map_err(SyncError::Target)?.is_some();
        if is_there && has_api {
            // The registry knows it, and decides itself what it lists.
            return Ok(None);
        }
        arrived.written += 1;
        let Some(ladder) = self.ladder else {
            return Ok(None);
        };
        let (from, source) = (&self.route.from, &self.route.source);
        let room = Room::take(referrer.size, 0).await;
        let manifest = from.child_get(source, referrer, room).await;
        let manifest = manifest.map_err(SyncError::Source)?;
        if let Some(other) = subject_of(&manifest).filter(|own| own != self.subject) {
            arrived.written -= 1;
            arrived.foreign.push(referrer.digest.clone());
            arrived.warnings.push(format!(
                "{} is not copied: it says that it belongs to `{other}`",
                self.name(referrer)
            ));
            return Ok(None);
        }
        let mut is_listed = false;
        if !is_there {
            let (moved, pushed) = ladder.by_digest(self.route, &manifest).await?;
            arrived.moved += moved;
            is_listed = pushed.is_listed;
        }
        Ok((!is_listed || !has_api).then(|| referrer_descriptor(&manifest)))
    }

    /// What cosign keeps under a tag; nothing if it was deleted meanwhile. Of several sources that
    /// have the tag, the first is the one that is copied, in each run.
    async fn tag(&self, tag: &Tag, arrived: &mut Arrived) -> Result<(), SyncError> {
        let reference = Reference::Tag(tag.clone());
        let Route { from, source, .. } = self.route;
        let head = from.manifest_head(source, &reference).await;
        let Some(head) = head.map_err(SyncError::Source)? else {
            return Ok(());
        };
        arrived.tagged.push(head.digest.clone());
        let present = self.target.manifest_head(&self.route.target, &reference);
        let present = present.await.map_err(SyncError::Target)?;
        if present
            .as_ref()
            .is_some_and(|present| present.digest == head.digest)
        {
            return Ok(());
        }
        let Some((first, digest)) = self.first_with(tag, &head.digest).await? else {
            return self
                .tag_copy(self.route, (&reference, present), head.digest, arrived)
                .await;
        };
        let named =
            |route: &Route| format!("{}/{}", route.from.host(), reference.on(&route.source));
        arrived.warnings.push(format!(
            "`{}` is not copied: `{}` is another one under the same name, and comes first",
            named(self.route),
            named(first)
        ));
        if (present.as_ref()).is_some_and(|present| present.digest == digest) {
            return Ok(());
        }
        self.tag_copy(first, (&reference, present), digest, arrived)
            .await
    }

    /// The first of the earlier sources that has the tag, if it has something else than `own`.
    async fn first_with(
        &self,
        tag: &Tag,
        own: &Digest,
    ) -> Result<Option<(&Route, Digest)>, SyncError> {
        let reference = Reference::Tag(tag.clone());
        for route in &self.earlier {
            let names = self.tags.get(&route.from, &route.source).await?;
            if !names.contains(tag.as_str()) {
                continue;
            }
            let head = route.from.manifest_head(&route.source, &reference).await;
            if let Some(head) = head.map_err(SyncError::Source)? {
                return Ok((head.digest != *own).then_some((route, head.digest)));
            }
        }
        Ok(None)
    }

    async fn tag_copy(
        &self,
        route: &Route,
        (reference, present): (&Reference, Option<ManifestHead>),
        digest: Digest,
        arrived: &mut Arrived,
    ) -> Result<(), SyncError> {
        arrived.written += 1;
        if let Some(ladder) = self.ladder {
            let digest = Reference::Digest(digest);
            let manifest = route.from.manifest_get(&route.source, &digest).await;
            let manifest = manifest.map_err(SyncError::Source)?;
            let write = || {
                let written = ladder.put(route, reference, &manifest);
                written.map_ok(drop).boxed()
            };
            arrived.moved += ladder.copy(route, &manifest, &write).await?;
            let was = present
                .map(|head| format!("`{}`, which was `{}`", reference.as_str(), head.digest));
            arrived.overwritten.extend(was);
        }
        Ok(())
    }

    fn name(&self, referrer: &Descriptor) -> String {
        let kind = match &referrer.artifact_type {
            Some(kind) if !kind.is_empty() => format!(" ({kind})"),
            _ => String::new(),
        };
        let reference = Reference::Digest(referrer.digest.clone());
        let named = reference.on(&self.route.source);
        format!("`{named}`{kind} of `{}`", self.subject)
    }
}

fn wrapped(referrer: String, error: SyncError) -> SyncError {
    SyncError::Referrer {
        referrer,
        source: Box::new(error),
    }
}
