//! Housekeeping runs, which have no project and no parts. A claim returns a [`HousekeepingLease`],
//! fenced by its attempt: a later claim has a higher one.

use super::lease::lease_end;
use super::log::{NewLogLine, log_write};
use super::run::RunStatus;
use crate::store::base::clock::clock;
use crate::store::base::storable::text_kept;
use crate::store::projects::kept_plan::plans_remove_of;
use crate::store::projects::written_tag::written_remove;
use crate::store::schema::{run_log, run_result, sync_item, tasko_run, tasko_schedule};
use crate::store::trail::notification::notification_add_on_change;
use crate::store::{DbConnection, Error, Moment};
use diesel::prelude::*;
use std::time::Duration;

/// Number of claims of one run that may be lost before it is given up.
const ATTEMPTS: i64 = 3;

/// The right to write to a housekeeping run.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
#[allow(missing_docs)]
pub struct HousekeepingLease {
    pub run_id: i64,
    pub bunch: String,
    /// The run's attempt at the time of the claim.
    pub attempt: i64,
}

/// Gives the first housekeeping run that is waiting, or whose worker is lost, to `worker`.
pub fn housekeeping_claim(
    conn: &mut DbConnection,
    worker: &str,
    lease: Duration,
) -> Result<Option<HousekeepingLease>, Error> {
    conn.write(|conn| {
        let now = clock(conn)?;
        let until = lease_end(now, lease);
        let left = tasko_run::lease_until.assume_not_null();
        // A lease longer than any possible one means that a clock was changed; somebody may have taken
        // one since it was read here.
        let longest = lease_end(until, lease);
        let lost = tasko_run::status
            .eq(RunStatus::Running)
            .and(left.lt(now).or(left.gt(longest)));
        let row = tasko_run::table
            .filter(tasko_run::project_id.is_null())
            .filter(tasko_run::status.eq(RunStatus::Ready).or(lost))
            .order(tasko_run::id)
            .limit(1)
            .select((
                tasko_run::id,
                tasko_run::bunch,
                tasko_run::attempt,
                tasko_run::status,
            ));
        let found: Option<(i64, String, i64, RunStatus)> = match conn {
            DbConnection::Postgres(c) => row.for_update().skip_locked().first(c).optional()?,
            DbConnection::Sqlite(c) => row.first(c).optional()?,
        };
        let Some((run_id, bunch, tried, status)) = found else {
            return Ok(None);
        };
        let attempt = tried + i64::from(status == RunStatus::Running);
        let row = tasko_run::table.find(run_id);
        if attempt > ATTEMPTS {
            let message = format!("given up: its worker was lost {ATTEMPTS} times");
            diesel::update(row)
                .set((
                    tasko_run::status.eq(RunStatus::Failed),
                    tasko_run::end_time.eq(now),
                    tasko_run::lease_until.eq(None::<Moment>),
                    tasko_run::message.eq(message),
                ))
                .execute(conn)?;
            return Ok(None);
        }
        diesel::update(row)
            .set((
                tasko_run::status.eq(RunStatus::Running),
                tasko_run::worker.eq(worker),
                tasko_run::start_time.eq(now),
                tasko_run::lease_until.eq(until),
                tasko_run::attempt.eq(attempt),
            ))
            .execute(conn)?;
        Ok(Some(HousekeepingLease {
            run_id,
            bunch,
            attempt,
        }))
    })
}

/// Renews the lease and appends to the log; `false` if the run was taken over.
pub fn housekeeping_progress(
    conn: &mut DbConnection,
    house: &HousekeepingLease,
    lines: &[NewLogLine],
    lease: Duration,
) -> Result<bool, Error> {
    conn.write(|conn| {
        let until = lease_end(clock(conn)?, lease);
        let held = diesel::update(held(house))
            .set(tasko_run::lease_until.eq(until))
            .execute(conn)?;
        if held == 1 {
            log_write(conn, house.run_id, lines)?;
        }
        Ok(held == 1)
    })
}

/// Ends the run, unless it was taken over.
pub fn housekeeping_end(
    conn: &mut DbConnection,
    house: &HousekeepingLease,
    status: RunStatus,
    message: &str,
) -> Result<(), Error> {
    conn.write(|conn| {
        let now = clock(conn)?;
        let ended = diesel::update(held(house))
            .set((
                tasko_run::status.eq(status),
                tasko_run::end_time.eq(now),
                tasko_run::message.eq(text_kept(message)),
                tasko_run::lease_until.eq(None::<Moment>),
            ))
            .execute(conn)?;
        if ended == 1 {
            notification_add_on_change(conn, house.run_id)?;
        }
        Ok(())
    })
}

/// Releases the run, for any worker to start it over.
pub fn housekeeping_release(
    conn: &mut DbConnection,
    house: &HousekeepingLease,
) -> Result<(), Error> {
    diesel::update(held(house))
        .set((
            tasko_run::status.eq(RunStatus::Ready),
            tasko_run::lease_until.eq(None::<Moment>),
        ))
        .execute(conn)?;
    Ok(())
}

#[diesel::dsl::auto_type(no_type_alias)]
fn held(house: &HousekeepingLease) -> _ {
    let (id, attempt): (i64, i64) = (house.run_id, house.attempt);
    let running: RunStatus = RunStatus::Running;
    tasko_run::table
        .filter(tasko_run::id.eq(id))
        .filter(tasko_run::attempt.eq(attempt))
        .filter(tasko_run::status.eq(running))
}

/// Whose history to clean up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryOf {
    /// A project's.
    Project(i64),
    /// That of a housekeeping bunch.
    Bunch(String),
}

