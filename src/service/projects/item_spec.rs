//! An item's settings: as callers give them, checked, and as stored.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::forms::count::Count;
use super::repositories::{Repositories, RepositoriesChange, repository_parse};
use super::selector::{SelectorOptions, selector_check, selector_refused};
use super::settings::{Newer, architectures_check, parsed_or_unset};
use crate::oci::Repository;
use crate::service::Error;
use crate::store::projects::item::Item;
use crate::sync::selection::repositories::RepositoriesSpec;
use crate::sync::{OnEmpty, SelectorSpec};

/// Options of a new item.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemOptions {
    /// Literal tags and digests.
    pub tags: Option<Vec<String>>,
    /// Selects tags that match this regular expression.
    pub tags_regex: Option<String>,
    /// Excludes tags that match this regular expression, whatever else selects them.
    pub tags_exclude_regex: Option<String>,
    /// Selects tags that are versions in this range.
    pub semver: Option<String>,
    /// Selects only this number of the newest tags, besides the literal ones.
    pub newest: Option<Count>,
    /// What makes a tag newer: its `version` (the default) or when its image was `created`.
    pub newest_by: Option<String>,
    /// Selects only tags whose images were created within this number of days, besides the literal
    /// ones.
    pub newer_than_days: Option<Count>,
    /// Platforms to copy, instead of the project's.
    pub architectures: Option<Vec<String>>,
    /// The target path, instead of the one from the placement.
    pub target_repository: Option<String>,
    /// What to do if it selects nothing, instead of the project's setting: `warn`, `fail` or
    /// `ignore`.
    pub on_empty: Option<String>,
    /// Instead of one repository: all of the source whose paths match this regular expression.
    pub repositories_regex: Option<String>,
    /// Without those whose paths match this one.
    pub repositories_exclude_regex: Option<String>,
}

impl ItemOptions {
    /// Adds the selectors that are separate parameters; each may be given only once.
    pub fn with_parameters(
        mut self,
        tags: Option<Vec<String>>,
        tags_regex: Option<String>,
    ) -> Result<ItemOptions, Error> {
        let twice = |field: &str| {
            Error::invalid(
                field,
                "it is given both as a parameter and in `options`: give it only once",
            )
        };
        if tags.is_some() && self.tags.is_some() {
            return Err(twice("tags"));
        }
        if tags_regex.is_some() && self.tags_regex.is_some() {
            return Err(twice("tags_regex"));
        }
        self.tags = tags.or(self.tags);
        self.tags_regex = tags_regex.or(self.tags_regex);
        Ok(self)
    }
}

/// Changes to an item. Omitted members stay unchanged; "" and [] unset a member.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemDetails {
    /// The source repository, instead of a pattern.
    pub repository: Option<String>,
    /// Literal tags and digests.
    pub tags: Option<Vec<String>>,
    /// Selects tags that match this regular expression.
    pub tags_regex: Option<String>,
    /// Excludes tags that match this regular expression, whatever else selects them.
    pub tags_exclude_regex: Option<String>,
    /// Selects tags that are versions in this range.
    pub semver: Option<String>,
    /// Selects only this number of the newest tags, besides the literal ones.
    pub newest: Option<Count>,
    /// What makes a tag newer: its `version` (the default) or when its image was `created`.
    pub newest_by: Option<String>,
    /// Selects only tags whose images were created within this number of days, besides the literal
    /// ones.
    pub newer_than_days: Option<Count>,
    /// Platforms to copy, instead of the project's.
    pub architectures: Option<Vec<String>>,
    /// The target path, instead of the one from the placement.
    pub target_repository: Option<String>,
    /// What to do if it selects nothing, instead of the project's setting: `warn`, `fail` or
    /// `ignore`.
    pub on_empty: Option<String>,
    /// Instead of one repository: all of the source whose paths match this regular expression.
    pub repositories_regex: Option<String>,
    /// Without those whose paths match this one.
    pub repositories_exclude_regex: Option<String>,
}

impl From<ItemOptions> for ItemDetails {
    fn from(options: ItemOptions) -> ItemDetails {
        ItemDetails {
            repository: None,
            repositories_regex: options.repositories_regex,
            repositories_exclude_regex: options.repositories_exclude_regex,
            tags: options.tags,
            tags_regex: options.tags_regex,
            tags_exclude_regex: options.tags_exclude_regex,
            semver: options.semver,
            newest: options.newest,
            newest_by: options.newest_by,
            newer_than_days: options.newer_than_days,
            architectures: options.architectures,
            target_repository: options.target_repository,
            on_empty: options.on_empty,
        }
    }
}

/// What an item's row stores besides the repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct StoredItem {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repositories_regex: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repositories_exclude_regex: Option<String>,
    #[serde(flatten)]
    selector: SelectorSpec,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    architectures: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target_repository: Option<Repository>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_empty: Option<OnEmpty>,
    /// Members of a newer version.
    #[serde(flatten)]
    newer: Newer,
}

