//! What becomes of a tag, and of all of them.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::oci::Digest;
use crate::text::{Bytes, counted};

/// What is done with a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It isn't at the target yet.
    Copy,
    /// The target has another image under it.
    Update,
    /// Nothing is to be done.
    Skip,
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
            Self::Blocked => "blocked",
        }
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As intended, also when nothing was to be done.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingPlatforms {
    /// Whether it has none of those that were chosen.
    pub is_all: bool,
    /// Which, and what it has, in words.
    pub words: String,
}

impl MissingPlatforms {
    /// In words, of this tag.
    pub fn told_of(&self, repository: &str, tag: &str) -> String {
        let separator = if tag.contains(':') { '@' } else { ':' };
        let left_out = if self.is_all { "skipped: " } else { "" };
        format!("`{repository}{separator}{tag}`: {left_out}{}", self.words)
    }
}

/// What became of one tag.
#[derive(Clone, Debug)]
pub struct TagOutcome {
    /// The source repository, as the item names it.
    pub repository: String,
    /// The tag or digest; "" for a repository whose tags couldn't be listed.
    pub tag: String,
    /// `host/repository:tag` at the target.
    pub target: String,
    /// The full repository path at the target.
    pub target_repository: String,
    /// What was to be done.
    pub action: Action,
    /// How it ended.
    pub status: Status,
    /// Why this action.
    pub reason: String,
    /// What the source has.
    pub source_digest: Option<Digest>,
    /// What the target has now.
    pub target_digest: Option<Digest>,
    /// What the target had before, where that was overwritten.
    pub previous_digest: Option<Digest>,
    /// The platforms chosen, as [`super::input::spec::platforms_text`] writes them.
    pub platforms: String,
    /// Those of them that the image doesn't have.
    pub lack: Option<MissingPlatforms>,
    /// Bytes sent to the target for this tag.
    pub moved: Moved,
    /// How long it took.
    pub duration: Duration,
    /// Why it failed.
    pub error: Option<String>,
}

impl TagOutcome {
    /// What is worth knowing of it though it didn't fail, in words.
    pub fn warning(&self) -> Option<String> {
        let lack = self.lack.as_ref().filter(|_| self.status == Status::Done)?;
        Some(lack.told_of(&self.repository, &self.tag))
    }
}

/// What was moved for a tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

/// The counts of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Tags selected, and items whose tags couldn't be told: the sum of the five below, once all is
    /// done.
    pub selected: u64,
    /// Tags new at the target.
    pub copied: u64,
    /// Tags overwritten.
    pub updated: u64,
    /// Tags that needed nothing.
    pub skipped: u64,
    /// Tags that a rule forbade.
    pub blocked: u64,
    /// Tags (and listings) that failed.
    pub failed: u64,
    /// What is worth knowing and stopped nothing.
    pub warnings: u64,
    /// Those of them that say of an item that it selects nothing.
    pub empty: u64,
    /// What was moved.
    pub moved: Moved,
}

impl Totals {
    /// Whether nothing was selected, and somebody should know: the run did nothing of what it is for.
    pub fn is_nothing(&self) -> bool {
        self.selected == 0 && self.failed == 0 && self.empty > 0
    }

    /// Takes one outcome in. `selected` is counted when tags are selected, not here.
    pub fn add(&mut self, outcome: &TagOutcome) {
        self.moved += outcome.moved;
        let count = match (outcome.status, outcome.action) {
            (Status::Failed, _) => &mut self.failed,
            (Status::Blocked, _) | (_, Action::Blocked) => &mut self.blocked,
            (_, Action::Copy) => &mut self.copied,
            (_, Action::Update) => &mut self.updated,
            (_, Action::Skip) => &mut self.skipped,
        };
        *count += 1;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} copied, {} updated, {} unchanged or skipped, {} blocked, {} failed{}; \
             {} in {} sent, {} mounted",
            self.copied,
            self.updated,
            self.skipped,
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
