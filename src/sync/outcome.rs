//! The outcome of a tag, and of all tags together.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::oci::Digest;
use crate::text::{Bytes, counted};

/// The action for a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It isn't at the target yet.
    Copy,
    /// The target has a different image.
    Update,
    /// There is nothing to do.
    Skip,
    /// It is deleted at the target.
    Delete,
    /// A rule forbids it.
    Blocked,
}

impl Action {
    /// The word that the API and the database use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Update => "update",
            Self::Skip => "skip",
            Self::Delete => "delete",
            Self::Blocked => "blocked",
        }
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As intended, including if there was nothing to do.
    Done,
    /// It didn't work.
    Failed,
    /// A rule forbade it.
    Blocked,
}

impl Status {
    /// The word that the API and the database use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
        }
    }
}

/// Chosen platforms that an image doesn't have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingPlatforms {
    /// Whether it has none of the chosen ones.
    pub is_all: bool,
    /// Which, and what it has, as text.
    pub words: String,
}

impl MissingPlatforms {
    /// The text about this tag.
    pub fn told_of(&self, repository: &str, tag: &str) -> String {
        let separator = if tag.contains(':') { '@' } else { ':' };
        let left_out = if self.is_all { "skipped: " } else { "" };
        format!("`{repository}{separator}{tag}`: {left_out}{}", self.words)
    }
}

/// The outcome of one tag.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TagOutcome {
    /// The source repository, as the item names it.
    pub repository: String,
    /// The tag or digest; "" for a repository whose tags couldn't be listed.
    pub tag: String,
    /// `host/repository:tag` at the source; `host/repository` if its tags couldn't be listed.
    pub source: String,
    /// `host/repository:tag` at the target.
    pub target: String,
    /// The full repository path at the target.
    pub target_repository: String,
    /// The tag or digest at the target.
    pub target_tag: String,
    /// The planned action.
    pub action: Action,
    /// How it ended.
    pub status: Status,
    /// Why this action.
    pub reason: String,
    /// The source's digest.
    pub source_digest: Option<Digest>,
    /// The target's current digest.
    pub target_digest: Option<Digest>,
    /// The target's previous digest, if it was overwritten or deleted.
    pub previous_digest: Option<Digest>,
    /// The chosen platforms, in the form of [`super::input::index_mode::platforms_text`].
    pub platforms: String,
    /// The same, with what became of the index, in the form of
    /// [`super::input::index_mode::choice_text`].
    pub choice: String,
    /// The chosen platforms that the image lacks.
    pub missing: Option<MissingPlatforms>,
    /// What became of its signatures, SBOMs and attestations.
    pub referrers: ReferrerOutcome,
    /// Bytes sent to the target for this tag.
    pub moved: Moved,
    /// How long it took.
    pub duration: Duration,
    /// Whether the target's tag was written, even if something else failed afterwards.
    pub is_written: bool,
    /// The tag under which the previous image was kept.
    pub backup: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// For a failure: whether this or an earlier attempt may have done it all the same.
    pub is_unsure: bool,
}

/// What became of the referrers of a tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferrerOutcome {
    /// How many were written.
    pub written: u64,
    /// Why some aren't copied.
    pub warnings: Vec<String>,
}

impl TagOutcome {
    /// One of which nothing is known but this, and nothing was done.
    pub(super) fn new(action: Action, status: Status, reason: String) -> Self {
        Self {
            repository: String::new(),
            tag: String::new(),
            source: String::new(),
            target: String::new(),
            target_repository: String::new(),
            target_tag: String::new(),
            action,
            status,
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
            is_written: false,
            backup: None,
            error: None,
            is_unsure: false,
        }
    }

    /// `host/repository` at the target, and at the source; `None` without a tag, or for a digest.
    pub fn places(&self) -> Option<(&str, &str)> {
        let target = self
            .target
            .strip_suffix(&self.target_tag)?
            .strip_suffix(':')?;
        let source = self.source.strip_suffix(&self.tag)?.strip_suffix(':')?;
        Some((target, source))
    }

