//! The selectors on the command line.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use crate::sync::SelectorSpec;

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
}

impl From<SelectArguments> for SelectorSpec {
    fn from(arguments: SelectArguments) -> Self {
        Self {
            tags: arguments.tags,
            tags_regex: arguments.tag_regex,
            tags_exclude_regex: arguments.tag_exclude_regex,
            semver: arguments.semver,
        }
    }
}
