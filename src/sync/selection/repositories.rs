//! Repositories by pattern: all those of a registry's catalogue whose names match.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pattern::{Named, Pattern};
use super::selector_spec::{SelectError, given};

/// A pattern of repositories as it is stored and used in the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RepositoriesSpec {
    /// Repositories whose paths match this regular expression: an unanchored search.
    pub repositories_regex: String,
    /// Without those whose paths match this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repositories_exclude_regex: Option<String>,
}

impl fmt::Display for RepositoriesSpec {
    /// For messages, where a single repository's path would stand. No path has spaces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "repositories matching {}", self.repositories_regex)?;
        match given(self.repositories_exclude_regex.as_ref()) {
            Some(exclude) => write!(f, ", but not {exclude}"),
            None => Ok(()),
        }
    }
}

impl RepositoriesSpec {
    /// Bytes of its patterns.
    pub fn pattern_bytes(&self) -> usize {
        let exclude = self.repositories_exclude_regex.as_ref();
        self.repositories_regex.len() + exclude.map_or(0, String::len)
    }

    /// Compiles both patterns.
    pub fn compile(&self) -> Result<RepositoryPattern, SelectError> {
        let pattern = |field: &'static str, text: &str| {
            Pattern::of(Named::Repositories, text).map_err(|error| SelectError {
                field,
                value: text.to_owned(),
                message: error.to_string(),
            })
        };
        let excluded = given(self.repositories_exclude_regex.as_ref());
        let field = "repositories_exclude_regex";
        let exclude = excluded.map(|text| pattern(field, text)).transpose()?;
        let select = pattern("repositories_regex", &self.repositories_regex)?;
        if let (Some(all), Some(text)) = (&exclude, excluded)
            && (*text == self.repositories_regex || PROBES.iter().all(|name| all.is_match(name)))
        {
            return Err(SelectError {
                field,
                value: text.to_owned(),
                message: "it excludes every repository, so nothing would be selected".to_owned(),
            });
        }
        Ok(RepositoryPattern { select, exclude })
    }
}

/// Repositories of every kind: a pattern that matches all of them is taken to match every one.
const PROBES: [&str; 6] = ["a", "app", "library/nginx", "0", "team/x_y/z-9.1", "b__c"];

/// The compiled form.
#[derive(Clone, Debug)]
pub struct RepositoryPattern {
    select: Pattern,
    exclude: Option<Pattern>,
}

impl RepositoryPattern {
    /// Whether the repository with this path is one of them.
    pub fn is_match(&self, path: &str) -> bool {
        let is_excluded = |exclude: &Pattern| exclude.is_match(path);
        self.select.is_match(path) && !self.exclude.as_ref().is_some_and(is_excluded)
    }
}
