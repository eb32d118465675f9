//! Names inside a registry: repository, tag, and the reference that joins them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::name_error::NameError;

/// A repository's path in a registry, without host and tag: `library/nginx`.
///
/// Source: OCI distribution specification, "Pulling manifests": the `<name>` expression; at most
/// 255 characters, as registries enforce together with the host.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Repository(Arc<str>);

impl Repository {
    /// Parses a repository path.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let fail = |reason: &str| Err(NameError::new("repository", text, reason));
        if text.is_empty() {
            return fail("it is empty; give a path such as `library/nginx`");
        }
        if text.len() > 255 {
            return fail("it is longer than 255 characters");
        }
        if text.contains("://") {
            return fail("give the path alone, without scheme and host");
        }
        if text.contains(':') || text.contains('@') {
            return fail("give the path alone, without tag or digest");
        }
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return fail("upper-case letters are not allowed");
        }
        if text.split('/').all(is_path_component) {
            Ok(Self(text.into()))
        } else {
            fail(
                "each part between slashes is lower-case letters and digits, joined by `.`, `_`, `__` or `-`",
            )
        }
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part of the path.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_path_component(part: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    let ends_well = bytes.first().copied().is_some_and(alphanumeric)
        && bytes.last().copied().is_some_and(alphanumeric);
    ends_well
        && bytes.split(|b| alphanumeric(*b)).all(|joint| {
            matches!(joint, b"" | b"." | b"_" | b"__") || joint.iter().all(|b| *b == b'-')
        })
}

/// A tag: `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(Arc<str>);

impl Tag {
    /// Reads a tag.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let mut bytes = text.bytes();
        if bytes.next().is_some_and(word)
            && bytes.all(|b| word(b) || b == b'.' || b == b'-')
            && text.len() <= 128
        {
            Ok(Self(text.into()))
        } else {
            Err(NameError::new(
                "tag",
                text,
                "expected 1 to 128 letters, digits, `_`, `.` or `-`, not starting with `.` or `-`",
            ))
        }
    }

    /// A tag that is put together from valid parts.
    pub(super) fn built(text: &str) -> Self {
        debug_assert!(Self::parse(text).is_ok(), "{text}");
        Self(text.into())
    }

    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A tag or a digest: identifies one manifest in a repository.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reference {
    /// By tag, which may move.
    Tag(Tag),
    /// By digest, which can't.
    Digest(Digest),
}

impl Reference {
    /// Parses a tag, or a digest if it has a colon.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.contains(':') {
            Digest::parse(text).map(Self::Digest)
        } else {
            Tag::parse(text).map(Self::Tag)
        }
    }

    /// The text used in a manifest's URL.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Tag(tag) => tag.as_str(),
            Self::Digest(digest) => digest.as_str(),
        }
    }

    /// `repository:tag` or `repository@digest`.
    pub fn on(&self, repository: &Repository) -> String {
        let separator = match self {
            Self::Tag(_) => ':',
            Self::Digest(_) => '@',
        };
        format!("{repository}{separator}{self}")
    }
}

impl From<Digest> for Reference {
    fn from(digest: Digest) -> Self {
        Self::Digest(digest)
    }
}

impl From<Tag> for Reference {
    fn from(tag: Tag) -> Self {
        Self::Tag(tag)
    }
}

macro_rules! text_newtype {
    ($($name:ident),+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )+};
}
text_newtype!(Repository, Tag, Reference);

macro_rules! serde_text {
    ($($name:ident),+) => {$(
        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.as_str().to_owned()
            }
        }
    )+};
}
serde_text!(Repository, Tag);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories() {
        for good in ["a", "library/nginx", "a.b/c_d/e__f/g---h", "0/1"] {
            assert_eq!(Repository::parse(good).unwrap().as_str(), good);
        }
        let long = "a".repeat(256);
        for bad in [
            "", "/", "a/", "/a", "a//b", "A", "a.", "-a", "a..b", "a___b", "a._b", "a:1", "a@b",
            "a b", "http://x", "ä", &long,
        ] {
            assert!(Repository::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Repository::parse("a/b").unwrap().name(), "b");
    }

    #[test]
    fn tags() {
        let longest = "x".repeat(128);
        for good in ["1", "_a", "v1.2.3-rc_1", &longest] {
            assert!(Tag::parse(good).is_ok(), "{good}");
        }
        let long = "x".repeat(129);
        for bad in ["", ".a", "-a", "a b", ">1.0", "a/b", "a:b", "ä", &long] {
            assert!(Tag::parse(bad).is_err(), "{bad}");
        }
    }
}
