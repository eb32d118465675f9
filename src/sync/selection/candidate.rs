//! From items to candidates: each selected tag with its target, and what forbids it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;

use crate::oci::registry::page::{Dropped, Listing};
use crate::oci::types::referrer_tag::ReferrerTag;
use crate::oci::{Digest, Endpoint, NameError, PlatformChoice, Reference, Repository};

use super::resolve::{ResolveError, selection_resolve};
use super::select::Selection;
use crate::sync::copy::unreachable::Unreachable;
use crate::sync::error::SyncError;
use crate::sync::input::index_mode::{IndexMode, choice_text, platforms_text};
use crate::sync::input::spec::{NoRepositories, OnEmpty, OnlyTags, SyncItem, SyncSpec, Unmatched};
use crate::sync::kept::digests::PlannedDigests;
use crate::sync::offload::Asker;
use crate::sync::outcome::{Action, Moved, ReferrerOutcome, Status, TagOutcome};
use crate::sync::referrers::tags::ReferrerTags;
use crate::text::counted;

/// Repositories listed at once.
const LISTINGS: usize = 8;

/// A tag (or digest) to copy from one repository to another.
#[derive(Clone, Debug)]
pub(in crate::sync) struct Candidate {
    /// The source registry.
    pub(in crate::sync) from: Endpoint,
    /// As the item names it.
    pub(in crate::sync) repository: Repository,
    /// The full path at the source.
    pub(in crate::sync) source: Repository,
    /// Tag or digest at the source.
    pub(in crate::sync) reference: Reference,
    /// Tag or digest at the target.
    pub(in crate::sync) target_reference: Reference,
    /// The source's digest, where the target's tag has it in its name.
    pub(in crate::sync) digest: Option<Digest>,
    /// The full path at the target.
    pub(in crate::sync) target: Repository,
    pub(in crate::sync) architectures: Arc<[PlatformChoice]>,
    pub(in crate::sync) index: Option<IndexMode>,
    /// What selected it.
    pub(in crate::sync) selected_by: String,
    /// Why it must not be copied, if so.
    pub(in crate::sync) blocked: Option<String>,
    /// Candidates from other sources with the same target.
    pub(in crate::sync) rivals: Vec<Candidate>,
    /// The items that select it, by their index.
    pub(in crate::sync) items: Vec<usize>,
    /// What a kept plan says of it; `None` for an ordinary run.
    pub(in crate::sync) planned: Option<Arc<PlannedDigests>>,
}

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
        let listing = if item.selector.needs_listing() {
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
        let (tags, known) = match listing {
            None => (Vec::new(), Known::NotNeeded),
            Some(Ok(listing)) => {
                found.warn_dropped(&item, &listing.dropped);
                if let Ok(repository) = item.source.address().resolve(&item.repository) {
                    let tags = &found.referrer_tags;
                    tags.note(item.source.host(), &repository, &listing.entries);
                }
                let count = listing.entries.len();
                (listing.entries, Known::Tags(count))
            }
            Some(Err(error)) => {
                let failed = item_failed(&item, "can't list its tags", error.to_string());
                found.failed.push(failed);
                (Vec::new(), Known::Failed)
            }
        };
        let selection = match selected(&item, tags).await {
            Ok(selection) => selection,
            Err(error) => {
                if let ResolveError::Source(error) = &error {
                    let error = SyncError::Source(error.clone());
                    unreachable.note(item.source.host(), "", &error);
                }
                let failed = item_failed(&item, "can't select its tags", error.to_string());
                found.failed.push(failed);
                continue;
            }
        };
        for (tag, why) in &selection.unread {
            let error = format!("its creation time can't be read: {why}");
            found.failed.push(TagOutcome {
                tag: tag.clone(),
                ..item_failed(&item, "can't be selected", error)
            });
        }
        if let Err(error) = found.select(target, spec, (number, &item), selection, known) {
            let failed = item_failed(&item, "no valid target", error.to_string());
            found.failed.push(failed);
        }
    }
    found.name_targets(target, spec).await;
    found.all = merged(found.all);
    found
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

fn item_failed(item: &SyncItem, reason: &str, error: String) -> TagOutcome {
    let (repository, source) = (item.repository.to_string(), item.origin());
    failed_outcome(repository, source, reason.to_owned(), error)
}

/// The outcome of a repository whose tags aren't known.
pub(in crate::sync) fn failed_outcome(
    repository: String,
    source: String,
    reason: String,
    error: String,
) -> TagOutcome {
    TagOutcome {
        repository,
        tag: String::new(),
        source,
        target: String::new(),
        target_repository: String::new(),
        target_tag: String::new(),
        action: Action::Copy,
        status: Status::Failed,
        reason,
        source_digest: None,
        target_digest: None,
        previous_digest: None,
        platforms: String::new(),
        choice: String::new(),
        missing: None,
        referrers: ReferrerOutcome::default(),
        moved: Moved::default(),
        duration: Duration::ZERO,
        error: Some(error),
    }
}

