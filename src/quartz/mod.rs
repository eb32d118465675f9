//! Quartz cron lines: six fields, seconds first, or seven with the year.
//!
//! - `field`: `*`, lists, ranges and steps of one field, as a set of numbers.
//! - `day`: the two day fields with their `L`, `W` and `#`, of which exactly one is `?`.
//! - `next`: when a line fires next, also across daylight saving changes.
//! - `describe`: a line in words.
//! - [`CronError`] (`error`): why a line is refused.
//!
//! Facts: <https://www.quartz-scheduler.org/documentation/quartz-2.3.0/tutorials/crontrigger.html>. A
//! leaf: it uses nothing else of this program, so that every layer can use it.

mod day;
mod describe;
mod error;
mod field;
mod next;

use std::fmt;
use std::str::FromStr;

use chrono::DateTime;
use chrono_tz::Tz;

pub use error::CronError;

use day::Days;
use field::{HOURS, MINUTES, MONTHS, SECONDS, Set, YEARS, numbers_parse, set_parse};

/// The longest line, in bytes: the size of the database column.
const LENGTH_LIMIT: usize = 120;

/// A parsed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    text: String,
    seconds: Set,
    minutes: Set,
    hours: Set,
    days: Days,
    months: Set,
    /// `None`: every year.
    years: Option<Vec<u32>>,
}

impl Expression {
    /// Parses a line, ignoring case, with fields separated by any white space.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        if text.len() > LENGTH_LIMIT {
            return Err(CronError::TooLong(LENGTH_LIMIT));
        }
        Self::parse_upper(text, &text.to_ascii_uppercase())
            .map_err(|error| error.spelled_as_in(text))
    }

    fn parse_upper(text: &str, upper: &str) -> Result<Self, CronError> {
        let fields: Vec<&str> = upper.split_whitespace().collect();
        let (six, year) = match fields.as_slice() {
            [six @ .., year] if six.len() == 6 => (six, Some(*year)),
            six => (six, None),
        };
        let &[seconds, minutes, hours, month_days, months, week_days] = six else {
            return Err(error::fields_missing(text, &fields));
        };
        Ok(Self {
            seconds: set_parse(&SECONDS, seconds)?,
            minutes: set_parse(&MINUTES, minutes)?,
            hours: set_parse(&HOURS, hours)?,
            days: Days::parse(month_days, week_days)?,
            months: set_parse(&MONTHS, months)?,
            years: match year {
                None | Some("*") => None,
                Some(list) => Some(numbers_parse(&YEARS, list)?),
            },
            text: text.split_whitespace().collect::<Vec<_>>().join(" "),
        })
    }

    /// The first fire time after `after`, to the second; `None` if it never fires again.
    ///
    /// A time that the clock skips in spring fires once, when the clock has moved forward; one that
    /// occurs twice in autumn fires only the first time. A line for every hour of the day follows
    /// the real hours instead: it fires in both hours with the same name, and not for the skipped
    /// one.
    pub fn next_after(&self, after: &DateTime<Tz>) -> Option<DateTime<Tz>> {
        next::next_after(self, after)
    }

    /// A description of the line, such as `at 03:00, on Monday to Friday`.
    pub fn describe(&self) -> String {
        describe::describe(self)
    }
}

impl FromStr for Expression {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        Self::parse(text)
    }
}

/// The line as given, with one space between fields.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
