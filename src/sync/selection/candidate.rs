//! A candidate: a selected tag with its target, and what forbids it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::oci::types::referrer_tag::ReferrerTag;
use crate::oci::{Digest, Endpoint, PlatformChoice, Reference, Repository};

use crate::sync::input::index_mode::{IndexMode, choice_text, platforms_text};
use crate::sync::kept::digests::PlannedDigests;
use crate::sync::outcome::{Action, Status, TagOutcome};

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

/// One candidate for each target. Duplicates of a source are merged; a different source is a conflict,
/// unless its digest is the same.
pub(super) fn merged(all: Vec<Candidate>) -> Vec<Candidate> {
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

    /// This one, and those from other sources with the same target.
    pub(in crate::sync) fn with_rivals(&self) -> impl Iterator<Item = &Candidate> {
        std::iter::once(self).chain(&self.rivals)
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

    /// Whether it is copied as it is, with all its platforms.
    pub(in crate::sync) fn is_whole(&self) -> bool {
        self.architectures.is_empty() || self.index == Some(IndexMode::Keep)
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
        let status = match action {
            Action::Blocked => Status::Blocked,
            _ => Status::Done,
        };
        TagOutcome {
            repository: self.repository.to_string(),
            tag: self.reference.as_str().to_owned(),
            source: self.origin(),
            target: self.place(target),
            target_repository: self.target.to_string(),
            target_tag: self.target_reference.as_str().to_owned(),
            platforms: platforms_text(&self.architectures),
            choice: choice_text(&self.architectures, self.index),
            ..TagOutcome::new(action, status, reason)
        }
    }
}
