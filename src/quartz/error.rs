//! Why a line is refused, and what was probably meant.

use chrono::DateTime;
use chrono_tz::Tz;

use super::Expression;

const FIELDS: &str = "second minute hour day-of-month month day-of-week [year]";

/// Why a line is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// No field at all.
    #[error("the expression is empty, expected {FIELDS}")]
    Empty,
    /// Longer than what is stored of it.
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
    /// Neither six nor seven fields.
    #[error("it has {count} field{}, expected 6 or 7: {FIELDS}{}", if *.count == 1 { "" } else { "s" }, hint(*.count, .corrected.as_deref()))]
    Fields {
        /// The number of fields.
        count: usize,
        /// A line that does the same as a classic one of five fields.
        corrected: Option<String>,
    },
    /// A part of a field is invalid.
    #[error("{field}: `{part}`: {reason}")]
    Part {
        /// The field, by its name.
        field: &'static str,
        /// The part, as given.
        part: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Both day fields have values, or neither.
    #[error(
        "exactly one of day-of-month and day-of-week must be `?`, and {}",
        if *.both { "both are" } else { "neither is" }
    )]
    Days {
        /// Whether both are `?`.
        both: bool,
    },
}

fn hint(count: usize, corrected: Option<&str>) -> String {
    match corrected {
        Some(line) => format!("; seconds come first: did you mean `{line}`?"),
        None if count == 5 => "; seconds come first".to_owned(),
        None => String::new(),
    }
}

impl CronError {
    /// With the part as in `text`, whose fields were read in upper case.
    pub(super) fn spelled_as_in(mut self, text: &str) -> Self {
        if let Self::Part { part, .. } = &mut self
            && let Some(start) = text.to_ascii_uppercase().find(&*part)
            && let Some(typed) = text.get(start..start + part.len())
        {
            typed.clone_into(part);
        }
        self
    }
}

/// The error for a line with this number of fields.
pub(super) fn fields_missing(text: &str, fields: &[&str]) -> CronError {
    let corrected = match fields {
        [] => return CronError::Empty,
        &[minute, hour, day, month, week_day] => {
            classic(minute, hour, day, month, week_day).or_else(|| day_field_added(text))
        }
        _ => None,
    };
    CronError::Fields {
        count: fields.len(),
        corrected,
    }
}

/// The equivalent of a classic cron line. If both days are given, the classic line fires when
/// either matches; no Quartz line does that.
fn classic(minute: &str, hour: &str, day: &str, month: &str, week_day: &str) -> Option<String> {
    let (day, week_day) = match (day, week_day) {
        (_, "*" | "?") => (day, "?".to_owned()),
        ("*" | "?", _) => ("?", week_day_shifted(week_day)?),
        _ => return None,
    };
    usable(format!("0 {minute} {hour} {day} {month} {week_day}"))
}

/// A Quartz line without its last field; its `?` distinguishes it from a classic one.
fn day_field_added(text: &str) -> Option<String> {
    let ours = text.contains('?').then(|| format!("{} *", text.trim()));
    usable(ours?)
}

/// The line, if it is valid and ever fires.
fn usable(line: String) -> Option<String> {
    let begin = DateTime::UNIX_EPOCH.with_timezone(&Tz::UTC);
    let fires = Expression::parse(&line).ok()?.next_after(&begin).is_some();
    fires.then_some(line)
}

/// Classic cron counts 0 (or 7) = Sunday, Quartz 1 = Sunday. Names and steps are unchanged.
fn week_day_shifted(list: &str) -> Option<String> {
    let day = |text: &str| -> Option<String> {
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(text.to_owned());
        }
        let number: u32 = text.parse().ok().filter(|number| *number <= 7)?;
        Some((number % 7 + 1).to_string())
    };
    let part = |part: &str| -> Option<String> {
        let (range, step) = part
            .split_once('/')
            .map_or((part, String::new()), |(range, step)| {
                (range, format!("/{step}"))
            });
        // Sunday to Sunday, which would become Sunday alone.
        if range == "0-7" {
            return Some(format!("1-7{step}"));
        }
        let days: Option<Vec<String>> = range.split('-').map(day).collect();
        Some(format!("{}{step}", days?.join("-")))
    };
    let given = list.split(',').filter(|part| !part.is_empty());
    let parts: Option<Vec<String>> = given.map(part).collect();
    Some(parts?.join(","))
}
