//! The name under which an image is kept when its tag is overwritten.

use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::template::TagTemplate;
use crate::oci::{Digest, NameError, Tag};

/// A template of tags with `{tag}`; `{digest}` is that of the image to keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BackupTag(TagTemplate);

impl BackupTag {
    /// The name for what a tag was before a day.
    pub fn name(&self, tag: &str, date: NaiveDate, digest: &Digest) -> Result<Tag, NameError> {
        self.0.tag(tag, date, Some(digest))
    }
}

impl FromStr for BackupTag {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let refused = |reason: &str| Err(NameError::new("template of tags", text, reason));
        if text == "{tag}" {
            return refused("that is the tag itself; add something to it, such as `{tag}-{date}`");
        }
        let template: TagTemplate = text.parse()?;
        if !text.contains("{tag}") {
            return refused("without `{tag}` all tags would be kept under one name");
        }
        Ok(Self(template))
    }
}

impl fmt::Display for BackupTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for BackupTag {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<BackupTag> for String {
    fn from(template: BackupTag) -> Self {
        template.to_string()
    }
}
