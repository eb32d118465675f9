//! A server's rules for schedules, and the resulting times.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta};
use chrono_tz::Tz;

use crate::quartz::Expression;
use crate::store::Moment;
use crate::store::schedules::fire::Next;
use crate::store::schedules::schedule::Schedule;

/// Number of fire times checked for two that are too close: except for lines with years, times
/// repeat in the same order well before that.
const LOOKED_AT: usize = 1000;

/// What to do about fire times missed while no server was running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Misfire {
    /// One run for all missed times, as soon as a server runs.
    #[default]
    Once,
    /// No run; the first missed time is recorded as SKIPPED.
    Skip,
}

/// The rules.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScheduleRules {
    /// Of missed times.
    pub misfire: Misfire,
    /// Maximum random delay of a run; never more than half the time to the next one.
    pub jitter: Duration,
    /// A line with two fire times closer than this is refused.
    pub min_distance: Duration,
}

impl ScheduleRules {
    /// When `line` fires next after `now` while it is active.
    pub fn next(
        &self,
        line: &Expression,
        zone: Tz,
        (from, till): (Moment, Option<Moment>),
        now: Moment,
    ) -> Option<Next> {
        // The start time itself counts.
        let begin = from.checked_sub_signed(TimeDelta::microseconds(1));
        let after = now
            .max(begin.unwrap_or(from))
            .and_utc()
            .with_timezone(&zone);
        let fire = line.next_after(&after)?;
        let due = fire + self.delay(line, fire);
        let fire = fire.naive_utc();
        till.is_none_or(|till| fire < till).then(|| Next::At {
            fire,
            due: due.naive_utc(),
        })
    }

    /// When a schedule of a line fires next after `now`; one that never fires again has ended. Err:
    /// why its line is invalid.
    pub fn next_of(&self, schedule: &Schedule, zone: Tz, now: Moment) -> Result<Next, String> {
        let line = Expression::parse(&schedule.cron_expr)
            .map_err(|error| format!("Cron trigger: {}: {error}", schedule.cron_expr))?;
        let active = (schedule.active_from, schedule.active_till);
        let next = self.next(&line, zone, active, now);
        Ok(next.unwrap_or(Next::Over(now)))
    }

    /// The random delay of a run.
    fn delay(&self, line: &Expression, fire: DateTime<Tz>) -> TimeDelta {
        let most = TimeDelta::from_std(self.jitter).unwrap_or_default();
        if most.is_zero() {
            return most;
        }
        let half = line.next_after(&fire).map(|next| (next - fire) / 2);
        let most = half.map_or(most, |half| half.min(most)).num_milliseconds();
        let mut random = [0_u8; 8];
        // Without randomness there is no delay, which is harmless.
        let _ = getrandom::fill(&mut random);
        TimeDelta::milliseconds(i64::from_le_bytes(random).rem_euclid(most.max(0) + 1))
    }

    /// The longest delay.
    pub fn delay_max(&self) -> TimeDelta {
        TimeDelta::from_std(self.jitter).unwrap_or_default()
    }

    /// Two fire times of `line` after `now` that are closer than the rules allow, by wall clock
    /// time. Clock changes don't count: a daily line fires every 24 hours, although one day a year
    /// has 23.
    pub fn too_close(
        &self,
        line: &Expression,
        zone: Tz,
        now: Moment,
    ) -> Option<(NaiveDateTime, NaiveDateTime)> {
        let least = TimeDelta::from_std(self.min_distance).unwrap_or(TimeDelta::MAX);
        if least.is_zero() {
            return None;
        }
        let wall = now.and_utc().with_timezone(&zone).naive_local();
        let first = line.next_after(&wall.and_utc().with_timezone(&Tz::UTC))?;
        let times = std::iter::successors(Some(first), |last| line.next_after(last));
        let pairs = times.clone().zip(times.skip(1)).take(LOOKED_AT);
        let mut close = pairs.skip_while(|(one, other)| *other - *one >= least);
        let (one, other) = close.next()?;
        Some((one.naive_utc(), other.naive_utc()))
    }
}
