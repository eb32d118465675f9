//! The decision on one place, with the requests that it needs.

use std::collections::{HashMap, HashSet};

use futures_util::StreamExt;

use super::decide::{Candidates, Decision, Sight, bar, candidates, decide};
use super::settings::Prune;
use super::sights::PlaceSights;
use crate::oci::{Digest, Endpoint, Reference, Repository, Tag};

/// Decides with what `target` has now. What can't be known forbids all deletes.
pub(in crate::sync) async fn place_decide(
    target: &Endpoint,
    rules: &Prune,
    known: &PlaceSights,
    parallel: usize,
) -> Decided {
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
        match heads_of(target, &known.repository, &found, parallel).await {
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

/// What the tags of the records are now. Err: why that isn't known.
async fn heads_of(
    target: &Endpoint,
    repository: &Repository,
    found: &Candidates,
    parallel: usize,
) -> Result<HashMap<String, Option<Digest>>, String> {
    let doomed = found.doomed.iter().map(|doomed| doomed.written.tag.clone());
    // A list that lacks them may be damaged.
    let looks = doomed
        .chain(found.unlisted.iter().cloned())
        .map(|tag| async move {
            let head = tag_digest(target, repository, &tag).await;
            (tag, head)
        });
    let looks: Vec<_> = looks.collect();
    let mut looks = futures_util::stream::iter(looks).buffer_unordered(parallel.max(1));
    let mut heads = HashMap::new();
    while let Some((tag, head)) = looks.next().await {
        let head = head.map_err(|error| format!("`{tag}` can't be checked: {error}"))?;
        heads.insert(tag, head);
    }
    Ok(heads)
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
