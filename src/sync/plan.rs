//! What a run would do, without writing anything.

use tokio::sync::mpsc;

use crate::oci::Digest;

use super::costs::PlanCosts;
use super::engine::Engine;
use super::outcome::{Action, Status, TagOutcome};

/// The actions of a run, and their totals.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// One for each selected tag, in the order of the items; tags that hold referrers come last if
    /// referrers are copied; then the deletes.
    pub actions: Vec<PlanAction>,
    /// Tags to copy.
    pub copy: u64,
    /// Tags to overwrite.
    pub update: u64,
    /// Unchanged or skipped tags.
    pub skip: u64,
    /// Tags to delete.
    pub delete: u64,
    /// Tags that a rule forbids to copy or to delete.
    pub blocked: u64,
    /// Tags, and lists of tags, that couldn't be checked, or would fail.
    pub failed: u64,
    /// Bytes of all required blobs, each counted once, including those that the target already has;
    /// without those of referrers.
    pub bytes: u64,
    /// What a run would ask of both registries.
    pub costs: PlanCosts,
    /// Why a registry couldn't be reached at all.
    pub unreachable: Option<String>,
    /// Warnings.
    pub warnings: Vec<String>,
    /// Items that select nothing although that isn't expected; each has a warning.
    pub empty: usize,
    /// Why a run would fail.
    pub failure: Option<String>,
}

impl Plan {
    /// Whether nothing is selected although that isn't expected; to be asked before the deletes are
    /// added.
    pub(super) fn is_nothing(&self) -> bool {
        let selected = self.copy + self.update + self.skip + self.blocked + self.failed;
        selected == 0 && self.empty > 0
    }

    /// Whether a run would end with failed or blocked tags, or with none although that isn't
    /// expected.
    pub fn is_bad(&self) -> bool {
        self.failure.is_some() || self.blocked > 0
    }
}

/// What would be done with one tag.
#[derive(Clone, Debug)]
pub struct PlanAction {
    /// The source repository, as the item names it.
    pub repository: String,
    /// The tag or digest; "" for a repository whose tags can't be listed.
    pub tag: String,
    /// `host/repository:tag` at the source; `host/repository` if its tags can't be listed.
    pub source: String,
    /// `host/repository:tag` at the target.
    pub target: String,
    /// The full repository path at the target.
    pub target_repository: String,
    /// The tag or digest at the target.
    pub target_tag: String,
    /// The chosen platforms, in the form of [`super::input::index_mode::platforms_text`].
    pub platforms: String,
    /// The planned action.
    pub action: Action,
    /// Why the tag is selected, and why this action.
    pub reason: String,
    /// The source's digest.
    pub source_digest: Option<Digest>,
    /// The target's digest after the run.
    pub digest: Option<Digest>,
    /// The target's current digest.
    pub previous_digest: Option<Digest>,
    /// Bytes of the required blobs, for tags to copy.
    pub size: Option<u64>,
    /// Why it couldn't be checked; then the same as the reason.
    pub error: Option<String>,
}

impl PlanAction {
    /// The action in a word: `failed` if it couldn't be checked, or would fail.
    pub fn word(&self) -> &'static str {
        match self.error {
            Some(_) => Status::Failed.as_str(),
            None => self.action.as_str(),
        }
    }

    /// Whether the tag is to be written.
    pub fn is_copy(&self) -> bool {
        matches!(self.action, Action::Copy | Action::Update)
    }

    /// Whether a run of the plan, if it is kept, does it.
    pub fn is_run(&self) -> bool {
        self.is_copy() || self.action == Action::Delete
    }
}

/// A delete, or what failed before its tags were known.
impl From<TagOutcome> for PlanAction {
    fn from(outcome: TagOutcome) -> Self {
        Self {
            repository: outcome.repository,
            tag: outcome.tag,
            source: outcome.source,
            target: outcome.target,
            target_repository: outcome.target_repository,
            target_tag: outcome.target_tag,
            platforms: outcome.platforms,
            action: match outcome.status {
                Status::Done => outcome.action,
                Status::Blocked | Status::Failed => Action::Blocked,
            },
            reason: outcome.error.clone().unwrap_or(outcome.reason),
            source_digest: None,
            digest: None,
            previous_digest: outcome.previous_digest,
            size: None,
            error: outcome.error,
        }
    }
}

/// Planned actions, each with its number in the plan. One whose fate is known late comes late.
pub type PlannedActions = mpsc::Sender<(u64, PlanAction)>;

/// Actions that wait to be taken before the planning waits.
const ACTIONS: usize = 256;

impl Engine {
    /// Compares all selected tags; writes nothing. A tag that can't be compared is blocked, with
    /// the reason.
    pub async fn plan(&self) -> Plan {
        let (sender, mut receiver) = mpsc::channel(ACTIONS);
        let collected = async {
            let mut all = Vec::new();
            while let Some(action) = receiver.recv().await {
                all.push(action);
            }
            all
        };
        let (mut plan, mut actions) = tokio::join!(Box::pin(self.plan_to(sender)), collected);
        actions.sort_by_key(|(number, _)| *number);
        plan.actions = actions.into_iter().map(|(_, action)| action).collect();
        plan
    }
}
