//! Selectors as they are written down, and the parsers of their members.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::newest::NewestBy;
use super::pattern::Pattern;
use super::semver::Range;
use super::tag_name;
use crate::oci::{Reference, Tag};
use crate::text::{NAME, readable};

/// Selectors as they are stored and used in the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SelectorSpec {
    /// Literal tags, and digests such as `sha256:…`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Selects tags that match this regular expression.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub tags_regex: Option<String>,
    /// Excludes tags that match this regular expression, whatever else selects them.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub tags_exclude_regex: Option<String>,
    /// Selects tags that are versions in this range, such as `>=1.2 <2 || ^3`.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub semver: Option<String>,
    /// Selects only this number of the newest tags, besides the literal ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<u32>,
    /// What makes a tag newer: its `version` (the default) or when its image was `created`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_by: Option<NewestBy>,
    /// Selects only tags whose images were created within this number of days, besides the literal
    /// ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer_than_days: Option<u32>,
}

#[expect(clippy::ref_option, reason = "serde hands the field by reference")]
fn is_unset(text: &Option<String>) -> bool {
    given(text.as_ref()).is_none()
}

/// An empty text counts as none.
pub(super) fn given(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

impl SelectorSpec {
    /// Bytes of its patterns and ranges.
    pub fn pattern_bytes(&self) -> usize {
        let texts = [&self.tags_regex, &self.tags_exclude_regex, &self.semver];
        texts.into_iter().flatten().map(String::len).sum()
    }

    /// Whether it selects nothing but literal tags and digests.
    pub fn is_literal_only(&self) -> bool {
        let has_pattern = [&self.tags_regex, &self.semver]
            .into_iter()
            .any(|text| !is_unset(text));
        !self.tags.is_empty() && !has_pattern
    }

    /// The valid literal tags that aren't excluded. Of the patterns only the excluding one is
    /// compiled, and only if there is something to exclude.
    pub fn literal_tags(&self) -> Result<Vec<String>, SelectError> {
        let mut tags = self.tags.clone();
        tags.retain(|name| Tag::parse(name).is_ok());
        if !tags.is_empty()
            && let Some(text) = given(self.tags_exclude_regex.as_ref())
            && let Some(exclude) = pattern("tags_exclude_regex", Some(text))?
        {
            tags.retain(|name| !exclude.is_match(name));
        }
        Ok(tags)
    }
}

/// An invalid selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: `{}`: {message}", readable(.value, NAME))]
pub struct SelectError {
    /// The invalid field of [`SelectorSpec`].
    pub field: &'static str,
    /// The given value; for `tags`, the single entry.
    pub value: String,
    /// The error and what to do, in one line.
    pub message: String,
}

/// Parses one entry of `tags`.
pub(super) fn literal(entry: &str) -> Result<Reference, SelectError> {
    tag_name::literal(entry).map_err(|message| SelectError {
        field: "tags",
        value: entry.to_owned(),
        message,
    })
}

pub(super) fn pattern(
    field: &'static str,
    text: Option<&str>,
) -> Result<Option<Pattern>, SelectError> {
    text.map(|text| {
        Pattern::new(text).map_err(|error| SelectError {
            field,
            value: text.to_owned(),
            message: error.to_string(),
        })
    })
    .transpose()
}

pub(super) fn range(text: &str) -> Result<Range, SelectError> {
    let refused = |message: String| SelectError {
        field: "semver",
        value: text.to_owned(),
        message,
    };
    let range = Range::parse(text).map_err(|error| refused(error.to_string()))?;
    if range.matches_nothing_ever() {
        return Err(refused(
            "no version can match this range; put `||` between alternatives".to_owned(),
        ));
    }
    Ok(range)
}
