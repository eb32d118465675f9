//! The actions of a kept plan that one engine runs, page by page.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::deletes::PlannedDeletes;
use super::digests::PlannedDigests;
use crate::oci::{Endpoint, PlatformChoice, Reference, Repository};
use crate::sync::input::index_mode::IndexMode;
use crate::sync::outcome::TagOutcome;
use crate::sync::selection::candidate::Candidate;
use crate::sync::selection::finding::failed_outcome;
use crate::text::counted;

/// A copy that a plan says, of a tag or digest.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // as in a candidate
pub struct KeptAction {
    pub from: Endpoint,
    /// As the item names it.
    pub repository: Repository,
    /// The full path at the source.
    pub source: Repository,
    pub reference: Reference,
    /// The full path at the target.
    pub target: Repository,
    pub target_reference: Reference,
    /// The chosen platforms; empty: all.
    pub platforms: Vec<PlatformChoice>,
    pub digests: PlannedDigests,
}

impl KeptAction {
    /// `host/repository:tag` at the source.
    pub fn origin(&self) -> String {
        format!("{}/{}", self.from.host(), self.reference.on(&self.source))
    }
}

/// Some actions of a plan, in its order.
#[derive(Debug, Default)]
pub struct KeptPage {
    /// The actions.
    pub actions: Vec<KeptAction>,
    /// The key of the last one; `None`: no more follow.
    pub last: Option<i64>,
    /// How many actions there are; known with the first page.
    pub all: u64,
}

/// Where the actions are kept.
pub trait KeptActions: Send + Sync {
    /// The copies and updates of `place` after the one with the key `after`, or the first ones. Err:
    /// they can't be read, and why.
    fn page<'a>(
        &'a self,
        place: &'a str,
        after: Option<i64>,
    ) -> BoxFuture<'a, Result<KeptPage, String>>;

    /// Where the plan's `tag` of `place` comes from; `None`: the plan has none. Err: that can't be read,
    /// and why.
    fn source_of<'a>(
        &'a self,
        place: &'a str,
        tag: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>, String>>;

    /// The deletes of `place`. Err: they can't be read, and why.
    fn deletes<'a>(&'a self, place: &'a str) -> BoxFuture<'a, Result<PlannedDeletes, String>>;

    /// The registry that the deleted tags came from; `None`: nothing is deleted.
    fn source(&self) -> Option<&Endpoint>;
}

/// What a plan with failed or blocked tags warns of, when it is made and when it is run.
pub fn left_out(plan: &str, failed: u64, blocked: u64) -> Option<String> {
    let words = [(failed, "failed"), (blocked, "blocked")];
    let words = words.into_iter().filter(|(count, _)| *count > 0);
    let words: Vec<String> = words
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let all = counted(failed + blocked, "tag");
    (!words.is_empty()).then(|| {
        format!(
            "{plan} leaves out {all}: {} when it was made",
            words.join(", ")
        )
    })
}

/// What one engine does of a plan.
#[derive(Clone)]
pub struct KeptPart {
    /// How messages name the plan: `plan 7`.
    pub name: Arc<str>,
    /// The target place, as the run's part names it.
    pub place: String,
    /// The plan's actions.
    pub actions: Arc<dyn KeptActions>,
    /// What the run says of the plan; of several parts, only one does.
    pub warning: Option<String>,
}

impl fmt::Debug for KeptPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeptPart({}, {})", self.name, self.place)
    }
}

/// A page as candidates.
pub(in crate::sync) struct KeptCandidates {
    pub(in crate::sync) candidates: Vec<Candidate>,
    pub(in crate::sync) last: Option<i64>,
    pub(in crate::sync) all: u64,
}

impl KeptPart {
    pub(in crate::sync) async fn page(
        &self,
        after: Option<i64>,
        index: Option<IndexMode>,
    ) -> Result<KeptCandidates, String> {
        let page = self.actions.page(&self.place, after).await?;
        let selected_by = format!("in {}", self.name);
        let candidates = page.actions.into_iter();
        Ok(KeptCandidates {
            candidates: candidates
                .map(|action| candidate(action, selected_by.clone(), index))
                .collect(),
            last: page.last,
            all: page.all,
        })
    }

    /// The outcome if the actions can't be read.
    pub(in crate::sync) fn unread(&self, error: String) -> TagOutcome {
        let reason = format!("can't read {}", self.name);
        failed_outcome(self.place.clone(), String::new(), &reason, error)
    }
}

fn candidate(action: KeptAction, selected_by: String, index: Option<IndexMode>) -> Candidate {
    Candidate {
        from: action.from,
        repository: action.repository,
        source: action.source,
        reference: action.reference,
        target_reference: action.target_reference,
        digest: None,
        target: action.target,
        architectures: action.platforms.into(),
        index,
        selected_by,
        blocked: None,
        rivals: Vec::new(),
        items: Vec::new(),
        planned: Some(Arc::new(action.digests)),
    }
}
