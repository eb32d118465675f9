//! The scheduler: creates runs of schedules that are due. Every node has one; a unique constraint
//! allows one run per fire time, whichever node is first.
//!
//! - A check creates the runs of all schedules that are due, and records when they fire next, always in
//!   the future.
//! - From time to time, and if the clock went back, all schedules are checked: the next time of one
//!   that has none, or one that isn't in its line, is recalculated from now.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use chrono_tz::Tz;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::fire::{FireContext, Firing};
use crate::service::ScheduleRules;
use crate::store::schedules::fire::{
    HELD_AT_ONCE, Loaded, Next, active_hold, bunch_tasks, bunches_busy, due_hold, fires_insert,
    is_any_due, next_due, next_set, projects_busy, projects_hold, schedule_disable,
};
use crate::store::schedules::schedule::Schedule;
use crate::store::{Db, DbConnection, Error, Moment};
use crate::taskomatic::{DATABASE_PAUSE, POLL};
use crate::time_zone::server_zone;

/// How often all schedules are checked.
const CHECK_EVERY: Duration = Duration::from_mins(1);

/// Creates runs of schedules.
#[derive(Debug)]
pub struct Scheduler {
    db: Db,
    rules: ScheduleRules,
    zone: Tz,
    clock: Clock,
    wake: Arc<Notify>,
    /// The clock's time at the last check.
    seen: Option<Moment>,
    checked: Option<Instant>,
}

/// The result of a batch.
struct Fired {
    /// Number of new runs.
    made: usize,
    /// Number of schedules handled.
    handled: usize,
    /// Number of schedules that were due.
    due: usize,
}

impl Scheduler {
    /// A scheduler on `db`, in the server's time zone and with the database's clock; `wake` is
    /// notified when it queued runs.
    pub fn new(db: Db, rules: ScheduleRules, wake: Arc<Notify>) -> Self {
        Self {
            db,
            rules,
            zone: server_zone(),
            clock: Clock::database(),
            wake,
            seen: None,
            checked: None,
        }
    }

    /// The same with another clock and time zone.
    #[must_use]
    pub fn with_clock(self, clock: Clock, zone: Tz) -> Self {
        Self {
            zone,
            clock,
            ..self
        }
    }