    /// Whether it says that its tag was deleted.
    pub fn is_deleted(&self) -> bool {
        (self.status, self.action) == (Status::Done, Action::Delete)
    }

    /// `repository:tag` at the source.
    pub fn name(&self) -> String {
        match self.tag.as_str() {
            "" => self.repository.clone(),
            tag if tag.contains(':') => format!("{}@{tag}", self.repository),
            tag => format!("{}:{tag}", self.repository),
        }
    }

    /// Why it failed or is blocked.
    pub fn told_error(&self) -> Option<&str> {
        match self.status {
            Status::Blocked => Some(&self.reason),
            _ => self.error.as_deref(),
        }
    }

    /// A warning about it, as text.
    pub fn warning(&self) -> Option<String> {
        let missing = self
            .missing
            .as_ref()
            .filter(|_| self.status == Status::Done)?;
        Some(missing.told_of(&self.repository, &self.tag))
    }
}

/// What was transferred for a tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Bytes of blobs sent.
    pub bytes: u64,
    /// Blobs sent.
    pub blobs_copied: u64,
    /// Blobs mounted from another repository of the target.
    pub blobs_mounted: u64,
}

impl std::ops::AddAssign for Moved {
    fn add_assign(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.blobs_copied += other.blobs_copied;
        self.blobs_mounted += other.blobs_mounted;
    }
}

/// Why a run fails in which nothing is selected.
pub const NOTHING: &str = "no item selects anything";

/// The counts of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Tags selected, and items whose tags couldn't be listed: finally the sum of the others below,
    /// without deletes.
    pub selected: u64,
    /// Tags new at the target.
    pub copied: u64,
    /// Tags overwritten.
    pub updated: u64,
    /// Tags that were unchanged or skipped.
    pub skipped: u64,
    /// Tags deleted at the target; they aren't selected ones.
    pub deleted: u64,
    /// Tags that a rule forbade.
    pub blocked: u64,
    /// Tags (and listings) that failed.
    pub failed: u64,
    /// Warnings.
    pub warnings: u64,
    /// Warnings about items that select nothing.
    pub empty: u64,
    /// What was moved.
    pub moved: Moved,
}

impl Totals {
    /// Whether nothing was selected although that isn't expected.
    pub fn is_nothing(&self) -> bool {
        self.selected == 0 && self.failed == 0 && self.empty > 0
    }

    /// Tags with an outcome, without deletes.
    pub fn done(&self) -> u64 {
        self.copied + self.updated + self.skipped + self.blocked + self.failed
    }

    /// Adds one outcome. `selected` is counted when tags are selected, not here.
    pub fn add(&mut self, outcome: &TagOutcome) {
        self.moved += outcome.moved;
        let count = match (outcome.status, outcome.action) {
            (Status::Failed, _) => &mut self.failed,
            (Status::Blocked, _) | (_, Action::Blocked) => &mut self.blocked,
            (_, Action::Copy) => &mut self.copied,
            (_, Action::Update) => &mut self.updated,
            (_, Action::Skip) => &mut self.skipped,
            (_, Action::Delete) => &mut self.deleted,
        };
        *count += 1;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} copied, {} updated, {} unchanged or skipped{}, {} blocked, {} failed{}; \
             {} in {} sent, {} mounted",
            self.copied,
            self.updated,
            self.skipped,
            match self.deleted {
                0 => String::new(),
                some => format!(", {some} deleted"),
            },
            self.blocked,
            self.failed,
            match self.warnings {
                0 => String::new(),
                some => format!(", {}", counted(some, "warning")),
            },
            Bytes(self.moved.bytes),
            counted(self.moved.blobs_copied, "blob"),
            counted(self.moved.blobs_mounted, "blob"),
        )
    }
}
