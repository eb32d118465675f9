//! When a line fires next: a search in wall clock time, converted to instants.

use chrono::{
    DateTime, Datelike as _, Days as DayCount, MappedLocalTime, Months, NaiveDate, NaiveDateTime,
    NaiveTime, TimeDelta, TimeZone as _, Timelike as _,
};
use chrono_tz::Tz;

use super::Expression;
use super::field::HOURS;

/// How far ahead to search for a fire time, like Quartz. February 29 is eight years away at most.
const YEARS_AHEAD: i32 = 100;

/// Longer than any gap or overlap in a time zone.
const SHIFT_MAX: DayCount = DayCount::new(2);

pub(super) fn next_after(line: &Expression, after: &DateTime<Tz>) -> Option<DateTime<Tz>> {
    let zone = after.timezone();
    let wall = after.naive_local().with_nanosecond(0)?;
    let mut from = second_after(wall)?;
    let by_hours_there_are = line.hours.is_all(&HOURS);
    if by_hours_there_are && let Some(again) = Overlap::begun(zone, wall, after) {
        let rest = line.wall_next(from).filter(|next| again.has(*next));
        if let Some(next) = rest.or_else(|| line.wall_next(again.start).filter(|n| again.has(*n))) {
            return match zone.from_local_datetime(&next) {
                MappedLocalTime::Ambiguous(first, _) if rest.is_some() => Some(first),
                both => both.latest(),
            };
        }
    }
    loop {
        let next = line.wall_next(from)?;
        let moment = match zone.from_local_datetime(&next) {
            MappedLocalTime::Single(moment) => Some(moment),
            MappedLocalTime::Ambiguous(first, second) if by_hours_there_are => {
                [first, second].into_iter().find(|pass| pass > after)
            }
            MappedLocalTime::Ambiguous(first, _) => Some(first),
            MappedLocalTime::None if by_hours_there_are => None,
            MappedLocalTime::None => gap_end(zone, next),
        };
        match moment {
            Some(moment) if moment > *after => return Some(moment),
            _ => from = second_after(next)?,
        }
    }
}

fn second_after(time: NaiveDateTime) -> Option<NaiveDateTime> {
    time.checked_add_signed(TimeDelta::seconds(1))
}

impl Expression {
    /// The first matching wall clock time at or after `from`.
    fn wall_next(&self, from: NaiveDateTime) -> Option<NaiveDateTime> {
        let near = if self.days.has_weekdays_near() {
            self.wall_next_near(from)
        } else {
            None
        };
        self.wall_next_plain(from).into_iter().chain(near).min()
    }

    fn wall_next_plain(&self, from: NaiveDateTime) -> Option<NaiveDateTime> {
        match self.time_next(from.time()) {
            Some(time) if self.is_day(from.date()) => Some(from.date().and_time(time)),
            _ => {
                let day = self.day_next(from.date().succ_opt()?)?;
                Some(day.and_time(self.time_next(NaiveTime::MIN)?))
            }
        }
    }

    /// The same for days with `W`, as Quartz finds them: within a month it goes from the starting
    /// time of day to the first named day from there on, and only then to the weekday. So a day
    /// moved to Monday only has its first time, and if the search starts on an earlier day of its
    /// month, it has no time of day before that day's.
    fn wall_next_near(&self, from: NaiveDateTime) -> Option<NaiveDateTime> {
        let mut at = from;
        while at.year() <= from.year() + YEARS_AHEAD {
            let (day, time) = match self.time_next(at.time()) {
                Some(time) => (at.date(), time),
                None => (at.date().succ_opt()?, self.time_next(NaiveTime::MIN)?),
            };
            if self.is_month(day) {
                let near = self.days.weekdays_near(day.year(), day.month(), day.day());
                let days = near.iter().filter_map(|near| day.with_day(near));
                let found = days
                    .map(|day| day.and_time(time))
                    .find(|time| *time >= from);
                if found.is_some() {
                    return found;
                }
            }
            at = day.with_day(1)?.checked_add_months(Months::new(1))?.into();
        }
        None
    }

    fn is_month(&self, day: NaiveDate) -> bool {
        self.is_year(day.year()) && self.months.contains(day.month())
    }