/// An item's settings, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemSpec {
    /// Which repositories.
    pub repositories: Repositories,
    /// Which tags.
    pub selector: SelectorSpec,
    /// Platforms to copy; empty: the project's.
    pub architectures: Vec<String>,
    /// The target path, instead of the one from the placement.
    pub target_repository: Option<Repository>,
    /// What to do if it selects nothing; `None`: the project's setting.
    pub on_empty: Option<OnEmpty>,
    /// Unknown members from a newer version, which are kept.
    newer: Newer,
}

impl ItemSpec {
    /// Reads the stored form.
    pub fn of(item: &Item) -> Result<ItemSpec, Error> {
        let stored: StoredItem = serde_json::from_str(&item.options).map_err(Error::unexpected)?;
        let exclude = stored.repositories_exclude_regex;
        let pattern = stored.repositories_regex.map(|regex| RepositoriesSpec {
            repositories_regex: regex,
            repositories_exclude_regex: exclude,
        });
        Ok(ItemSpec {
            repositories: Repositories::stored(&item.repository, pattern)?,
            selector: stored.selector,
            architectures: stored.architectures,
            target_repository: stored.target_repository,
            on_empty: stored.on_empty,
            newer: stored.newer,
        })
    }

    /// The stored form, which has no credential.
    pub(in crate::service) fn stored(&self) -> impl Serialize {
        let pattern = self.repositories.pattern().cloned();
        let (repositories_regex, repositories_exclude_regex) = match pattern {
            Some(spec) => (
                Some(spec.repositories_regex),
                spec.repositories_exclude_regex,
            ),
            None => (None, None),
        };
        StoredItem {
            repositories_regex,
            repositories_exclude_regex,
            selector: self.selector.clone(),
            architectures: self.architectures.clone(),
            target_repository: self.target_repository.clone(),
            on_empty: self.on_empty,
            newer: self.newer.clone(),
        }
    }

    pub(super) fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string(&self.stored()).map_err(Error::unexpected)
    }

    /// A new item.
    pub(super) fn new(details: ItemDetails) -> Result<ItemSpec, Error> {
        ItemSpec::made(None, details)
    }

    /// This item with the changes of `details`.
    pub(super) fn changed(self, details: ItemDetails) -> Result<ItemSpec, Error> {
        ItemSpec::made(Some(self), details)
    }

    fn made(old: Option<ItemSpec>, details: ItemDetails) -> Result<ItemSpec, Error> {
        let change = RepositoriesChange {
            repository: details.repository,
            repositories_regex: details.repositories_regex,
            repositories_exclude_regex: details.repositories_exclude_regex,
        };
        let old_repositories = old.as_ref().map(|old| old.repositories.clone());
        let repositories = Repositories::changed(old_repositories, change)?;
        let mut spec = match old {
            Some(old) => ItemSpec {
                repositories,
                ..old
            },
            None => ItemSpec::all_tags(repositories),
        };
        let set = |text: String| (!text.is_empty()).then_some(text);
        let changes = SelectorOptions {
            tags: details.tags,
            tags_regex: details.tags_regex,
            tags_exclude_regex: details.tags_exclude_regex,
            semver: details.semver,
            newest: details.newest,
            newest_by: details.newest_by,
            newer_than_days: details.newer_than_days,
        };
        spec.selector = changes.applied_to(spec.selector)?;
        if let Some(architectures) = details.architectures {
            architectures_check(&architectures)?;
            spec.architectures = architectures;
        }
        if let Some(text) = details.target_repository {
            spec.target_repository = set(text)
                .map(|text| repository_parse("target_repository", &text))
                .transpose()?;
        }
        if let Some(text) = details.on_empty {
            spec.on_empty = parsed_or_unset("on_empty", &text)?;
        }
        selector_check(&spec.selector)?;
        spec.target_check()?;
        Ok(spec)
    }

    fn all_tags(repositories: Repositories) -> ItemSpec {
        ItemSpec {
            repositories,
            selector: SelectorSpec::default(),
            architectures: Vec::new(),
            target_repository: None,
            on_empty: None,
            newer: Newer::new(),
        }
    }

    /// Refuses one target for many repositories.
    fn target_check(&self) -> Result<(), Error> {
        match (&self.target_repository, &self.repositories) {
            (Some(target), Repositories::Matching(_)) => {
                let message = format!(
                    "all repositories that match would be written to `{target}`: use the \
                     project's `placement`, which knows `{{repository}}` and `{{name}}`"
                );
                Err(Error::invalid("target_repository", message))
            }
            _ => Ok(()),
        }
    }

    /// This item for one of the repositories that match.
    pub(super) fn of_repository(&self, repository: Repository) -> ItemSpec {
        ItemSpec {
            repositories: Repositories::One(repository),
            ..self.clone()
        }
    }

    /// Bytes of its patterns and ranges.
    pub(super) fn pattern_bytes(&self) -> usize {
        let repositories = self.repositories.pattern();
        self.selector.pattern_bytes() + repositories.map_or(0, RepositoriesSpec::pattern_bytes)
    }

    /// The tags that it names and doesn't exclude.
    pub(super) fn selector_literal_tags(&self) -> Result<Vec<String>, Error> {
        let tags = self.selector.literal_tags();
        tags.map_err(|error| selector_refused(&error))
    }
}
