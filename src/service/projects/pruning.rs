//! Options about what is deleted at the target, and what is kept when it is overwritten.

use std::collections::HashMap;

use super::settings::{ProjectDetails, ProjectSettings, parsed_or_unset};
use crate::oci::Digest;
use crate::service::Error;
use crate::store::projects::written_tag::{WrittenRow, WrittenShared};
use crate::sync::prune::settings::{PRUNE_LIMIT, Prune, WrittenTag};
use crate::sync::selection::pattern::Pattern;
use crate::text::{NAME, readable};

/// More tags than any repository has.
const RETAIN_LIMIT: i64 = 1_000_000;

impl ProjectSettings {
    /// Changes these options.
    pub(super) fn pruning_change(&mut self, details: &ProjectDetails) -> Result<(), Error> {
        match details.prune.as_deref() {
            Some("none") => self.prune = None,
            Some(text) => self.prune = parsed_or_unset("prune", text)?,
            None => {}
        }
        if let Some(number) = details.prune_limit {
            self.prune_limit = Some(limited("prune_limit", number, 1, 100)?);
        }
        if let Some(text) = &details.prune_protect_regex {
            protect_check(text)?;
            self.prune_protect_regex = Some(text.clone()).filter(|text| !text.is_empty());
        }
        if let Some(number) = details.prune_retain {
            let count = limited("prune_retain", number, 0, RETAIN_LIMIT)?;
            self.prune_retain = Some(count).filter(|count| *count > 0);
        }
        if let Some(text) = &details.backup_tag {
            self.backup_tag = parsed_or_unset("backup_tag", text)?;
        }
        Ok(())
    }

    /// The limit, in percent.
    pub fn prune_limit(&self) -> u8 {
        self.prune_limit.unwrap_or(PRUNE_LIMIT)
    }

    /// What a run may delete, without what the project wrote.
    pub(in crate::service) fn pruning(&self, force: bool) -> Result<Option<Prune>, Error> {
        let Some(kind) = self.prune else {
            return Ok(None);
        };
        let protect = self.prune_protect_regex.as_deref().map(protect_check);
        Ok(Some(Prune {
            kind,
            limit: self.prune_limit(),
            protect: protect.transpose()?,
            retain: self
                .prune_retain
                .map_or(0, |count| usize::try_from(count).unwrap_or(usize::MAX)),
            force,
            by_pattern: false,
            written: HashMap::new(),
        }))
    }
}

fn protect_check(text: &str) -> Result<Pattern, Error> {
    let field = "prune_protect_regex";
    Pattern::new(text).map_err(|error| {
        let text = readable(text, NAME);
        Error::invalid(field, format!("`{text}`: {error}"))
    })
}

fn limited<T: TryFrom<i64>>(field: &str, number: i64, least: i64, most: i64) -> Result<T, Error> {
    let refused = || Error::invalid(field, format!("`{number}`: expected {least} to {most}"));
    let valid = (least..=most).contains(&number);
    let number = valid.then(|| T::try_from(number).ok());
    number.flatten().ok_or_else(refused)
}

/// A record as the engine uses it; `None`: it is unusable, so its tag is never deleted.
pub(in crate::service) fn written_of(
    (row, is_shared): WrittenShared,
) -> Option<(String, WrittenTag)> {
    let WrittenRow {
        place,
        tag,
        source_repository,
        source_tag,
        digest,
        written_at,
    } = row;
    let written = WrittenTag {
        tag,
        source: source_repository,
        source_tag,
        digest: Digest::parse(&digest).ok()?,
        written_at,
        is_shared,
    };
    Some((place, written))
}
