//! The repositories and the selectors on the command line.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::values::{day_count, newest_count, word};
use crate::sync::SelectorSpec;
use crate::sync::selection::newest::NewestBy;
use crate::sync::selection::repositories::RepositoriesSpec;

/// The source repositories: one, or those of the registry's catalogue that match.
#[derive(Args, Clone, Debug, Default)]
#[group(id = "repositories", multiple = true)]
pub struct RepositoryArguments {
    /// The source repository, without host
    #[arg(long, value_name = "R")]
    pub repository: Option<String>,
    /// All repositories whose paths match this regular expression, by the registry's catalogue
    #[arg(long, value_name = "RE", conflicts_with = "repository", value_parser = NonEmptyStringValueParser::new())]
    pub repository_regex: Option<String>,
    /// Without those whose paths match this one
    #[arg(long, value_name = "RE", requires = "repository_regex", value_parser = NonEmptyStringValueParser::new())]
    pub repository_exclude_regex: Option<String>,
}

impl RepositoryArguments {
    /// The patterns, if given.
    pub fn pattern(&self) -> Option<RepositoriesSpec> {
        let regex = self.repository_regex.clone()?;
        Some(RepositoriesSpec {
            repositories_regex: regex,
            repositories_exclude_regex: self.repository_exclude_regex.clone(),
        })
    }
}

/// The selectors, the same for every command. An empty one, perhaps of an unset variable of a shell,
/// is refused: without it everything would be selected.
#[derive(Args, Clone, Debug, Default)]
#[group(id = "selectors", multiple = true)]
pub struct SelectArguments {
    /// Select this tag or digest; may be repeated
    #[arg(long = "tag", value_name = "T")]
    pub tags: Vec<String>,
    /// Select tags that match this regular expression
    #[arg(long, value_name = "RE", value_parser = NonEmptyStringValueParser::new())]
    pub tag_regex: Option<String>,
    /// Exclude tags that match this regular expression
    #[arg(long, value_name = "RE", value_parser = NonEmptyStringValueParser::new())]
    pub tag_exclude_regex: Option<String>,
    /// Select versions in this range, such as `>=1.26 <2` or `~1.4 || ^2`
    #[arg(long, value_name = "RANGE", value_parser = NonEmptyStringValueParser::new())]
    pub semver: Option<String>,
    /// Of the tags selected by patterns, take only the N newest
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = newest_count)]
    pub newest: Option<u32>,
    /// What makes a tag newer: its version (the default), or when its image was created
    #[arg(long, value_name = "version|created", requires = "newest", value_parser = word::<NewestBy>)]
    pub newest_by: Option<NewestBy>,
    /// Of the tags selected by patterns, take only those whose images were created within D days
    #[arg(long, value_name = "D", allow_negative_numbers = true, value_parser = day_count)]
    pub newer_than_days: Option<u32>,
}

impl From<SelectArguments> for SelectorSpec {
    fn from(arguments: SelectArguments) -> Self {
        Self {
            tags: arguments.tags,
            tags_regex: arguments.tag_regex,
            tags_exclude_regex: arguments.tag_exclude_regex,
            semver: arguments.semver,
            newest: arguments.newest,
            newest_by: arguments.newest_by,
            newer_than_days: arguments.newer_than_days,
        }
    }
}
