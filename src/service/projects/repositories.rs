//! The repositories of an item: one by its path, or all of the source that match a pattern.

use std::fmt;

use crate::oci::Repository;
use crate::service::Error;
use crate::store::projects::item::BY_PATTERN;
use crate::sync::selection::repositories::RepositoriesSpec;

use super::selector::selector_refused;

/// The repositories of an item, below the store's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repositories {
    /// One, by its path.
    One(Repository),
    /// Those of the source's catalogue that match when a run starts.
    Matching(RepositoriesSpec),
}

/// Changes, as callers give them: `None` leaves as it is, "" unsets.
#[derive(Clone, Debug, Default)]
pub(super) struct RepositoriesChange {
    pub(super) repository: Option<String>,
    pub(super) repositories_regex: Option<String>,
    pub(super) repositories_exclude_regex: Option<String>,
}

impl fmt::Display for Repositories {
    /// For messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(repository) => repository.fmt(f),
            Self::Matching(spec) => spec.fmt(f),
        }
    }
}

impl Repositories {
    /// The path; [`BY_PATTERN`] for a pattern.
    pub fn path(&self) -> &str {
        match self {
            Self::One(repository) => repository.as_str(),
            Self::Matching(_) => BY_PATTERN,
        }
    }

    /// The only repository. Err: it is a pattern, which a run expands first.
    pub(in crate::service) fn one(&self) -> Result<&Repository, Error> {
        match self {
            Self::One(repository) => Ok(repository),
            Self::Matching(spec) => Err(Error::unexpected(format!("{spec}: it wasn't expanded"))),
        }
    }

    /// The pattern.
    pub fn pattern(&self) -> Option<&RepositoriesSpec> {
        match self {
            Self::One(_) => None,
            Self::Matching(spec) => Some(spec),
        }
    }

    /// Reads the stored form.
    pub(super) fn stored(path: &str, pattern: Option<RepositoriesSpec>) -> Result<Self, Error> {
        match pattern {
            Some(spec) if path == BY_PATTERN => Ok(Self::Matching(spec)),
            _ => {
                let repository = Repository::parse(path).map_err(Error::unexpected)?;
                Ok(Self::One(repository))
            }
        }
    }

    /// What `change` makes of `old`, which is `None` for a new item. A path replaces a pattern, and
    /// a pattern a path.
    pub(super) fn changed(old: Option<Self>, change: RepositoriesChange) -> Result<Self, Error> {
        let RepositoriesChange {
            repository,
            repositories_regex,
            repositories_exclude_regex: exclude,
        } = change;
        let path = repository.as_deref().filter(|path| !path.is_empty());
        let regex = repositories_regex
            .as_deref()
            .filter(|text| !text.is_empty());
        let new = match (path, regex, old) {
            (Some(_), Some(_), _) => {
                return Err(Error::invalid(
                    "repositories_regex",
                    "the item has a `repository` as well: give one of the two",
                ));
            }
            (None, Some(regex), old) => Self::Matching(RepositoriesSpec {
                repositories_regex: regex.to_owned(),
                repositories_exclude_regex: old.and_then(Self::into_exclude),
            }),
            (None, None, Some(Self::Matching(spec))) if repositories_regex.is_none() => {
                Self::Matching(spec)
            }
            (None, None, Some(Self::One(old))) if repository.is_none() => Self::One(old),
            (path, ..) => Self::One(repository_parse("repository", path.unwrap_or_default())?),
        };
        new.excluding(exclude)
    }

    fn into_exclude(self) -> Option<String> {
        match self {
            Self::One(_) => None,
            Self::Matching(spec) => spec.repositories_exclude_regex,
        }
    }

    fn excluding(self, exclude: Option<String>) -> Result<Self, Error> {
        match (self, exclude) {
            (Self::Matching(mut spec), exclude) => {
                if let Some(text) = exclude {
                    spec.repositories_exclude_regex = (!text.is_empty()).then_some(text);
                }
                spec.compile().map_err(|error| selector_refused(&error))?;
                Ok(Self::Matching(spec))
            }
            (Self::One(_), Some(text)) if !text.is_empty() => Err(Error::invalid(
                "repositories_exclude_regex",
                "the item has one `repository`, of which nothing can be excluded: give \
                 `repositories_regex`",
            )),
            (one, _) => Ok(one),
        }
    }
}

/// A path, or a fault that names the field.
pub(super) fn repository_parse(field: &str, text: &str) -> Result<Repository, Error> {
    Repository::parse(text).map_err(|error| Error::invalid(field, error.to_string()))
}
