//! What a project may delete: its rules, and the tags that it wrote.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use chrono::{NaiveDateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::oci::{Digest, NameError};
use crate::sync::outcome::TagOutcome;
use crate::sync::selection::pattern::Pattern;

/// The limit of a project without one, in percent.
pub const PRUNE_LIMIT: u8 = 20;

/// Which tags are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PruneKind {
    /// Those that have left the source.
    Gone,
    /// Those that the project doesn't write any more.
    Selected,
}

impl FromStr for PruneKind {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "gone" => Ok(Self::Gone),
            "selected" => Ok(Self::Selected),
            _ => Err(NameError::new(
                "value",
                text,
                "expected `none`, `gone` or `selected`",
            )),
        }
    }
}

impl fmt::Display for PruneKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "gone",
            Self::Selected => "selected",
        })
    }
}

/// What a run may delete.
#[derive(Clone, Debug)]
pub struct Prune {
    /// Which tags.
    pub kind: PruneKind,
    /// The most that a run deletes of a repository's tags, in percent.
    pub limit: u8,
    /// Tags that stay.
    pub protect: Option<Pattern>,
    /// How many of the tags to delete stay, the newest.
    pub retain: usize,
    /// Permits more than the limit, and deleting when a source has or the selection selects nothing.
    pub force: bool,
    /// Whether repositories are found by pattern: what came from one that isn't found stays.
    pub by_pattern: bool,
    /// What the project wrote, by `host/repository` at the target.
    pub written: HashMap<String, Vec<WrittenTag>>,
}

impl Prune {
    /// The same with what earlier attempts did and couldn't record.
    pub(in crate::sync) fn with_recovered(&self, recovered: &[TagOutcome]) -> Cow<'_, Self> {
        let mut rules = Cow::Borrowed(self);
        for outcome in recovered {
            let Some((place, source)) = outcome.places() else {
                continue;
            };
            let records = rules.to_mut().written.entry(place.to_owned()).or_default();
            let at = records
                .iter()
                .position(|written| written.tag == outcome.target_tag);
            let known = at.map(|at| records.swap_remove(at));
            let Some(digest) = outcome.target_digest.clone() else {
                continue;
            };
            records.push(WrittenTag {
                tag: outcome.target_tag.clone(),
                source: source.to_owned(),
                source_tag: outcome.tag.clone(),
                digest,
                written_at: Utc::now().naive_utc(),
                is_shared: known.is_some_and(|known| known.is_shared),
            });
        }
        rules
    }
}

/// A tag that the project wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenTag {
    /// The tag at the target.
    pub tag: String,
    /// `host/repository` at the source.
    pub source: String,
    /// The tag there.
    pub source_tag: String,
    /// What was written.
    pub digest: Digest,
    /// When.
    pub written_at: NaiveDateTime,
    /// Whether another project wrote it too, or needs it.
    pub is_shared: bool,
}