impl Candidates {
    fn select(
        &mut self,
        target: &Endpoint,
        spec: &SyncSpec,
        (number, item): (usize, &SyncItem),
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
            self.nothing_selected(item, known);
        }
        Ok(())
    }

    fn warn_dropped(&mut self, item: &SyncItem, dropped: &Dropped) {
        if let Some(warning) = dropped.warning() {
            self.warnings
                .push(format!("`{}`: {warning}", item.repository));
        }
    }

    /// Tells of items without repositories.
    pub(in crate::sync) fn unmatched_add(&mut self, items: &[Unmatched]) {
        for item in items {
            let (pattern, source) = (&item.pattern, &item.source);
            let failed = |reason: &str, error| {
                let (repository, origin) = (pattern.clone(), source.clone());
                failed_outcome(repository, origin, reason.to_owned(), error)
            };
            match (&item.why, item.on_empty) {
                (NoRepositories::NotListed(error), _) => {
                    let failed = failed("can't list the repositories", error.clone());
                    self.failed.push(failed);
                }
                (NoRepositories::NoMatch(listed), on_empty) => {
                    let detail = match listed {
                        0 => format!("`{source}` has no repositories"),
                        1 => format!("the only repository of `{source}` doesn't match"),
                        many => format!("none of the {many} repositories of `{source}` matches"),
                    };
                    match on_empty {
                        OnEmpty::Warn => self.empty.push(format!("`{pattern}`: {detail}")),
                        OnEmpty::Fail => self.failed.push(failed("it selects nothing", detail)),
                        OnEmpty::Ignore => {}
                    }
                }
            }
        }
    }

    fn nothing_selected(&mut self, item: &SyncItem, known: Known) {
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
                let failed = item_failed(item, "it selects nothing", detail);
                self.failed.push(failed);
            }
            OnEmpty::Ignore => {}
        }
    }
}

/// One candidate for each target. Duplicates of a source are merged; a different source is a conflict,
/// unless its digest is the same.
fn merged(all: Vec<Candidate>) -> Vec<Candidate> {
    let mut places: HashMap<(Repository, Reference), usize> = HashMap::with_capacity(all.len());
    let mut merged: Vec<Candidate> = Vec::with_capacity(all.len());
    for candidate in all {
        let place = (candidate.target.clone(), candidate.target_reference.clone());
        let Some(first) = places.get(&place).and_then(|at| merged.get_mut(*at)) else {
            places.insert(place, merged.len());
            merged.push(candidate);
            continue;
        };
        if !first.has_same_origin(&candidate) {
            first.rivals.push(candidate);
            continue;
        }
        first.items.extend(&candidate.items);
        if first.architectures.is_empty() || candidate.architectures.is_empty() {
            first.architectures = Arc::default();
        } else {
            let both = first.architectures.iter().chain(&*candidate.architectures);
            first.architectures = both.cloned().collect();
        }
    }
    merged
}

impl Candidate {
    fn has_same_origin(&self, other: &Self) -> bool {
        self.reference == other.reference
            && self.source == other.source
            && self.from.is_same(&other.from)
    }

    /// Whether the same platforms are chosen.
    pub(in crate::sync) fn has_same_platforms(&self, other: &Self) -> bool {
        platforms_text(&self.architectures) == platforms_text(&other.architectures)
    }

    /// Whether it would be copied onto itself.
    pub(super) fn is_at_target(&self, target: &Endpoint) -> bool {
        self.reference == self.target_reference
            && self.source == self.target
            && self.from.is_same(target)
    }

    /// Whether it is a tag that holds referrers of another manifest.
    pub(in crate::sync) fn is_of_referrers(&self) -> bool {
        ReferrerTag::parse(self.reference.as_str()).is_some()
    }

    /// `host/repository:tag` at the source.
    pub(in crate::sync) fn origin(&self) -> String {
        format!("{}/{}", self.from.host(), self.reference.on(&self.source))
    }

    /// `host/repository:tag` at the target.
    pub(in crate::sync) fn place(&self, target: &Endpoint) -> String {
        format!(
            "{}/{}",
            target.host(),
            self.target_reference.on(&self.target)
        )
    }

    /// An outcome of this candidate in which nothing was done.
    pub(in crate::sync) fn outcome(
        &self,
        target: &Endpoint,
        action: Action,
        reason: String,
    ) -> TagOutcome {
        TagOutcome {
            repository: self.repository.to_string(),
            tag: self.reference.as_str().to_owned(),
            source: self.origin(),
            target: self.place(target),
            target_repository: self.target.to_string(),
            target_tag: self.target_reference.as_str().to_owned(),
            action,
            status: match action {
                Action::Blocked => Status::Blocked,
                _ => Status::Done,
            },
            reason,
            source_digest: None,
            target_digest: None,
            previous_digest: None,
            platforms: platforms_text(&self.architectures),
            choice: choice_text(&self.architectures, self.index),
            missing: None,
            referrers: ReferrerOutcome::default(),
            moved: Moved::default(),
            duration: Duration::ZERO,
            error: None,
        }
    }
}
