//! The two day fields.

use chrono::{Datelike as _, NaiveDate};

use super::CronError;
use super::field::{Field, MONTH_DAYS, Set, WEEK_DAYS, number, parts, set_parse};

/// Maximum number of days before the last in `L-…`.
const BEFORE_LAST_MAX: u32 = 30;

/// Which days of a month. Several rules of one field are a union.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Days {
    /// By day-of-month; day-of-week is `?`.
    OfMonth(Vec<MonthDay>),
    /// By day-of-week; day-of-month is `?`.
    OfWeek(Vec<WeekDay>),
}

/// A rule of day-of-month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MonthDay {
    /// These days, if the month has them.
    Numbers(Set),
    /// `L`, `L-n`: this many days before the last.
    BeforeLast(u32),
    /// `nW`: the weekday (Monday to Friday) nearest to this day, in the same month.
    Weekday(u32),
    /// `LW`, `L-nW`: the same for this many days before the last.
    WeekdayBeforeLast(u32),
}

/// A rule of day-of-week. 1 is Sunday.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WeekDay {
    /// These days of each week.
    Numbers(Set),
    /// `d#n`: the n-th such day of the month.
    Nth(u32, u32),
    /// `dL`: the last such day of the month.
    Last(u32),
}

impl Days {
    pub(super) fn parse(month_days: &str, week_days: &str) -> Result<Self, CronError> {
        let [month_days, week_days] = [month_days, week_days].map(|list| list.trim_matches(','));
        match (month_days, week_days) {
            ("?", "?") => Err(CronError::Days { both: true }),
            (list, "?") => Ok(Self::OfMonth(rules(&MONTH_DAYS, list, month_day)?)),
            ("?", list) => Ok(Self::OfWeek(rules(&WEEK_DAYS, list, week_day)?)),
            _ => Err(CronError::Days { both: false }),
        }
    }

    /// The days of a month, except those of `W`; none for a month outside the calendar.
    pub(super) fn of(&self, year: i32, month: u32) -> Set {
        let Some(month) = Month::new(year, month) else {
            return Set::default();
        };
        let is = |day: u32| match self {
            Self::OfMonth(rules) => rules.iter().any(|rule| month.is(rule, day)),
            Self::OfWeek(rules) => rules.iter().any(|rule| month.falls(rule, day)),
        };
        (1..=month.days).filter(|day| is(*day)).collect()
    }

    /// The days that result from `W` rules, from `day` on.
    pub(super) fn weekdays_near(&self, year: i32, month: u32, day: u32) -> Set {
        let (Some(month), Self::OfMonth(rules)) = (Month::new(year, month), self) else {
            return Set::default();
        };
        let named = rules.iter().filter_map(|rule| month.named(rule));
        named
            .filter(|named| *named >= day)
            .map(|named| month.weekday_near(named))
            .collect()
    }

    /// Whether there is a `W`.
    pub(super) fn has_weekdays_near(&self) -> bool {
        let near =
            |rule: &MonthDay| matches!(rule, MonthDay::Weekday(_) | MonthDay::WeekdayBeforeLast(_));
        matches!(self, Self::OfMonth(rules) if rules.iter().any(near))
    }
}

fn rules<T>(
    field: &Field,
    list: &str,
    rule: fn(&str) -> Result<T, CronError>,
) -> Result<Vec<T>, CronError> {
    parts(field, list)?.into_iter().map(rule).collect()
}

fn month_day(part: &str) -> Result<MonthDay, CronError> {
    const FIELD: Field = MONTH_DAYS;
    let (rest, weekday) = match part.strip_suffix('W') {
        Some(rest) => (rest, true),
        None => (part, false),
    };
    if let Some(before) = rest.strip_prefix('L') {
        let before = match before.strip_prefix('-') {
            None if before.is_empty() => 0,
            Some(days) => number(days)
                .filter(|days| *days <= BEFORE_LAST_MAX)
                .ok_or_else(|| {
                    let reason = format!("expected `L-` and 0 to {BEFORE_LAST_MAX}");
                    FIELD.error(part, reason)
                })?,
            None => return Err(FIELD.error(part, "expected `L`, `L-3`, `LW` or `L-3W`")),
        };
        return Ok(if weekday {
            MonthDay::WeekdayBeforeLast(before)
        } else {
            MonthDay::BeforeLast(before)
        });
    }
    if weekday {
        return FIELD.value(rest).map(MonthDay::Weekday).map_err(|_| {
            FIELD.error(
                part,
                "expected `LW`, or one day from 1 to 31 before the `W`",
            )
        });
    }
    set_parse(&FIELD, part).map(MonthDay::Numbers)
}

fn week_day(part: &str) -> Result<WeekDay, CronError> {
    const FIELD: Field = WEEK_DAYS;
    if let Some((day, nth)) = part.split_once('#') {
        let nth = number(nth).filter(|nth| (1..=5).contains(nth));
        let nth = nth.ok_or_else(|| FIELD.error(part, "expected 1 to 5 after the `#`"))?;
        return Ok(WeekDay::Nth(FIELD.value(day)?, nth));
    }
    match part.strip_suffix('L') {
        Some("") => Ok(WeekDay::Numbers(Set::from_iter([FIELD.max]))),
        Some(day) => FIELD.value(day).map(WeekDay::Last),
        None => set_parse(&FIELD, part).map(WeekDay::Numbers),
    }
}

/// One month of one year.
#[derive(Clone, Copy)]
struct Month {
    days: u32,
    /// Day of the week of its first day.
    first: u32,
}

impl Month {
    fn new(year: i32, month: u32) -> Option<Self> {
        let first = NaiveDate::from_ymd_opt(year, month, 1)?;
        Some(Self {
            days: u32::from(first.num_days_in_month()),
            first: first.weekday().number_from_sunday(),
        })
    }

    /// Day of the week, 1 is Sunday.
    fn week_day(self, day: u32) -> u32 {
        (self.first + day - 2) % 7 + 1
    }

    fn before_last(self, days: u32) -> Option<u32> {
        self.days.checked_sub(days).filter(|day| *day > 0)
    }

    fn is(self, rule: &MonthDay, day: u32) -> bool {
        match rule {
            MonthDay::Numbers(set) => set.contains(day),
            MonthDay::BeforeLast(days) => self.before_last(*days) == Some(day),
            MonthDay::Weekday(_) | MonthDay::WeekdayBeforeLast(_) => false,
        }
    }

    /// The day of a rule with `W`.
    fn named(self, rule: &MonthDay) -> Option<u32> {
        match rule {
            MonthDay::Weekday(day) => Some(*day).filter(|day| *day <= self.days),
            MonthDay::WeekdayBeforeLast(days) => self.before_last(*days),
            MonthDay::Numbers(_) | MonthDay::BeforeLast(_) => None,
        }
    }

    /// Saturday moves to Friday and Sunday to Monday, or the other way if that is in another month.
    fn weekday_near(self, day: u32) -> u32 {
        match self.week_day(day) {
            7 if day == 1 => day + 2,
            7 => day - 1,
            1 if day == self.days => day - 2,
            1 => day + 1,
            _ => day,
        }
    }

    fn falls(self, rule: &WeekDay, day: u32) -> bool {
        match rule {
            WeekDay::Numbers(set) => set.contains(self.week_day(day)),
            WeekDay::Nth(which, nth) => self.week_day(day) == *which && (day - 1) / 7 + 1 == *nth,
            WeekDay::Last(which) => self.week_day(day) == *which && day + 7 > self.days,
        }
    }
}
