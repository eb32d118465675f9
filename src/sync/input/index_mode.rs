//! A choice of platforms, and what becomes of an index of which only some are copied.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::oci::{NameError, PlatformChoice};

/// How an index is written. Without it: unchanged, or rewritten where platforms are chosen (the same
/// index for an item that names its digest).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IndexMode {
    /// Unchanged, with all its platforms.
    Keep,
    /// Unchanged, but only the chosen platforms exist; some registries refuse that.
    Sparse,
    /// Smaller, with the chosen platforms only; its digest is another one.
    Rewrite,
    /// The same, but a single platform is written as an image without an index.
    RewriteSingle,
}

impl IndexMode {
    /// The word that the API and the command line use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Sparse => "sparse",
            Self::Rewrite => "rewrite",
            Self::RewriteSingle => "rewrite-single",
        }
    }
}

impl FromStr for IndexMode {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        [Self::Keep, Self::Sparse, Self::Rewrite, Self::RewriteSingle]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| {
                let expected = "expected `keep`, `sparse`, `rewrite` or `rewrite-single`";
                NameError::new("value", text, expected)
            })
    }
}

impl fmt::Display for IndexMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A platform choice as text: sorted, joined by commas; "" for all.
pub fn platforms_text(choice: &[PlatformChoice]) -> String {
    let mut names: Vec<String> = choice.iter().map(ToString::to_string).collect();
    names.sort();
    names.dedup();
    names.join(",")
}

/// A choice of platforms, and how their index is written, as text by which records of earlier copies
/// are compared; "" for all platforms.
pub fn choice_text(choice: &[PlatformChoice], index: Option<IndexMode>) -> String {
    let platforms = platforms_text(choice);
    match index {
        Some(mode) if !platforms.is_empty() && mode != IndexMode::Rewrite => {
            format!("{platforms} ({mode})")
        }
        _ => platforms,
    }
}
