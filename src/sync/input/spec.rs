//! What to copy: items of a source registry, and where they go in the target.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::backup_tag::BackupTag;
use super::index_mode::IndexMode;
use super::placement::Placement;
use super::template::TagTemplate;
use crate::oci::{Digest, Endpoint, NameError, PlatformChoice, RegistryAddress, Repository};

use crate::sync::input::referrer_choice::ReferrerChoice;
use crate::sync::prune::settings::Prune;
use crate::sync::selection::select::Selector;

/// Default number of tags worked on at once. Twice the requests in flight hide the latency of one;
/// more would only queue at the registries' connection limits.
pub const MAX_PARALLEL: usize = 16;

/// Everything that one plan or run needs to know, besides the target registry.
#[derive(Clone, Debug)]
pub struct SyncSpec {
    /// What to copy.
    pub items: Vec<SyncItem>,
    /// Items by pattern that have no repository.
    pub unmatched: Vec<Unmatched>,
    /// How target repositories are named.
    pub placement: Placement,
    /// How target tags are named; `None`: as at the source. Digests keep their names.
    pub target_tag: Option<TagTemplate>,
    /// The day that templates name.
    pub date: NaiveDate,
    /// What becomes of an index of which some platforms are copied.
    pub index: Option<IndexMode>,
    /// Maximum number of tags to work on at once.
    pub max_parallel: usize,
    /// What earlier runs wrote, for tags whose target digest differs from the source's.
    pub known: KnownTags,
    /// What a check found missing or damaged at the target; it is checked completely and repaired.
    pub lost: LostTags,
    /// Only these of the selected tags; `None`: all of them.
    pub only: Option<OnlyTags>,
    /// Which signatures, SBOMs and attestations are copied with their images.
    pub referrers: ReferrerChoice,
    /// How an image is named that is kept when its tag is overwritten; `None`: it isn't kept.
    pub backup_tag: Option<BackupTag>,
    /// What is deleted at the target; `None`: nothing.
    pub prune: Option<Prune>,
}

impl SyncSpec {
    /// Whether tags may be deleted: never if only some are worked on.
    pub fn is_pruning(&self) -> bool {
        self.prune.is_some() && self.only.is_none()
    }
}

/// One source repository and its selection.
#[derive(Clone, Debug)]
pub struct SyncItem {
    /// The source registry.
    pub source: Endpoint,
    /// The path below the source's address.
    pub repository: Repository,
    /// Which tags.
    pub selector: Selector,
    /// The chosen platforms; empty: all, and indexes stay unchanged.
    pub architectures: Vec<PlatformChoice>,
    /// The path below the target's address, instead of the one from the placement.
    pub target_repository: Option<Repository>,
    /// What to do if it selects nothing.
    pub on_empty: OnEmpty,
}

/// An item that names its repositories by pattern and has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmatched {
    /// The pattern, in the form of [`RepositoriesSpec`]'s text; also the item's part of a run.
    ///
    /// [`RepositoriesSpec`]: crate::sync::selection::repositories::RepositoriesSpec
    pub pattern: String,
    /// The source registry's address.
    pub source: String,
    /// Why it has none.
    pub why: NoRepositories,
    /// What to do if it selects nothing.
    pub on_empty: OnEmpty,
}

/// Why an item has no repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoRepositories {
    /// None of this number of repositories matches.
    NoMatch(usize),
    /// They couldn't be listed.
    NotListed(String),
}

/// What to do if an item selects nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnEmpty {
    /// A warning, which is counted.
    #[default]
    Warn,
    /// It has failed.
    Fail,
    /// Nothing: this is expected.
    Ignore,
}

impl FromStr for OnEmpty {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "warn" => Ok(Self::Warn),
            "fail" => Ok(Self::Fail),
            "ignore" => Ok(Self::Ignore),
            _ => Err(NameError::new(
                "value",
                text,
                "expected `warn`, `fail` or `ignore`",
            )),
        }
    }
}

impl fmt::Display for OnEmpty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Ignore => "ignore",
        })
    }
}

impl SyncItem {
    /// The full paths, at the source and at a target with this address.
    pub fn way(
        &self,
        placement: &Placement,
        target: &RegistryAddress,
    ) -> Result<(Repository, Repository), NameError> {
        let source = self.source.address();
        let below = match &self.target_repository {
            Some(repository) => repository.clone(),
            None => placement.target(source, &self.repository)?,
        };
        Ok((source.resolve(&self.repository)?, target.resolve(&below)?))
    }

    /// `host/repository` at the source.
    pub fn origin(&self) -> String {
        self.source.address().place_of(&self.repository)
    }

    /// Whether it goes to the same repository of the same registry.
    pub fn is_same_place(&self, placement: &Placement, target: &RegistryAddress) -> bool {
        self.source.address().is_same_registry(target)
            && self
                .way(placement, target)
                .is_ok_and(|(from, to)| from == to)
    }
}

/// Tags by target repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnlyTags(HashMap<String, Option<HashSet<String>>>);

impl OnlyTags {
    /// Adds a tag of a target repository; "" stands for all of them.
    pub fn add(&mut self, target_repository: String, tag: String) {
        let tags = self.0.entry(target_repository);
        let tags = tags.or_insert_with(|| Some(HashSet::new()));
        match tags {
            _ if tag.is_empty() => *tags = None,
            Some(tags) => {
                tags.insert(tag);
            }
            None => {}
        }
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it includes all of this target repository.
    pub fn is_whole(&self, target_repository: &str) -> bool {
        matches!(self.0.get(target_repository), Some(None))
    }

    /// Whether it includes a tag of this target repository.
    pub fn touches(&self, target_repository: &str) -> bool {
        self.0.contains_key(target_repository)
    }

    /// Whether it includes the tag.
    pub fn contains(&self, target_repository: &str, tag: &str) -> bool {
        let tags = self.0.get(target_repository);
        tags.is_some_and(|tags| tags.as_ref().is_none_or(|tags| tags.contains(tag)))
    }
}

/// Earlier copies of indexes that were reduced, by target repository and tag.
pub type KnownTags = HashMap<(String, String), KnownTag>;

/// Target repositories and tags.
pub type LostTags = HashSet<(String, String)>;

/// One earlier copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownTag {
    /// The source's index at that time.
    pub source_digest: Digest,
    /// What was written for it.
    pub target_digest: Digest,
    /// The platforms chosen at that time, in the form of [`super::index_mode::choice_text`].
    pub platforms: String,
    /// The chosen platforms that it lacks, as text; "": none.
    pub missing: String,
}
