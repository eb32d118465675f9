//! From items to candidates: lists what must be listed, and selects.

use std::sync::Arc;

use futures_util::StreamExt;

use crate::oci::registry::page::{Dropped, Listing};
use crate::oci::{Endpoint, NameError, PlatformChoice, Reference};

use super::candidate::{Candidate, merged};
use super::resolve::{ResolveError, selection_resolve};
use super::select::Selection;
use crate::sync::copy::unreachable::Unreachable;
use crate::sync::error::SyncError;
use crate::sync::input::spec::{NoRepositories, OnEmpty, OnlyTags, SyncItem, SyncSpec, Unmatched};
use crate::sync::offload::Asker;
use crate::sync::outcome::{Action, Status, TagOutcome};
use crate::sync::prune::look::SourceLook;
use crate::sync::referrers::tags::ReferrerTags;
use crate::text::counted;

/// Repositories listed at once.
const LISTINGS: usize = 8;

/// All candidates, and the errors while finding them.
#[derive(Default)]
pub(in crate::sync) struct Candidates {
    pub(in crate::sync) all: Vec<Candidate>,
    pub(in crate::sync) failed: Vec<TagOutcome>,
    pub(in crate::sync) warnings: Vec<String>,
    /// About items that select nothing although that isn't expected.
    pub(in crate::sync) empty: Vec<String>,
    /// The tags of the listed repositories that hold referrers.
    pub(in crate::sync) referrer_tags: ReferrerTags,
    /// What was seen of the items' sources, if tags may be deleted.
    pub(in crate::sync) looks: Vec<SourceLook>,
}

/// Lists what must be listed, and selects.
pub(in crate::sync) async fn candidates_find(
    target: &Endpoint,
    spec: &SyncSpec,
    items: &[SyncItem],
    unreachable: &Unreachable,
) -> Candidates {
    let mut found = Candidates::default();
    let listings = items.iter().cloned().map(|item| async move {
        // Deleting needs to know what has left the source.
        let listing = if item.selector.needs_listing() || spec.is_pruning() {
            Some(tags_of(&item, unreachable).await)
        } else {
            None
        };
        (item, listing)
    });
    let listings: Vec<_> = futures_util::stream::iter(listings)
        .buffered(LISTINGS)
        .collect()
        .await;
    for (number, (item, listing)) in listings.into_iter().enumerate() {
        let to = match item.way(&spec.placement, target.address()) {
            Ok((_, to)) => to.to_string(),
            Err(_) => item.repository.to_string(),
        };
        if spec.is_pruning() {
            found.looks.push(look_of(&item, &to, listing.as_ref()));
        }
        found
            .item_add(target, spec, (number, &item, &to), listing, unreachable)
            .await;
    }
    found.name_targets(target, spec).await;
    found.all = merged(found.all);
    found
}

fn look_of(item: &SyncItem, to: &str, listing: Option<&Result<Listing, SyncError>>) -> SourceLook {
    let tags = match listing {
        Some(Ok(listing)) => Ok(listing.entries.iter().cloned().collect()),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("they weren't listed".to_owned()),
    };
    SourceLook {
        repository: item.repository.to_string(),
        source: item.origin(),
        target: to.to_owned(),
        tags,
        dropped: match listing {
            Some(Ok(listing)) => listing.dropped.count,
            _ => 0,
        },
        selected: 0,
    }
}

/// What an item selects of these tags.
async fn selected(item: &SyncItem, tags: Vec<String>) -> Result<Selection, ResolveError> {
    // An invalid path fails with its target.
    let resolved = item.source.address().resolve(&item.repository);
    let repository = resolved.unwrap_or_else(|_| item.repository.clone());
    selection_resolve(
        &item.source,
        &repository,
        item.selector.clone(),
        tags,
        Asker::Run,
    )
    .await
}

/// What is known of a repository's tags.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Its item names the tags.
    NotNeeded,
    /// The number of tags in the listing.
    Tags(usize),
    /// Nothing, which was already reported.
    Failed,
}

async fn tags_of(item: &SyncItem, unreachable: &Unreachable) -> Result<Listing, SyncError> {
    let Ok(repository) = item.source.address().resolve(&item.repository) else {
        return Ok(Listing::default());
    };
    if let Some(error) = unreachable.find(item.source.host(), None) {
        return Err(error);
    }
    match item.source.tag_listing(&repository).await {
        Err(error) if error.is_not_found() => Err(SyncError::NoRepository(error)),
        Err(error) => {
            let error = SyncError::Source(error);
            unreachable.note(item.source.host(), "", &error);
            Err(error)
        }
        Ok(tags) => Ok(tags),
    }
}

fn item_failed(item: &SyncItem, to: &str, reason: &str, error: String) -> TagOutcome {
    TagOutcome {
        target_repository: to.to_owned(),
        ..failed_outcome(item.repository.to_string(), item.origin(), reason, error)
    }
}

/// The outcome of a repository whose tags aren't known.
pub(in crate::sync) fn failed_outcome(
    repository: String,
    source: String,
    reason: &str,
    error: String,
) -> TagOutcome {
    TagOutcome {
        repository,
        source,
        error: Some(error),
        ..TagOutcome::new(Action::Copy, Status::Failed, reason.to_owned())
    }
}