    fn is_day(&self, day: NaiveDate) -> bool {
        self.is_month(day) && self.days.of(day.year(), day.month()).contains(day.day())
    }

    fn is_year(&self, year: i32) -> bool {
        let listed = |years: &Vec<u32>| {
            years
                .iter()
                .any(|listed| i64::from(*listed) == i64::from(year))
        };
        self.years.as_ref().is_none_or(listed)
    }

    fn day_next(&self, from: NaiveDate) -> Option<NaiveDate> {
        for year in (from.year()..=from.year() + YEARS_AHEAD).filter(|year| self.is_year(*year)) {
            for month in self.months.iter() {
                let first = match (year, month).cmp(&(from.year(), from.month())) {
                    std::cmp::Ordering::Less => continue,
                    std::cmp::Ordering::Equal => from.day(),
                    std::cmp::Ordering::Greater => 1,
                };
                if let Some(day) = self.days.of(year, month).next(first) {
                    return NaiveDate::from_ymd_opt(year, month, day);
                }
            }
        }
        None
    }

    /// The first matching time of a day at or after `from`.
    fn time_next(&self, from: NaiveTime) -> Option<NaiveTime> {
        let (hour, mut minute, mut second) = (from.hour(), from.minute(), from.second());
        let mut next = self.hours.next(hour);
        while let Some(at) = next {
            if at > hour {
                (minute, second) = (0, 0);
            }
            if let Some(found) = self.minute_next(minute, second) {
                return NaiveTime::from_hms_opt(at, found.0, found.1);
            }
            next = self.hours.next(at + 1);
        }
        None
    }

    /// The same for minute and second of an hour.
    fn minute_next(&self, minute: u32, second: u32) -> Option<(u32, u32)> {
        let at = self.minutes.next(minute)?;
        let second = if at > minute { 0 } else { second };
        match self.seconds.next(second) {
            Some(second) => Some((at, second)),
            None => Some((self.minutes.next(at + 1)?, self.seconds.next(0)?)),
        }
    }
}

/// A stretch of wall clock time that occurs twice.
struct Overlap {
    zone: Tz,
    start: NaiveDateTime,
}

impl Overlap {
    /// The one that contains `wall`, if `after` is in its first pass.
    fn begun(zone: Tz, wall: NaiveDateTime, after: &DateTime<Tz>) -> Option<Self> {
        let is_twice = |time: NaiveDateTime| {
            matches!(
                zone.from_local_datetime(&time),
                MappedLocalTime::Ambiguous(..)
            )
        };
        match zone.from_local_datetime(&wall) {
            MappedLocalTime::Ambiguous(_, second) if *after < second => Some(Self {
                zone,
                start: first_of(wall, is_twice)?,
            }),
            _ => None,
        }
    }

    fn has(&self, time: NaiveDateTime) -> bool {
        let near = self
            .start
            .checked_add_days(SHIFT_MAX)
            .is_some_and(|end| time < end);
        let twice = self.zone.from_local_datetime(&time);
        near && matches!(twice, MappedLocalTime::Ambiguous(..))
    }
}

/// The instant at which the clock skips over `wall`, a time that never occurs.
fn gap_end(zone: Tz, wall: NaiveDateTime) -> Option<DateTime<Tz>> {
    let is_gap = |time: NaiveDateTime| zone.from_local_datetime(&time) == MappedLocalTime::None;
    let before = first_of(wall, is_gap)?.checked_sub_signed(TimeDelta::seconds(1))?;
    let last = zone.from_local_datetime(&before).latest()?;
    last.checked_add_signed(TimeDelta::seconds(1))
}

/// The first second of the stretch of wall clock time around `inside` in which `is` holds.
fn first_of(inside: NaiveDateTime, is: impl Fn(NaiveDateTime) -> bool) -> Option<NaiveDateTime> {
    let outside = inside.checked_sub_days(SHIFT_MAX)?;
    let (mut below, mut found) = (0, inside.signed_duration_since(outside).num_seconds());
    let at = |seconds| outside.checked_add_signed(TimeDelta::seconds(seconds));
    while found - below > 1 {
        let middle = below.midpoint(found);
        if is(at(middle)?) {
            found = middle;
        } else {
            below = middle;
        }
    }
    at(found)
}
