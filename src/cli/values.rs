//! Values of arguments, refused without repeating the value, which clap shows itself.

use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

use clap::ValueEnum;
use clap::builder::{StringValueParser, TypedValueParser};

use super::error::CliError;
use super::output::{csv_talk, csv_text, json_talk, json_text};
use super::result_file::{Printer, STDOUT};
use crate::oci::{NameError, PlatformChoice};
use crate::sync::IndexMode;
use crate::sync::selection::newest::{DAYS_LIMIT, NEWEST_LIMIT};

/// The forms of a run's evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EvidenceFormat {
    /// The whole document
    Json,
    /// A line for each tag
    Csv,
}

impl EvidenceFormat {
    /// The form that `given` says, otherwise the end of the file's name; JSON on standard output.
    /// `flags` name the file and the form.
    pub(super) fn of(given: Option<Self>, path: &Path, flags: [&str; 2]) -> Result<Self, CliError> {
        let ending = path.extension().and_then(|ending| ending.to_str());
        match (given, ending.unwrap_or_default()) {
            (Some(format), _) => Ok(format),
            (None, "json") => Ok(Self::Json),
            (None, "csv") => Ok(Self::Csv),
            (None, _) if path == Path::new(STDOUT) => Ok(Self::Json),
            (None, _) => Err(CliError::Input(format!(
                "`{}`: `{}`: expected a name that ends with `.json` or `.csv`; give such a name, or \
                 the form with `{}`",
                flags[0],
                path.display(),
                flags[1]
            ))),
        }
    }

    /// How its lines are printed.
    pub(super) fn printer(self) -> Printer {
        match self {
            Self::Json => json_text,
            Self::Csv => csv_text,
        }
    }

    /// The same on standard error.
    pub(super) fn talker(self) -> Printer {
        match self {
            Self::Json => json_talk,
            Self::Csv => csv_talk,
        }
    }
}

pub(super) fn fire_count(text: &str) -> Result<usize, String> {
    number(text, 1000)
}

pub(super) fn name_count(text: &str) -> Result<usize, String> {
    number(text, 10_000_000)
}

pub(super) fn newest_count(text: &str) -> Result<u32, String> {
    number(text, NEWEST_LIMIT)
}

pub(super) fn day_count(text: &str) -> Result<u32, String> {
    number(text, DAYS_LIMIT)
}

fn number<N>(text: &str, max: N) -> Result<N, String>
where
    N: Copy + FromStr + PartialOrd + From<u8> + Display,
{
    text.parse()
        .ok()
        .filter(|number| (N::from(1)..=max).contains(number))
        .ok_or_else(|| format!("expected a number from 1 to {max}"))
}

/// One word of a list.
pub(super) fn trimmed() -> impl TypedValueParser<Value = String> {
    StringValueParser::new().map(|text| text.trim().to_owned())
}

pub(super) fn platform(text: &str) -> Result<PlatformChoice, String> {
    reason(PlatformChoice::parse(text))
}

pub(super) fn word<T: FromStr<Err = NameError>>(text: &str) -> Result<T, String> {
    reason(text.parse())
}

/// A setting in words; '' unsets it.
pub(super) fn setting<T: FromStr<Err = NameError>>(text: &str) -> Result<String, String> {
    if !text.is_empty() {
        word::<T>(text)?;
    }
    Ok(text.to_owned())
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
