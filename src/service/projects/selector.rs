//! Selectors as callers give them.

use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::count::Count;
use super::settings::parsed_or_unset;
use crate::service::Error;
use crate::sync::selection::newest::{DAYS_LIMIT, NEWEST_LIMIT};
use crate::sync::selection::selector_spec::SelectError;
use crate::sync::{Selector, SelectorSpec};

/// Selectors, as in `addImage`. Omitted members stay unchanged, "" and [] unset a member.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SelectorOptions {
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
}

impl SelectorOptions {
    /// `spec` with these changes; not yet checked as a whole.
    pub(super) fn applied_to(self, mut spec: SelectorSpec) -> Result<SelectorSpec, Error> {
        let set = |text: String| (!text.is_empty()).then_some(text);
        if let Some(tags) = self.tags {
            spec.tags = tags;
        }
        if let Some(text) = self.tags_regex {
            spec.tags_regex = set(text);
        }
        if let Some(text) = self.tags_exclude_regex {
            spec.tags_exclude_regex = set(text);
        }
        if let Some(text) = self.semver {
            spec.semver = set(text);
        }
        if let Some(count) = self.newest {
            spec.newest = count.checked("newest", NEWEST_LIMIT)?;
            // Without a number it means nothing.
            spec.newest_by = spec.newest_by.filter(|_| spec.newest.is_some());
        }
        if let Some(text) = self.newest_by {
            spec.newest_by = parsed_or_unset("newest_by", &text)?;
        }
        if let Some(days) = self.newer_than_days {
            spec.newer_than_days = days.checked("newer_than_days", DAYS_LIMIT)?;
        }
        Ok(spec)
    }

    /// The selector of a preview.
    pub fn selector(self) -> Result<Selector, Error> {
        selector_check(&self.applied_to(SelectorSpec::default())?)
    }
}

/// The selector, or a fault that names the invalid field.
pub(super) fn selector_check(spec: &SelectorSpec) -> Result<Selector, Error> {
    Selector::compile_new(spec).map_err(|error| selector_refused(&error))
}

pub(super) fn selector_refused(error: &SelectError) -> Error {
    let text = error.to_string();
    let field = format!("`{}`: ", error.field);
    Error::invalid(error.field, text.strip_prefix(&field).unwrap_or(&text))
}
