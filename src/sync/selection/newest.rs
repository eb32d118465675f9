//! Which of the selected tags are recent enough: the newest ones, or those that aren't too old.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::natural::natural_cmp;
use super::semver::Version;
use super::verdict::Verdict;
use crate::oci::NameError;
use crate::oci::types::referrer_tag::ReferrerTag;

/// The highest `newest`: more tags than any repository has.
pub const NEWEST_LIMIT: u32 = 1_000_000;
/// The highest `newer_than_days`: a century.
pub const DAYS_LIMIT: u32 = 36_500;
/// How far a clock that dates images may be ahead.
const CLOCK_AHEAD: TimeDelta = TimeDelta::days(1);

/// What makes one tag newer than another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NewestBy {
    /// A higher version; tags that aren't versions are left out.
    #[default]
    Version,
    /// A later creation time of the image.
    Created,
}

impl FromStr for NewestBy {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "version" => Ok(Self::Version),
            "created" => Ok(Self::Created),
            _ => Err(NameError::new(
                "value",
                text,
                "expected `version` or `created`",
            )),
        }
    }
}

impl fmt::Display for NewestBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "version",
            Self::Created => "created",
        })
    }
}

/// When an image was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Creation {
    /// Then.
    At(DateTime<Utc>),
    /// It doesn't say.
    Unknown,
    /// It couldn't be read, and why.
    Unread(String),
}

/// Limits on the age of tags; both may apply.
#[derive(Clone, Debug, Default)]
pub(super) struct AgeLimits {
    /// How many of the newest, and what makes them newer.
    pub(super) newest: Option<(usize, NewestBy)>,
    /// Maximum age in days.
    pub(super) newer_than_days: Option<u32>,
}

impl AgeLimits {
    pub(super) fn is_none(&self) -> bool {
        self.newest.is_none() && self.newer_than_days.is_none()
    }

    /// Whether creation times must be known.
    pub(super) fn need_creation(&self) -> bool {
        self.newer_than_days.is_some() || matches!(self.newest, Some((_, NewestBy::Created)))
    }

    /// Deselects those of the selected `tags` that aren't recent enough. Returns the ones whose
    /// creation time can't be read, and why.
    pub(super) fn apply(
        &self,
        mut tags: Vec<(&str, &mut Verdict)>,
        created: &HashMap<String, Creation>,
        now: DateTime<Utc>,
    ) -> Vec<(String, String)> {
        let mut unread = Vec::new();
        // It is as old as it may be: its image decides.
        tags.retain_mut(|(tag, verdict)| match ReferrerTag::parse(tag) {
            None => true,
            Some(_) => verdict.deselect("belongs to another image, so it has no age".to_owned()),
        });
        if self.need_creation() {
            let latest = now.checked_add_signed(CLOCK_AHEAD);
            tags.retain_mut(|(tag, verdict)| match created.get(*tag) {
                // It would be the newest for ever.
                Some(Creation::At(time)) if latest.is_some_and(|latest| *time > latest) => {
                    let day = time.format("%Y-%m-%d");
                    verdict.deselect(format!("created on {day}, which lies in the future"))
                }
                Some(Creation::At(_)) => true,
                Some(Creation::Unread(why)) => {
                    unread.push(((*tag).to_owned(), why.clone()));
                    verdict.deselect(format!("its creation time can't be read: {why}"))
                }
                _ => verdict.deselect("its image has no valid creation time".to_owned()),
            });
        }
        let time = |tag: &str| match created.get(tag) {
            Some(Creation::At(time)) => *time,
            _ => DateTime::UNIX_EPOCH,
        };
        if let Some(days) = self.newer_than_days {
            let oldest = now.checked_sub_signed(TimeDelta::days(days.into()));
            tags.retain_mut(|(tag, verdict)| {
                let time = time(tag);
                if oldest.is_none_or(|oldest| time > oldest) {
                    return true;
                }
                let day = time.format("%Y-%m-%d");
                verdict.deselect(format!("created on {day}, too old for `newer_than_days`"))
            });
        }
        match self.newest {
            Some((count, NewestBy::Version)) => {
                let mut versions = Vec::new();
                for (tag, verdict) in tags {
                    match Version::from_tag(tag) {
                        Some(version) => versions.push((version, tag, verdict)),
                        None => {
                            verdict.deselect("not a version, so not among the `newest`".to_owned());
                        }
                    }
                }
                newest_keep(versions, count);
            }
            Some((count, NewestBy::Created)) => {
                let dated = tags
                    .into_iter()
                    .map(|(tag, verdict)| (time(tag), tag, verdict));
                newest_keep(dated.collect(), count);
            }
            None => {}
        }
        unread
    }
}

/// Deselects all but the newest. Of tags that are equally new, the last in natural order is taken as
/// the newest, so that the choice is always the same.
fn newest_keep<Age: Ord>(mut tags: Vec<(Age, &str, &mut Verdict)>, count: usize) {
    tags.sort_by(|(one, tag, _), (other, other_tag, _)| {
        let newest_first = other.cmp(one);
        newest_first.then_with(|| natural_cmp(other_tag, tag))
    });
    for (rank, (_, _, verdict)) in tags.into_iter().enumerate() {
        match rank.cmp(&count) {
            Ordering::Less => verdict.reason.push_str("; among the `newest`"),
            _ => {
                verdict.deselect("older than the `newest`".to_owned());
            }
        }
    }
}
