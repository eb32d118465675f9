//! Templates of names: text with placeholders in braces.

use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::oci::{Digest, NameError, Tag};

/// Text and placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Placeholder(&'static str),
}

impl Template {
    /// Parses a template with these placeholders; `kind` names it in errors.
    pub(super) fn parse(
        kind: &'static str,
        text: &str,
        names: &[&'static str],
    ) -> Result<Self, NameError> {
        let fail = |reason: String| NameError::new(kind, text, reason);
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            pieces.push(Piece::Text(before.to_owned()));
            let Some((name, after)) = after.split_once('}') else {
                return Err(fail("a `{` without its `}`".to_owned()));
            };
            let Some(name) = names.iter().find(|known| **known == name) else {
                let known: Vec<String> = names.iter().map(|name| format!("`{{{name}}}`")).collect();
                return Err(fail(format!("expected {} in braces", known.join(", "))));
            };
            pieces.push(Piece::Placeholder(name));
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self {
            text: text.to_owned(),
            pieces,
        })
    }

    /// Whether it has one of these placeholders.
    pub(super) fn has(&self, names: &[&str]) -> bool {
        let is_one =
            |piece: &Piece| matches!(piece, Piece::Placeholder(name) if names.contains(name));
        self.pieces.iter().any(is_one)
    }

    /// The text with a value for each placeholder.
    pub(super) fn filled<'a>(&'a self, value: impl Fn(&str) -> &'a str) -> String {
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Placeholder(name) => value(name),
        });
        pieces.collect()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A template of tags: `{tag}`, `{date}` (yyyymmdd) and `{digest}` (12 hexadecimal digits).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TagTemplate(Template);

impl TagTemplate {
    /// Whether a tag's name depends on its image.
    pub fn needs_digest(&self) -> bool {
        self.0.has(&["digest"])
    }

    /// Whether two different tags get different names, unless they are the same image.
    pub fn is_distinct(&self) -> bool {
        self.0.has(&["tag", "digest"])
    }

    /// The name for a tag on a day. Without its digest, a template that needs it gives a name that no
    /// other tag has.
    pub fn tag(
        &self,
        tag: &str,
        date: NaiveDate,
        digest: Option<&Digest>,
    ) -> Result<Tag, NameError> {
        let date = date.format("%Y%m%d").to_string();
        let digest = digest.map_or(tag, |digest| digest.short_hex());
        let value = |name: &str| match name {
            "tag" => tag,
            "date" => date.as_str(),
            _ => digest,
        };
        Tag::parse(&self.0.filled(value))
    }
}

impl FromStr for TagTemplate {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let template = Self(Template::parse(
            "template of tags",
            text,
            &["tag", "date", "digest"],
        )?);
        let sample = Digest::of(b"");
        let sampled = template.tag("1", NaiveDate::default(), Some(&sample));
        sampled.map_err(|error| NameError::new("template of tags", text, error.reason))?;
        Ok(template)
    }
}

impl fmt::Display for TagTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for TagTemplate {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<TagTemplate> for String {
    fn from(template: TagTemplate) -> Self {
        template.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_filled_in() {
        let digest = Digest::of(b"x");
        let date = NaiveDate::from_ymd_opt(2026, 3, 9).unwrap();
        for (template, expected) in [
            ("{tag}", "1.0".to_owned()),
            ("mirror-{tag}.{date}", "mirror-1.0.20260309".to_owned()),
            ("{tag}-{digest}", format!("1.0-{}", digest.short_hex())),
            ("prod", "prod".to_owned()),
        ] {
            let template: TagTemplate = template.parse().unwrap();
            let tag = template.tag("1.0", date, Some(&digest)).unwrap();
            assert_eq!(tag.as_str(), expected);
        }
        assert_eq!(digest.short_hex().len(), 12);
    }

    #[test]
    fn unusable_templates_are_refused_with_the_reason() {
        for (template, reason) in [
            ("{tag", "a `{` without its `}`"),
            ("{name}", "expected `{tag}`, `{date}`, `{digest}` in braces"),
            ("{tag}/x", "expected 1 to 128 letters"),
            ("-{tag}", "expected 1 to 128 letters"),
            ("{tag}}", "expected 1 to 128 letters"),
            ("", "expected 1 to 128 letters"),
        ] {
            let error = template.parse::<TagTemplate>().unwrap_err().to_string();
            assert!(error.contains(reason), "{template}: {error}");
        }
        let long: TagTemplate = "x{tag}".parse().unwrap();
        let tag = "t".repeat(128);
        assert!(long.tag(&tag, NaiveDate::default(), None).is_err());
    }
}
