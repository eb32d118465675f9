//! One field: `*`, numbers, names, lists, ranges (also wrapping around) and steps.

use super::CronError;

/// The definition of one field.
pub(super) struct Field {
    /// Its name in messages.
    pub(super) name: &'static str,
    pub(super) min: u32,
    pub(super) max: u32,
    /// Names of the numbers from `min` on.
    names: &'static [&'static str],
    step_max: u32,
    /// Whether a range may wrap around after `max`.
    wraps: bool,
}

pub(super) const MONTH_NAMES: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const DAY_NAMES: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

pub(super) const SECONDS: Field = numbers("second", 0, 59, 59);
pub(super) const MINUTES: Field = numbers("minute", 0, 59, 59);
pub(super) const HOURS: Field = numbers("hour", 0, 23, 23);
pub(super) const MONTH_DAYS: Field = numbers("day-of-month", 1, 31, 31);
pub(super) const MONTHS: Field = Field {
    names: &MONTH_NAMES,
    ..numbers("month", 1, 12, 12)
};
pub(super) const WEEK_DAYS: Field = Field {
    names: &DAY_NAMES,
    ..numbers("day-of-week", 1, 7, 7)
};
pub(super) const YEARS: Field = Field {
    wraps: false,
    ..numbers("year", 1970, 2099, 129)
};

const fn numbers(name: &'static str, min: u32, max: u32, step_max: u32) -> Field {
    Field {
        name,
        min,
        max,
        names: &[],
        step_max,
        wraps: true,
    }
}

impl Field {
    pub(super) fn error(&self, part: &str, reason: impl Into<String>) -> CronError {
        CronError::Part {
            field: self.name,
            part: part.to_owned(),
            reason: reason.into(),
        }
    }

    fn expected(&self) -> String {
        match (self.names.first(), self.names.last()) {
            (Some(first), Some(last)) if self.max == WEEK_DAYS.max => {
                format!("expected 1 (Sunday) to 7 (Saturday), or {first} to {last}")
            }
            (Some(first), Some(last)) => {
                format!(
                    "expected {} to {}, or {first} to {last}",
                    self.min, self.max
                )
            }
            _ => format!("expected {} to {}", self.min, self.max),
        }
    }

    /// A number or name.
    pub(super) fn value(&self, text: &str) -> Result<u32, CronError> {
        let named = self.names.iter().zip(self.min..);
        let by_name = named.filter(|(name, _)| **name == text).map(|(_, n)| n);
        number(text)
            .or_else(|| by_name.into_iter().next())
            .filter(|value| (self.min..=self.max).contains(value))
            .ok_or_else(|| self.error(text, self.expected()))
    }

    fn step(&self, part: &str, text: &str) -> Result<u32, CronError> {
        number(text)
            .filter(|step| *step <= self.step_max)
            .ok_or_else(|| {
                let reason = format!("the step after `/` must be 1 to {}", self.step_max);
                self.error(part, reason)
            })
    }

    /// One part of a list. Its numbers are in the order of the part.
    fn part(&self, part: &str) -> Result<Vec<u32>, CronError> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(self.step(part, step)?)),
            None => (part, None),
        };
        let (first, last) = match (range, step) {
            ("*", _) | ("", Some(_)) => (self.min, self.max),
            _ => match range.split_once('-') {
                Some((first, last)) => self.range(part, first, last)?,
                // Quartz takes `5/0` for `5`.
                None if matches!(step, None | Some(0)) => return Ok(vec![self.value(range)?]),
                None => (self.value(range)?, self.max),
            },
        };
        let step = step.unwrap_or(1);
        if step == 0 {
            return Err(self.error(part, "the step after `/` must be at least 1"));
        }
        let around = if last < first {
            self.max - self.min + 1
        } else {
            0
        };
        let count = self.max - self.min + 1;
        Ok((first..=last + around)
            .step_by(step as usize)
            .map(|number| (number - self.min) % count + self.min)
            .collect())
    }

    fn range(&self, part: &str, first: &str, last: &str) -> Result<(u32, u32), CronError> {
        if number(first).is_some() != number(last).is_some() {
            return Err(self.error(part, "give both ends as numbers, or both as names"));
        }
        let (first, last) = (self.value(first)?, self.value(last)?);
        if last < first && !self.wraps {
            return Err(self.error(part, "the end comes before the start"));
        }
        Ok((first, last))
    }
}

/// Digits only: no sign, and no more than a year has.
pub(super) fn number(text: &str) -> Option<u32> {
    let digits = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// The parts of a list, without empty ones: Quartz ignores additional commas.
pub(super) fn parts<'a>(field: &Field, list: &'a str) -> Result<Vec<&'a str>, CronError> {
    let parts: Vec<&str> = list.split(',').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return Err(field.error(list, field.expected()));
    }
    Ok(parts)
}

/// All numbers of a field, sorted, each once.
pub(super) fn numbers_parse(field: &Field, list: &str) -> Result<Vec<u32>, CronError> {
    let mut numbers = Vec::new();
    for part in parts(field, list)? {
        match part {
            "?" => return Err(field.error(part, "only a day field may be `?`")),
            _ => numbers.extend(field.part(part)?),
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// The same as a set; for fields whose numbers are below 64.
pub(super) fn set_parse(field: &Field, list: &str) -> Result<Set, CronError> {
    Ok(numbers_parse(field, list)?.into_iter().collect())
}

/// Numbers from 0 to 63.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Set(u64);

impl Set {
    pub(super) fn contains(self, number: u32) -> bool {
        number < 64 && self.0 >> number & 1 == 1
    }

    /// The smallest number that is at least `from`.
    pub(super) fn next(self, from: u32) -> Option<u32> {
        let rest = self.0.checked_shr(from)?;
        (rest != 0).then(|| from + rest.trailing_zeros())
    }

    pub(super) fn iter(self) -> impl Iterator<Item = u32> {
        (0..64).filter(move |number| self.contains(*number))
    }

    pub(super) fn is_all(self, field: &Field) -> bool {
        (field.min..=field.max).all(|number| self.contains(number))
    }
}

impl FromIterator<u32> for Set {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let bits = numbers.into_iter().filter(|number| *number < 64);
        Self(bits.fold(0, |set, number| set | 1 << number))
    }
}