impl Candidates {
    /// Adds what an item selects, or why that isn't known.
    async fn item_add(
        &mut self,
        target: &Endpoint,
        spec: &SyncSpec,
        (number, item, to): (usize, &SyncItem, &str),
        listing: Option<Result<Listing, SyncError>>,
        unreachable: &Unreachable,
    ) {
        let (tags, known) = match listing {
            Some(listing) if item.selector.needs_listing() => self.listed(item, to, listing),
            _ => (Vec::new(), Known::NotNeeded),
        };
        let selection = match selected(item, tags).await {
            Ok(selection) => selection,
            Err(error) => {
                if let ResolveError::Source(error) = &error {
                    let error = SyncError::Source(error.clone());
                    unreachable.note(item.source.host(), "", &error);
                }
                let failed = item_failed(item, to, "can't select its tags", error.to_string());
                self.failed.push(failed);
                return;
            }
        };
        for (tag, why) in &selection.unread {
            let error = format!("its creation time can't be read: {why}");
            self.failed.push(TagOutcome {
                tag: tag.clone(),
                ..item_failed(item, to, "can't be selected", error)
            });
        }
        if let Some(look) = self.looks.last_mut() {
            look.selected = selection.selected().count();
        }
        if let Err(error) = self.select(target, spec, (number, item, to), selection, known) {
            let failed = item_failed(item, to, "no valid target", error.to_string());
            self.failed.push(failed);
        }
    }

    /// The tags of an item that needs them.
    fn listed(
        &mut self,
        item: &SyncItem,
        to: &str,
        listing: Result<Listing, SyncError>,
    ) -> (Vec<String>, Known) {
        match listing {
            Ok(listing) => {
                self.warn_dropped(item, &listing.dropped);
                if let Ok(repository) = item.source.address().resolve(&item.repository) {
                    let tags = &self.referrer_tags;
                    tags.note(item.source.host(), &repository, &listing.entries);
                }
                let count = listing.entries.len();
                (listing.entries, Known::Tags(count))
            }
            Err(error) => {
                let failed = item_failed(item, to, "can't list its tags", error.to_string());
                self.failed.push(failed);
                (Vec::new(), Known::Failed)
            }
        }
    }

    fn select(
        &mut self,
        target: &Endpoint,
        spec: &SyncSpec,
        (number, item, place): (usize, &SyncItem, &str),
        selection: Selection,
        known: Known,
    ) -> Result<(), NameError> {
        let (from, to) = item.way(&spec.placement, target.address())?;
        let architectures: Arc<[PlatformChoice]> = item.architectures.clone().into();
        let before = self.all.len();
        let is_wanted = |name: &str| match &spec.only {
            Some(only) => only.contains(to.as_str(), name),
            None => true,
        };
        let selected = selection.verdicts.into_iter().filter(|(_, v)| v.selected);
        for (name, verdict) in selected.filter(|(name, _)| is_wanted(name)) {
            let reference = Reference::parse(&name)?;
            self.all.push(Candidate {
                from: item.source.clone(),
                repository: item.repository.clone(),
                source: from.clone(),
                target_reference: reference.clone(),
                reference,
                digest: None,
                target: to.clone(),
                architectures: Arc::clone(&architectures),
                index: spec.index,
                selected_by: verdict.reason,
                blocked: None,
                rivals: Vec::new(),
                items: vec![number],
                planned: None,
            });
        }
        let is_asked = |only: &OnlyTags| only.is_whole(to.as_str());
        let is_nothing = self.all.len() == before && spec.only.as_ref().is_none_or(is_asked);
        if is_nothing {
            self.nothing_selected(item, place, known);
        }
        Ok(())
    }

    fn warn_dropped(&mut self, item: &SyncItem, dropped: &Dropped) {
        if let Some(warning) = dropped.tags_warning() {
            self.warnings
                .push(format!("`{}`: {warning}", item.repository));
        }
    }

    /// Tells of items without repositories.
    pub(in crate::sync) fn unmatched_add(&mut self, items: &[Unmatched]) {
        for item in items {
            let (pattern, source) = (&item.pattern, &item.source);
            let failed =
                |reason, error| failed_outcome(pattern.clone(), source.clone(), reason, error);
            let listed = match &item.why {
                NoRepositories::NotListed(error) => {
                    let failed = failed("can't list the repositories", error.clone());
                    self.failed.push(failed);
                    continue;
                }
                NoRepositories::NoMatch(listed) => listed,
            };
            let detail = match listed {
                0 => format!("`{source}` has no repositories"),
                1 => format!("the only repository of `{source}` doesn't match"),
                many => format!("none of the {many} repositories of `{source}` matches"),
            };
            match item.on_empty {
                OnEmpty::Warn => self.empty.push(format!("`{pattern}`: {detail}")),
                OnEmpty::Fail => self.failed.push(failed("it selects nothing", detail)),
                OnEmpty::Ignore => {}
            }
        }
    }

    fn nothing_selected(&mut self, item: &SyncItem, place: &str, known: Known) {
        let (repository, host) = (&item.repository, item.source.host());
        let detail = match known {
            Known::Failed => return,
            Known::Tags(0) => format!("it has no tags at `{host}`"),
            Known::Tags(listed) => {
                format!("none of its {} is selected", counted(listed as u64, "tag"))
            }
            Known::NotNeeded => "none of the tags that it names is selected".to_owned(),
        };
        match item.on_empty {
            OnEmpty::Warn => self.empty.push(format!("`{repository}`: {detail}")),
            OnEmpty::Fail => {
                let failed = item_failed(item, place, "it selects nothing", detail);
                self.failed.push(failed);
            }
            OnEmpty::Ignore => {}
        }
    }
}