/// Everything with a run that ended before `time`.
pub fn history_list(conn: &mut DbConnection, time: Moment) -> Result<Vec<HistoryOf>, Error> {
    let rows: Vec<(Option<i64>, String)> = tasko_run::table
        .filter(tasko_run::end_time.lt(time))
        .select((tasko_run::project_id, tasko_run::bunch))
        .distinct()
        .load(conn)?;
    let whose = |(project, bunch): (Option<i64>, String)| match project {
        Some(project) => HistoryOf::Project(project),
        None => HistoryOf::Bunch(bunch),
    };
    Ok(rows.into_iter().map(whose).collect())
}

/// What a step of [`history_remove`] has removed; zero if nothing is left to remove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Number of runs removed.
    pub runs: usize,
    /// Number of results and log lines removed.
    pub rows: usize,
}

/// Runs per step.
const RUNS: i64 = 20;

/// Removes runs that ended before `time` and aren't among the latest `keep`, oldest first: at most
/// `rows` of their results and log lines, and the runs that have none left. One step of many, since
/// a run may have 100 000 results and other writers have to wait meanwhile.
pub fn history_remove(
    conn: &mut DbConnection,
    of: &HistoryOf,
    time: Moment,
    keep: i64,
    rows: usize,
) -> Result<Removed, Error> {
    macro_rules! theirs {
        () => {{
            let all = tasko_run::table.into_boxed();
            match of {
                HistoryOf::Project(id) => all.filter(tasko_run::project_id.eq(*id)),
                HistoryOf::Bunch(name) => all
                    .filter(tasko_run::bunch.eq(name.clone()))
                    .filter(tasko_run::project_id.is_null()),
            }
        }};
    }
    conn.write(|conn| {
        let newest = theirs!()
            .order(tasko_run::id.desc())
            .offset(keep)
            .limit(1)
            .select(tasko_run::id);
        let Some(last) = newest.first::<i64>(conn).optional()? else {
            return Ok(Removed::default());
        };
        let old: Vec<i64> = theirs!()
            .filter(tasko_run::id.le(last))
            .filter(tasko_run::end_time.lt(time))
            .order(tasko_run::id)
            .limit(RUNS)
            .select(tasko_run::id)
            .load(conn)?;
        let mut removed = Removed::default();
        for run in old {
            removed.rows += rows_remove(conn, run, rows - removed.rows)?;
            if removed.rows >= rows {
                break;
            }
            removed.runs += diesel::delete(tasko_run::table.find(run)).execute(conn)?;
        }
        Ok(removed)
    })
}

/// Removes at most `most` results and log lines of a run.
fn rows_remove(conn: &mut DbConnection, run: i64, most: usize) -> Result<usize, Error> {
    let limit = |most: usize| i64::try_from(most).unwrap_or(i64::MAX);
    let results: Vec<i64> = run_result::table
        .filter(run_result::run_id.eq(run))
        .order(run_result::id)
        .limit(limit(most))
        .select(run_result::id)
        .load(conn)?;
    let mut gone = 0;
    if let (Some(first), Some(last)) = (results.first(), results.last()) {
        let these = run_result::table
            .filter(run_result::run_id.eq(run))
            .filter(run_result::id.between(*first, *last));
        gone = diesel::delete(these).execute(conn)?;
    }
    let lines: Vec<i64> = run_log::table
        .filter(run_log::run_id.eq(run))
        .order(run_log::seq)
        .limit(limit(most - gone))
        .select(run_log::seq)
        .load(conn)?;
    if let Some(last) = lines.last() {
        let these = run_log::table
            .filter(run_log::run_id.eq(run))
            .filter(run_log::seq.le(*last));
        gone += diesel::delete(these).execute(conn)?;
    }
    Ok(gone)
}

/// Removes at most `rows` of a project's results, log lines, kept plans, items and records of what it wrote, and the runs that have none
/// left, whatever their status; returns how many rows. One step of many, after which the project
/// itself is removed.
pub fn project_empty(conn: &mut DbConnection, id: i64, rows: usize) -> Result<usize, Error> {
    conn.write(|conn| {
        let runs: Vec<i64> = tasko_run::table
            .filter(tasko_run::project_id.eq(id))
            .order(tasko_run::id)
            .limit(RUNS)
            .select(tasko_run::id)
            .load(conn)?;
        let mut gone = 0;
        for run in &runs {
            gone += rows_remove(conn, *run, rows - gone)?;
            if gone >= rows {
                return Ok(gone);
            }
            gone += diesel::delete(tasko_run::table.find(run)).execute(conn)?;
        }
        if gone == 0 {
            gone = plans_remove_of(conn, id, rows)?;
        }
        if gone > 0 {
            return Ok(gone);
        }
        let items: Vec<i64> = sync_item::table
            .filter(sync_item::project_id.eq(id))
            .order(sync_item::id)
            .limit(i64::try_from(rows).unwrap_or(i64::MAX))
            .select(sync_item::id)
            .load(conn)?;
        let Some(last) = items.last() else {
            return written_remove(conn, id, rows);
        };
        let these = sync_item::table
            .filter(sync_item::project_id.eq(id))
            .filter(sync_item::id.le(*last));
        Ok(diesel::delete(these).execute(conn)?)
    })
}

/// Removes schedules that ended before `time` and have no runs left; returns how many.
pub fn schedules_remove(conn: &mut DbConnection, time: Moment) -> Result<usize, Error> {
    let runs = tasko_run::table.filter(tasko_run::schedule_id.eq(tasko_schedule::id.nullable()));
    let old = tasko_schedule::table
        .filter(tasko_schedule::active_till.lt(time))
        .filter(diesel::dsl::not(diesel::dsl::exists(runs)));
    Ok(diesel::delete(old).execute(conn)?)
}