    /// Creates runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let pause = match self.look().await {
                Ok(_) => self.pause().await.unwrap_or(POLL),
                Err(error) => {
                    tracing::error!(%error, "can't read schedules");
                    DATABASE_PAUSE
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Until the next schedule is due, or the next check.
    async fn pause(&self) -> Option<Duration> {
        let clock = self.clock.clone();
        let due = self
            .db
            .run(move |conn| Ok((clock.now(conn)?, next_due(conn)?)));
        let (now, due) = due.await.ok()?;
        let left = (due? - now).to_std().unwrap_or_default();
        // Not at once either: what is due but not handled is locked by another node.
        Some(left.clamp(Duration::from_millis(20), POLL))
    }

    /// Creates the runs of all schedules that are due now, and returns how many.
    pub async fn look(&mut self) -> Result<usize, Error> {
        let clock = self.clock.clone();
        let (now, any) = self
            .db
            .run(move |conn| {
                let now = clock.now(conn)?;
                Ok((now, is_any_due(conn, now)?))
            })
            .await?;
        let went_back = self.seen.is_none_or(|seen| now < seen);
        let long_ago = self.checked.is_none_or(|at| at.elapsed() >= CHECK_EVERY);
        let any = if went_back || long_ago {
            self.check().await?;
            self.checked = Some(Instant::now());
            true
        } else {
            any
        };
        self.seen = Some(now);
        if any { self.fire_all().await } else { Ok(0) }
    }

    async fn fire_all(&self) -> Result<usize, Error> {
        let mut made = 0;
        loop {
            let (rules, zone, clock) = (self.rules, self.zone, self.clock.clone());
            let fired = self
                .db
                .run(move |conn| conn.write(|conn| batch_fire(conn, rules, zone, &clock)))
                .await?;
            made += fired.made;
            if fired.made > 0 {
                self.wake.notify_one();
            }
            // Schedules that are due but not handled wait for the next check.
            if fired.handled == 0 || fired.due == 0 {
                return Ok(made);
            }
        }
    }

    /// Checks every schedule.
    async fn check(&self) -> Result<(), Error> {
        let mut after = 0;
        loop {
            let (rules, zone, clock) = (self.rules, self.zone, self.clock.clone());
            let last = self
                .db
                .run(move |conn| conn.write(|conn| batch_check(conn, rules, zone, &clock, after)))
                .await?;
            match last {
                Some(last) => after = last,
                None => return Ok(()),
            }
        }
    }
}

fn batch_fire(
    conn: &mut DbConnection,
    rules: ScheduleRules,
    zone: Tz,
    clock: &Clock,
) -> Result<Fired, Error> {
    let now = clock.now(conn)?;
    let loaded = due_hold(conn, now, HELD_AT_ONCE)?;
    let due = loaded.schedules.len() + loaded.unreadable.len();
    let ids: HashSet<i64> = loaded
        .schedules
        .iter()
        .filter_map(|s| s.project_id)
        .collect();
    let ids: Vec<i64> = ids.into_iter().collect();
    let mut surroundings = FireContext {
        now,
        rules,
        zone,
        projects: projects_hold(conn, &ids)?,
        projects_busy: projects_busy(conn, &ids)?,
        bunches_busy: bunches_busy(conn)?,
        tasks: bunch_tasks(conn)?,
        begun: HashSet::new(),
    };
    let mut rubbish = loaded.unreadable;
    let (mut fires, mut next) = (Vec::new(), Vec::new());
    for schedule in &loaded.schedules {
        match surroundings.firing(schedule) {
            Ok(Firing::Done { fire, next: at }) => {
                fires.extend(fire);
                next.push((schedule.id, at));
            }
            Ok(Firing::Later) => {}
            Err(reason) => rubbish.push((schedule.id, reason)),
        }
    }
    broken_disable(conn, now, &rubbish)?;
    let made = fires_insert(conn, now, &fires)?;
    next_set(conn, &next)?;
    Ok(Fired {
        made,
        handled: next.len() + rubbish.len(),
        due,
    })
}

/// The last id of the batch; `None` if there was nothing more.
fn batch_check(
    conn: &mut DbConnection,
    rules: ScheduleRules,
    zone: Tz,
    clock: &Clock,
    after: i64,
) -> Result<Option<i64>, Error> {
    let now = clock.now(conn)?;
    let Loaded {
        schedules,
        unreadable: mut rubbish,
    } = active_hold(conn, now, after, HELD_AT_ONCE)?;
    let mut next = Vec::new();
    for schedule in &schedules {
        match next_corrected(schedule, rules, zone, now) {
            Ok(None) => {}
            Ok(Some(at)) => next.push((schedule.id, at)),
            Err(reason) => rubbish.push((schedule.id, reason)),
        }
    }
    next_set(conn, &next)?;
    broken_disable(conn, now, &rubbish)?;
    let ids = schedules.iter().map(|schedule| schedule.id);
    Ok(ids.chain(rubbish.iter().map(|(id, _)| *id)).max())
}

/// The correct next time of a schedule, if it differs. A time in the past is kept, since it has to
/// be made up for.
fn next_corrected(
    schedule: &Schedule,
    rules: ScheduleRules,
    zone: Tz,
    now: Moment,
) -> Result<Option<Next>, String> {
    if schedule.cron_expr.is_empty() {
        return match (schedule.next_fire, schedule.due_time) {
            (Some(_), Some(_)) => Ok(None),
            _ => Err("it should run once, but has no time".to_owned()),
        };
    }
    let at = rules.next_of(schedule, zone, now)?;
    if let (Some(fire), Some(due)) = (schedule.next_fire, schedule.due_time)
        && fire <= now
        && due - fire <= rules.delay_max().max(TimeDelta::zero())
    {
        return Ok(None);
    }
    let same = matches!(at, Next::At { fire, .. } if schedule.next_fire == Some(fire))
        && schedule.due_time.is_some();
    Ok((!same).then_some(at))
}

fn broken_disable(
    conn: &mut DbConnection,
    now: Moment,
    rubbish: &[(i64, String)],
) -> Result<(), Error> {
    for (id, reason) in rubbish {
        tracing::error!(schedule = id, %reason, "an unusable schedule was disabled");
        schedule_disable(conn, *id, now, reason)?;
    }
    Ok(())
}
