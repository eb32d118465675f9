//! Values of arguments, refused without repeating the value, which clap shows itself.

use std::path::Path;
use std::str::FromStr;

use clap::ValueEnum;

use crate::oci::{NameError, PlatformChoice};
use crate::sync::IndexMode;

/// The forms of a run's evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EvidenceFormat {
    /// The whole document
    Json,
    /// A line for each tag
    Csv,
}

impl EvidenceFormat {
    /// By the end of a file's name.
    pub(super) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "json" => Some(Self::Json),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

pub(super) fn fire_count(text: &str) -> Result<usize, String> {
    number(text, 1000)
}

pub(super) fn name_count(text: &str) -> Result<usize, String> {
    number(text, 10_000_000)
}

fn number(text: &str, max: usize) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| (1..=max).contains(number))
        .ok_or_else(|| format!("expected a number from 1 to {max}"))
}

pub(super) fn platform(text: &str) -> Result<PlatformChoice, String> {
    reason(PlatformChoice::parse(text))
}

pub(super) fn word<T: FromStr<Err = NameError>>(text: &str) -> Result<T, String> {
    reason(text.parse())
}

/// How an index is made smaller; one that isn't needs no word.
pub(super) fn reduction(text: &str) -> Result<IndexMode, String> {
    match word(text)? {
        IndexMode::Keep => {
            Err("it copies all platforms; leave out `--architecture` instead".into())
        }
        mode => Ok(mode),
    }
}

fn reason<T>(read: Result<T, NameError>) -> Result<T, String> {
    read.map_err(|error| error.reason)
}
