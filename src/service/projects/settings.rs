//! The options of projects, as callers give them and as they are stored.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::forms::referrer_words::ReferrerWords;
use crate::oci::{NameError, PlatformChoice};
use crate::service::Error;
use crate::store;
use crate::sync::input::spec::MAX_PARALLEL;
use crate::sync::prune::settings::PruneKind;
use crate::sync::{BackupTag, IndexMode, OnEmpty, Placement, TagTemplate};

/// More simultaneous tags than any pair of registries can use.
const MAX_PARALLEL_LIMIT: i64 = 256;

/// The longest description.
const DESCRIPTION_LIMIT: usize = 4000;

/// Options of a new project. Omitted ones have their defaults.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectOptions {
    /// `path` (the default), `flat`, `scoped`, or a template with `{registry}`, `{repository}` and
    /// `{name}`.
    pub placement: Option<String>,
    /// A template of target tags with `{tag}`, `{date}` and `{digest}`; "": as at the source.
    pub target_tag: Option<String>,
    /// Platforms to copy, such as `arm64` or `linux/arm/v7`; empty: all.
    pub architectures: Option<Vec<String>>,
    /// What becomes of an index of which some platforms are copied: `sparse`, `rewrite` (the default)
    /// or `rewrite-single`; `keep` copies whole indexes; "": the default.
    pub index: Option<String>,
    /// What to do if an item selects nothing: `warn` (the default), `fail` or `ignore`.
    pub on_empty: Option<String>,
    /// Signatures, SBOMs and attestations to copy with their images: `all`, `signature`,
    /// `attestation`, `sbom`, or artifact types; empty (the default): none.
    pub referrers: Option<ReferrerWords>,
    /// Tags to delete at the target, of those that the project wrote: `none` (the default), `gone`
    /// (they have left the source) or `selected` (also those that it doesn't write any more).
    pub prune: Option<String>,
    /// The most that a run deletes of a target repository's tags, in percent: 1 to 100 [default: 20].
    #[schemars(range(min = 1, max = 100))]
    pub prune_limit: Option<i64>,
    /// Target tags that match this regular expression are never deleted; "": none.
    pub prune_protect_regex: Option<String>,
    /// How many of the tags to delete in a target repository stay, the newest; 0: none.
    #[schemars(range(min = 0))]
    pub prune_retain: Option<i64>,
    /// A template of tags with `{tag}`, `{date}` and `{digest}`, under which an image is kept when its tag
    /// is overwritten; "": it isn't kept.
    pub backup_tag: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Whether it can run.
    pub enabled: Option<bool>,
    /// Maximum number of tags to work on at once, 1 to 256.
    #[schemars(range(min = 1, max = 256))]
    pub max_parallel: Option<i64>,
}

/// Changes to a project. Omitted members stay unchanged.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectDetails {
    /// Label of the image store to copy from.
    pub src_store_label: Option<String>,
    /// Label of the image store to copy to.
    pub dest_store_label: Option<String>,
    /// `path`, `flat`, `scoped`, or a template with `{registry}`, `{repository}` and `{name}`.
    pub placement: Option<String>,
    /// A template of target tags with `{tag}`, `{date}` and `{digest}`; "": as at the source.
    pub target_tag: Option<String>,
    /// Platforms to copy, such as `arm64` or `linux/arm/v7`; empty: all.
    pub architectures: Option<Vec<String>>,
    /// What becomes of an index of which some platforms are copied: `sparse`, `rewrite` (the default)
    /// or `rewrite-single`; `keep` copies whole indexes; "": the default.
    pub index: Option<String>,
    /// What to do if an item selects nothing: `warn` (the default), `fail` or `ignore`.
    pub on_empty: Option<String>,
    /// Signatures, SBOMs and attestations to copy with their images: `all`, `signature`,
    /// `attestation`, `sbom`, or artifact types; empty: none.
    pub referrers: Option<ReferrerWords>,
    /// Tags to delete at the target, of those that the project wrote: `none` (the default), `gone`
    /// (they have left the source) or `selected` (also those that it doesn't write any more).
    pub prune: Option<String>,
    /// The most that a run deletes of a target repository's tags, in percent: 1 to 100 [default: 20].
    #[schemars(range(min = 1, max = 100))]
    pub prune_limit: Option<i64>,
    /// Target tags that match this regular expression are never deleted; "": none.
    pub prune_protect_regex: Option<String>,
    /// How many of the tags to delete in a target repository stay, the newest; 0: none.
    #[schemars(range(min = 0))]
    pub prune_retain: Option<i64>,
    /// A template of tags with `{tag}`, `{date}` and `{digest}`, under which an image is kept when its tag
    /// is overwritten; "": it isn't kept.
    pub backup_tag: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Whether it can run.
    pub enabled: Option<bool>,
    /// Maximum number of tags to work on at once, 1 to 256.
    #[schemars(range(min = 1, max = 256))]
    pub max_parallel: Option<i64>,
    /// The version that the change is based on; refused if the project has changed since.
    pub version: Option<i64>,
}

