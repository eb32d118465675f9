//! The decision on one place, with the requests that it needs.

use std::collections::{HashMap, HashSet};

use futures_util::StreamExt;

use super::decide::{Candidates, Decision, Doomed, Sight, bar, candidates, damaged, decide};
use super::settings::Prune;
use super::sights::PlaceSights;
use super::source_tag::is_at_source;
use crate::oci::{Digest, Endpoint, Reference, Repository, Tag};
use crate::sync::input::spec::SyncItem;

/// Who is asked before anything is deleted.
#[derive(Clone, Copy)]
pub(in crate::sync) struct Registries<'a> {
    pub(in crate::sync) target: &'a Endpoint,
    /// The items whose sources were listed.
    pub(in crate::sync) items: &'a [SyncItem],
    /// Requests at once.
    pub(in crate::sync) parallel: usize,
}

/// Decides with what the registries have now. What can't be known forbids all deletes.
pub(in crate::sync) async fn place_decide(
    registries: Registries<'_>,
    rules: &Prune,
    known: &PlaceSights,
) -> Decided {
    let target = registries.target;
    let place = known.place.as_str();
    let records = rules.written.get(place).map_or(&[][..], Vec::as_slice);
    let (none, mut trouble) = (HashMap::new(), known.trouble.clone());
    // The usual case costs no request.
    let first = candidates(rules, records, &known.sight(None, &none, None));
    if first.doomed.is_empty() {
        let decision = Decision {
            protected: first.protected,
            shared: first.shared,
            ..Decision::default()
        };
        return Decided {
            decision,
            ..Decided::default()
        };
    }
    let present = match present(target, &known.repository).await {
        Ok(tags) => Some(tags),
        Err(error) => {
            trouble.get_or_insert(error);
            None
        }
    };
    let mut found = candidates(rules, records, &known.sight(present.as_ref(), &none, None));
    let mut heads = HashMap::new();
    if bar(
        rules,
        &known.sight(present.as_ref(), &none, trouble.as_deref()),
    )
    .is_none()
    {
        match registries.look(&known.repository, &found).await {
            Ok(all) => heads = all,
            Err(error) => trouble = Some(error),
        }
    }
    found
        .doomed
        .sort_by(|one, other| one.written.tag.cmp(&other.written.tag));
    let sight = known.sight(present.as_ref(), &heads, trouble.as_deref());
    Decided {
        decision: decide(rules, found, &sight),
        present: present.unwrap_or_default(),
    }
}

impl PlaceSights {
    fn sight<'a>(
        &'a self,
        present: Option<&'a HashSet<String>>,
        heads: &'a HashMap<String, Option<Digest>>,
        bar: Option<&'a str>,
    ) -> Sight<'a> {
        Sight {
            place: &self.place,
            looks: &self.looks,
            writes: &self.writes,
            present,
            adds: &self.adds,
            deleted: self.deleted,
            heads,
            bar,
        }
    }
}

/// A decision, and the tags that the target had.
#[derive(Default)]
pub(in crate::sync) struct Decided {
    pub(in crate::sync) decision: Decision,
    pub(in crate::sync) present: HashSet<String>,
}

/// The tags at the target. Err: why they aren't known.
async fn present(target: &Endpoint, repository: &Repository) -> Result<HashSet<String>, String> {
    match target.tag_listing(repository).await {
        Ok(listing) => Ok(listing.entries.into_iter().collect()),
        Err(error) if error.is_not_found() => Ok(HashSet::new()),
        Err(error) => Err(format!("the target's tags can't be listed: {error}")),
    }
}

impl Registries<'_> {
    /// What the tags of the records are at the target now. Err: why nothing may be deleted.
    async fn look(
        self,
        repository: &Repository,
        found: &Candidates,
    ) -> Result<HashMap<String, Option<Digest>>, String> {
        let heads = self.heads(repository, found).await?;
        self.sources_check(found, &heads).await?;
        Ok(heads)
    }

    /// A source's list that lacks tags may be damaged.
    async fn sources_check(
        self,
        found: &Candidates,
        heads: &HashMap<String, Option<Digest>>,
    ) -> Result<(), String> {
        let is_ours = |doomed: &&Doomed| {
            heads.get(&doomed.written.tag) == Some(&Some(doomed.written.digest.clone()))
        };
        let left = found.doomed.iter().filter(|doomed| doomed.has_left());
        let looks = left.filter(is_ours).filter_map(|doomed| {
            let written = &doomed.written;
            let item = self
                .items
                .iter()
                .find(|item| item.origin() == written.source)?;
            Some(async move { (written, is_at_source(written, &item.source).await) })
        });
        let looks: Vec<_> = looks.collect();
        let mut looks = futures_util::stream::iter(looks).buffer_unordered(self.parallel.max(1));
        while let Some((written, is_there)) = looks.next().await {
            if is_there? {
                return Err(damaged(&written.source, &written.source_tag));
            }
        }
        Ok(())
    }

    async fn heads(
        self,
        repository: &Repository,
        found: &Candidates,
    ) -> Result<HashMap<String, Option<Digest>>, String> {
        let target = self.target;
        let doomed = found.doomed.iter().map(|doomed| doomed.written.tag.clone());
        // A list that lacks them may be damaged.
        let looks = doomed
            .chain(found.unlisted.iter().cloned())
            .map(|tag| async move {
                let head = tag_digest(target, repository, &tag).await;
                (tag, head)
            });
        let looks: Vec<_> = looks.collect();
        let mut looks = futures_util::stream::iter(looks).buffer_unordered(self.parallel.max(1));
        let mut heads = HashMap::new();
        while let Some((tag, head)) = looks.next().await {
            let head = head.map_err(|error| format!("`{tag}` can't be checked: {error}"))?;
            heads.insert(tag, head);
        }
        Ok(heads)
    }
}

/// The digest of a tag; `None`: it doesn't exist.
pub(super) async fn tag_digest(
    target: &Endpoint,
    repository: &Repository,
    tag: &str,
) -> Result<Option<Digest>, crate::oci::Error> {
    let Ok(tag) = Tag::parse(tag) else {
        return Ok(None);
    };
    let head = target
        .manifest_head(repository, &Reference::Tag(tag))
        .await?;
    Ok(head.map(|head| head.digest))
}
