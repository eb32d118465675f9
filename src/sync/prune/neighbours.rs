//! The other tags of a repository, and what their indexes contain: whether a manifest may go.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use futures_util::StreamExt;
use indexmap::IndexMap;

use super::decide::Doomed;
use crate::oci::types::manifest::{DOCKER_MANIFEST, OCI_MANIFEST};
use crate::oci::{Digest, Endpoint, Error, Reference, Repository, Tag};
use crate::sync::copy::ladder::CHILDREN;

/// Pause before a listed tag that isn't there is looked at again.
const PAUSE: Duration = Duration::from_millis(500);

/// What the tags of one repository need.
pub(super) struct Neighbours {
    /// The tags that were looked at.
    seen: HashSet<String>,
    /// By tag, or by its digest for an image without one.
    digests: HashMap<String, Digest>,
    /// All that an index names, and the indexes within it.
    named: HashMap<Digest, HashSet<Digest>>,
}

impl Neighbours {
    /// Looks at these tags, and at images without one.
    pub(super) async fn look(
        target: &Endpoint,
        repository: &Repository,
        (tags, pinned): (&HashSet<String>, &HashSet<Digest>),
        parallel: usize,
    ) -> Result<Self, Error> {
        let looks: Vec<_> = tags
            .iter()
            .filter_map(|name| Some((name.clone(), Reference::Tag(Tag::parse(name).ok()?))))
            .chain(
                pinned
                    .iter()
                    .map(|digest| (digest.to_string(), Reference::Digest(digest.clone()))),
            )
            .map(|(name, reference)| async move {
                let mut head = target.manifest_head(repository, &reference).await;
                // It is in the list, so it may only be missing for a moment.
                if matches!(head, Ok(None)) {
                    tokio::time::sleep(PAUSE).await;
                    head = target.manifest_head(repository, &reference).await;
                }
                (name, head)
            })
            .collect();
        let mut looks = futures_util::stream::iter(looks).buffer_unordered(parallel.max(1));
        let (mut digests, mut indexes) = (HashMap::new(), HashSet::new());
        while let Some((name, head)) = looks.next().await {
            let Some(head) = head? else { continue };
            if may_be_index(head.media_type.as_deref()) {
                indexes.insert(head.digest.clone());
            }
            digests.insert(name, head.digest);
        }
        let trees: Vec<_> = indexes
            .into_iter()
            .map(|index| async move {
                let named = named_by(target, repository, &index).await;
                (index, named)
            })
            .collect();
        let mut trees = futures_util::stream::iter(trees).buffer_unordered(CHILDREN);
        let mut named = HashMap::new();
        while let Some((index, all)) = trees.next().await {
            named.insert(index, all?);
        }
        let seen = tags.clone();
        Ok(Self {
            seen,
            digests,
            named,
        })
    }

    /// Whether there are tags that weren't looked at; they are now.
    pub(super) async fn news(
        &mut self,
        target: &Endpoint,
        repository: &Repository,
        parallel: usize,
    ) -> Result<bool, Error> {
        let listing = target.tag_listing(repository).await?;
        let tags: HashSet<String> = listing.entries.into_iter().collect();
        let new: HashSet<String> = tags.difference(&self.seen).cloned().collect();
        if new.is_empty() {
            return Ok(false);
        }
        let looked = Self::look(target, repository, (&new, &HashSet::new()), parallel).await?;
        self.seen.extend(looked.seen);
        self.digests.extend(looked.digests);
        self.named.extend(looked.named);
        Ok(true)
    }

    /// A tag other than these that needs the manifest, and how, as text.
    pub(super) fn holder(&self, digest: &Digest, but: &[&str]) -> Option<String> {
        let is_named = |by: &Digest| self.named.get(by).is_some_and(|all| all.contains(digest));
        let needs_it = |(tag, of_tag): &(&String, &Digest)| {
            if *of_tag == digest {
                return !but.contains(&tag.as_str());
            }
            is_named(of_tag)
        };
        let (tag, of_tag) = self.digests.iter().filter(needs_it).min()?;
        Some(if of_tag == digest {
            format!("`{tag}` is the same image")
        } else {
            format!("the index `{tag}` contains it")
        })
    }

    /// What needs the images of some of these, as text, and their tags.
    pub(super) fn held(mut self, doomed: &[Doomed]) -> BTreeMap<String, Vec<String>> {
        let mut groups = by_digest(doomed.to_vec());
        while let Some((_, free)) = self.free_take(&mut groups) {
            for doomed in free {
                self.forget(&doomed.written.tag);
            }
        }
        let mut held: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (digest, group) in groups {
            if let Some(holder) = self.holder(&digest, &names(&group)) {
                let tags = group.into_iter().map(|doomed| doomed.written.tag);
                held.entry(holder).or_default().extend(tags);
            }
        }
        held
    }

    /// The next image that nothing else needs: what an index contains can only go after the index.
    pub(super) fn free_take(
        &self,
        groups: &mut IndexMap<Digest, Vec<Doomed>>,
    ) -> Option<(Digest, Vec<Doomed>)> {
        let is_free =
            |digest: &Digest, group: &[Doomed]| self.holder(digest, &names(group)).is_none();
        let at = groups
            .iter()
            .position(|(digest, group)| is_free(digest, group))?;
        groups.shift_remove_index(at)
    }

    /// A tag is gone.
    pub(super) fn forget(&mut self, tag: &str) {
        self.digests.remove(tag);
    }
}

/// The tags of each image.
pub(super) fn by_digest(doomed: Vec<Doomed>) -> IndexMap<Digest, Vec<Doomed>> {
    let mut groups: IndexMap<Digest, Vec<Doomed>> = IndexMap::new();
    for doomed in doomed {
        let group = groups.entry(doomed.written.digest.clone()).or_default();
        group.push(doomed);
    }
    groups
}

pub(super) fn names(group: &[Doomed]) -> Vec<&str> {
    group
        .iter()
        .map(|doomed| doomed.written.tag.as_str())
        .collect()
}

fn may_be_index(media_type: Option<&str>) -> bool {
    let media_type = media_type.unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    ![OCI_MANIFEST, DOCKER_MANIFEST].contains(&media_type)
}

/// All that an index names, at any depth. A child that isn't there names nothing.
async fn named_by(
    target: &Endpoint,
    repository: &Repository,
    index: &Digest,
) -> Result<HashSet<Digest>, Error> {
    let (mut named, mut open) = (HashSet::new(), vec![index.clone()]);
    while let Some(digest) = open.pop() {
        let manifest = match target
            .manifest_get(repository, &Reference::Digest(digest))
            .await
        {
            Err(error) if error.is_not_found() => continue,
            found => found?,
        };
        for child in manifest.children() {
            let is_new = named.insert(child.digest.clone());
            if is_new && may_be_index(Some(&child.media_type)) {
                open.push(child.digest.clone());
            }
        }
    }
    Ok(named)
}