impl From<ProjectOptions> for ProjectDetails {
    fn from(options: ProjectOptions) -> ProjectDetails {
        ProjectDetails {
            placement: options.placement,
            target_tag: options.target_tag,
            architectures: options.architectures,
            index: options.index,
            on_empty: options.on_empty,
            referrers: options.referrers,
            prune: options.prune,
            prune_limit: options.prune_limit,
            prune_protect_regex: options.prune_protect_regex,
            prune_retain: options.prune_retain,
            backup_tag: options.backup_tag,
            description: options.description,
            enabled: options.enabled,
            max_parallel: options.max_parallel,
            ..ProjectDetails::default()
        }
    }
}

/// A project's options, checked and as stored. Members missing from an older version have their
/// defaults, and those of a newer version are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProjectSettings {
    /// How target repositories are named.
    pub placement: Placement,
    /// How target tags are named; `None`: as at the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_tag: Option<TagTemplate>,
    /// Platforms to copy; empty: all.
    pub architectures: Vec<String>,
    /// What becomes of an index of which some platforms are copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<IndexMode>,
    /// What to do if an item selects nothing and has no setting of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_empty: Option<OnEmpty>,
    /// The signatures, SBOMs and attestations to copy, in the form of `ReferrerChoice::words`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub referrers: Vec<String>,
    /// Which tags are deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prune: Option<PruneKind>,
    /// The most that are deleted, in percent, if not the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prune_limit: Option<u8>,
    /// Tags that are never deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prune_protect_regex: Option<String>,
    /// How many of those to delete stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prune_retain: Option<u32>,
    /// How images are named that are kept when their tag is overwritten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_tag: Option<BackupTag>,
    /// Free text.
    pub description: String,
    /// Maximum number of tags to work on at once.
    pub max_parallel: usize,
    /// Members of a newer version.
    #[serde(flatten)]
    pub(in crate::service) newer: Newer,
}

/// Unknown members of stored options, from a newer version: they are written back unchanged.
pub(in crate::service) type Newer = serde_json::Map<String, serde_json::Value>;

impl Default for ProjectSettings {
    fn default() -> ProjectSettings {
        ProjectSettings {
            placement: Placement::Path,
            target_tag: None,
            architectures: Vec::new(),
            index: None,
            on_empty: None,
            referrers: Vec::new(),
            prune: None,
            prune_limit: None,
            prune_protect_regex: None,
            prune_retain: None,
            backup_tag: None,
            description: String::new(),
            max_parallel: MAX_PARALLEL,
            newer: Newer::new(),
        }
    }
}

impl ProjectSettings {
    /// Reads the stored form.
    pub fn of(project: &store::projects::project::Project) -> Result<ProjectSettings, Error> {
        serde_json::from_str(&project.options).map_err(Error::unexpected)
    }

    /// The stored form.
    pub(super) fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(Error::unexpected)
    }

    /// These settings with the changes of `details`.
    pub(in crate::service) fn changed(
        mut self,
        details: &ProjectDetails,
    ) -> Result<ProjectSettings, Error> {
        if let Some(text) = &details.placement {
            self.placement = parsed("placement", text)?;
        }
        if let Some(text) = &details.target_tag {
            self.target_tag = parsed_or_unset("target_tag", text)?;
        }
        if let Some(architectures) = &details.architectures {
            architectures_check(architectures)?;
            self.architectures.clone_from(architectures);
        }
        if let Some(text) = &details.index {
            self.index = parsed_or_unset("index", text)?;
        }
        if let Some(text) = &details.on_empty {
            self.on_empty = parsed_or_unset("on_empty", text)?;
        }
        if let Some(words) = &details.referrers {
            self.referrers = words.choice()?.words();
        }
        self.pruning_change(details)?;
        if let Some(description) = &details.description {
            if description.chars().count() > DESCRIPTION_LIMIT {
                return Err(Error::invalid(
                    "description",
                    format!("it is longer than {DESCRIPTION_LIMIT} characters"),
                ));
            }
            self.description.clone_from(description);
        }
        if let Some(number) = details.max_parallel {
            self.max_parallel = usize::try_from(number)
                .ok()
                .filter(|_| (1..=MAX_PARALLEL_LIMIT).contains(&number))
                .ok_or_else(|| {
                    Error::invalid(
                        "max_parallel",
                        format!("`{number}`: expected 1 to {MAX_PARALLEL_LIMIT}"),
                    )
                })?;
        }
        Ok(self)
    }
}

/// Parses an option that "" unsets.
pub(super) fn parsed_or_unset<T: FromStr<Err = NameError>>(
    field: &str,
    text: &str,
) -> Result<Option<T>, Error> {
    let value = (!text.is_empty()).then(|| parsed(field, text));
    value.transpose()
}

/// Parses an option, or returns a fault that names it.
fn parsed<T: FromStr<Err = NameError>>(field: &str, text: &str) -> Result<T, Error> {
    let invalid = |error: NameError| Error::invalid(field, error.to_string());
    text.parse().map_err(invalid)
}

/// Refuses what isn't a valid platform.
pub(super) fn architectures_check(architectures: &[String]) -> Result<(), Error> {
    for architecture in architectures {
        PlatformChoice::parse(architecture)
            .map_err(|error| Error::invalid("architectures", error.to_string()))?;
    }
    Ok(())
}
