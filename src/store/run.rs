//! Runs: the queue, its leases, and what came of each run.
//!
//! A worker claims a run and gets a [`Lease`]. Every later write names the lease's fence; one
//! whose fence was raised meanwhile, or whose run ended or was deleted, is refused with
//! [`Error::FenceLost`].

use super::notification::notification_add_on_change;
use super::project::project_lock;
use super::run_log::{NewLogLine, log_write};
use super::schema::tasko_run;
use super::{DbConnection, Error, Moment, now};
use crate::store::run_log::LogLevel;
use chrono::TimeDelta;
use diesel::prelude::*;
use std::time::Duration;

text_enum! {
    /// Where a run stands.
    RunStatus {
        /// Waits for a worker.
        Ready => "READY",
        /// A worker holds it.
        Running => "RUNNING",
        /// Ended, nothing failed.
        Finished => "FINISHED",
        /// Ended, something failed.
        Failed => "FAILED",
        /// Not begun, another run was in its way.
        Skipped => "SKIPPED",
        /// Stopped before its end.
        Interrupted => "INTERRUPTED",
    }
}

text_enum! {
    /// Why a run was put into the queue.
    RunTrigger {
        /// Somebody asked for it.
        Manual => "manual",
        /// A schedule was due.
        Schedule => "schedule",
        /// An earlier one failed.
        Retry => "retry",
        /// A registry notified us.
        Hook => "hook",
    }
}

/// A run as stored.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = tasko_run)]
#[allow(missing_docs)] // the fields are the columns
pub struct Run {
    pub id: i64,
    pub org_id: i64,
    pub project_id: i64,
    /// As it was called when the run was asked for.
    pub project_label: String,
    pub status: RunStatus,
    pub trigger_kind: RunTrigger,
    pub fire_time: Moment,
    pub start_time: Option<Moment>,
    pub end_time: Option<Moment>,
    pub worker: Option<String>,
    pub lease_until: Option<Moment>,
    pub fence: i64,
    /// 1 for the first try.
    pub attempt: i64,
    pub cancel_requested: bool,
    pub message: String,
    #[diesel(embed)]
    pub totals: RunTotals,
}

impl Run {
    /// What its worker holds.
    pub fn lease(&self) -> Lease {
        Lease {
            run_id: self.id,
            fence: self.fence,
        }
    }
}

/// What a run has done so far. Everything but `bytes` counts tags or blobs.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Queryable, Selectable, AsChangeset, Insertable,
)]
#[diesel(table_name = tasko_run)]
#[allow(missing_docs)]
pub struct RunTotals {
    pub selected: i64,
    pub copied: i64,
    pub updated: i64,
    pub skipped: i64,
    pub deleted: i64,
    pub blocked: i64,
    pub failed: i64,
    pub bytes: i64,
    pub blobs_copied: i64,
    pub blobs_mounted: i64,
}

/// The right to write to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The run.
    pub run_id: i64,
    /// What the run's fence was when it was claimed.
    pub fence: i64,
}

impl Lease {
    fn lost(self) -> Error {
        Error::FenceLost {
            run_id: self.run_id,
            fence: self.fence,
        }
    }
}

/// A run to be put into the queue.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct NewRun<'a> {
    pub org_id: i64,
    pub project_id: i64,
    pub project_label: &'a str,
    pub trigger: RunTrigger,
}

/// What became of [`run_enqueue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// The new run's id.
    Run(i64),
    /// The id of the run of this project that waits or runs already.
    Busy(i64),
    /// There is no such project.
    NoProject,
}

/// Puts a run into the queue. Where one of the project waits or runs already, that is refused,
/// unless `behind_others`.
pub fn run_enqueue(
    conn: &mut DbConnection,
    new: &NewRun<'_>,
    behind_others: bool,
) -> Result<Enqueued, Error> {
    conn.write(|conn| {
        if !project_lock(conn, new.org_id, new.project_id)? {
            return Ok(Enqueued::NoProject);
        }
        if !behind_others && let Some(active) = run_active(conn, new.org_id, new.project_id)? {
            return Ok(Enqueued::Busy(active.id));
        }
        let row = (
            (
                tasko_run::org_id.eq(new.org_id),
                tasko_run::project_id.eq(new.project_id),
                tasko_run::project_label.eq(new.project_label),
                tasko_run::status.eq(RunStatus::Ready),
                tasko_run::trigger_kind.eq(new.trigger),
                tasko_run::fire_time.eq(now()),
                tasko_run::fence.eq(0),
                tasko_run::attempt.eq(1),
                tasko_run::cancel_requested.eq(false),
                tasko_run::message.eq(""),
            ),
            RunTotals::default(),
        );
        let insert = diesel::insert_into(tasko_run::table)
            .values(row)
            .returning(tasko_run::id);
        let id = on_backend!(conn, c => insert.get_result(c))?;
        Ok(Enqueued::Run(id))
    })
}

/// Gives the longest-waiting run whose project isn't running to `worker`, for `lease_time`.
/// `None` where there is none. However many claim at once, each run goes to one of them.
pub fn run_claim(
    conn: &mut DbConnection,
    worker: &str,
    lease_time: Duration,
) -> Result<Option<Run>, Error> {
    conn.write(|conn| {
        let Some(id) = run_waiting(conn)? else {
            return Ok(None);
        };
        let time = clock(conn)?;
        diesel::update(tasko_run::table.find(id))
            .set((
                tasko_run::status.eq(RunStatus::Running),
                tasko_run::worker.eq(worker),
                tasko_run::start_time.eq(time),
                tasko_run::lease_until.eq(lease_end(time, lease_time)),
                tasko_run::fence.eq(tasko_run::fence + 1),
            ))
            .execute(conn)?;
        let run = tasko_run::table.find(id).select(Run::as_select());
        Ok(Some(run.first(conn)?))
    })
}

/// The run to be claimed next, locked until the transaction ends. Only the first waiting run of
/// a project counts: otherwise two claimers could take two of one project.
fn run_waiting(conn: &mut DbConnection) -> Result<Option<i64>, Error> {
    let other = diesel::alias!(tasko_run as other);
    let in_the_way = other
        .filter(other.field(tasko_run::project_id).eq(tasko_run::project_id))
        .filter(
            other
                .field(tasko_run::status)
                .eq(RunStatus::Running)
                .or(other
                    .field(tasko_run::status)
                    .eq(RunStatus::Ready)
                    .and(other.field(tasko_run::id).lt(tasko_run::id))),
        );
    let waiting = tasko_run::table
        .filter(tasko_run::status.eq(RunStatus::Ready))
        .filter(diesel::dsl::not(diesel::dsl::exists(in_the_way)))
        .order(tasko_run::id)
        .limit(1)
        .select(tasko_run::id);
    Ok(match conn {
        DbConnection::Postgres(c) => waiting.for_update().skip_locked().first(c).optional()?,
        DbConnection::Sqlite(c) => waiting.first(c).optional()?,
    })
}

/// Writes the totals and renews the lease; at most once a second is enough. Returns whether
/// somebody asked to cancel the run.
pub fn run_progress(
    conn: &mut DbConnection,
    lease: Lease,
    totals: &RunTotals,
    lease_time: Duration,
) -> Result<bool, Error> {
    conn.write(|conn| {
        let until = lease_end(clock(conn)?, lease_time);
        lease_hold(conn, lease)?;
        diesel::update(tasko_run::table.find(lease.run_id))
            .set((totals, tasko_run::lease_until.eq(until)))
            .execute(conn)?;
        Ok(tasko_run::table
            .find(lease.run_id)
            .select(tasko_run::cancel_requested)
            .first(conn)?)
    })
}

/// Ends a run with its final totals and a sentence that says what came of it.
pub fn run_finish(
    conn: &mut DbConnection,
    lease: Lease,
    status: RunStatus,
    message: &str,
    totals: &RunTotals,
) -> Result<(), Error> {
    conn.write(|conn| {
        lease_hold(conn, lease)?;
        diesel::update(tasko_run::table.find(lease.run_id))
            .set((
                totals,
                tasko_run::status.eq(status),
                tasko_run::message.eq(message),
                tasko_run::end_time.eq(clock(conn)?),
                tasko_run::lease_until.eq(None::<Moment>),
            ))
            .execute(conn)?;
        notification_add_on_change(conn, lease.run_id)
    })
}

/// Refuses who doesn't hold the run; otherwise locks its row until the transaction ends.
pub(super) fn lease_hold(conn: &mut DbConnection, lease: Lease) -> Result<(), Error> {
    let held = tasko_run::table
        .find(lease.run_id)
        .filter(tasko_run::fence.eq(lease.fence))
        .filter(tasko_run::status.eq(RunStatus::Running));
    let rows = diesel::update(held)
        .set(tasko_run::fence.eq(lease.fence))
        .execute(conn)?;
    if rows == 1 { Ok(()) } else { Err(lease.lost()) }
}

/// Finds a run by its id.
pub fn run_get(conn: &mut DbConnection, org_id: i64, id: i64) -> Result<Option<Run>, Error> {
    Ok(tasko_run::table
        .find(id)
        .filter(tasko_run::org_id.eq(org_id))
        .select(Run::as_select())
        .first(conn)
        .optional()?)
}

/// At most `limit` runs of a project with an id below `before_id` (`i64::MAX` begins), latest
/// first.
pub fn run_list(
    conn: &mut DbConnection,
    org_id: i64,
    project_id: i64,
    before_id: i64,
    limit: i64,
) -> Result<Vec<Run>, Error> {
    Ok(tasko_run::table
        .filter(tasko_run::project_id.eq(project_id))
        .filter(tasko_run::org_id.eq(org_id))
        .filter(tasko_run::id.lt(before_id))
        .order(tasko_run::id.desc())
        .limit(limit)
        .select(Run::as_select())
        .load(conn)?)
}

/// The run of a project that runs, or else the first that waits.
pub fn run_active(
    conn: &mut DbConnection,
    org_id: i64,
    project_id: i64,
) -> Result<Option<Run>, Error> {
    // One statement: between two, a claim could move a run from the one status to the other.
    let active = tasko_run::status
        .eq(RunStatus::Running)
        .or(tasko_run::status.eq(RunStatus::Ready));
    let found: Vec<Run> = tasko_run::table
        .filter(tasko_run::project_id.eq(project_id))
        .filter(active)
        .filter(tasko_run::org_id.eq(org_id))
        .select(Run::as_select())
        .load(conn)?;
    Ok(found
        .into_iter()
        .min_by_key(|run| (run.status != RunStatus::Running, run.id)))
}

/// Ends the runs that an earlier process of this very worker left behind, and returns their ids.
pub fn run_interrupt_left_running(
    conn: &mut DbConnection,
    worker: &str,
) -> Result<Vec<i64>, Error> {
    const MESSAGE: &str = "the worker ended before the run did; tags copied until then are kept";
    conn.write(|conn| {
        let left: Vec<i64> = tasko_run::table
            .filter(tasko_run::status.eq(RunStatus::Running))
            .filter(tasko_run::worker.eq(worker))
            .order(tasko_run::id)
            .select(tasko_run::id)
            .load(conn)?;
        let time = clock(conn)?;
        for id in &left {
            diesel::update(tasko_run::table.find(id))
                .set((
                    tasko_run::status.eq(RunStatus::Interrupted),
                    tasko_run::message.eq(MESSAGE),
                    tasko_run::end_time.eq(time),
                    tasko_run::lease_until.eq(None::<Moment>),
                    tasko_run::fence.eq(tasko_run::fence + 1),
                ))
                .execute(conn)?;
            let line = NewLogLine {
                time,
                level: LogLevel::Error,
                message: MESSAGE.to_owned(),
            };
            log_write(conn, *id, &[line])?;
        }
        Ok(left)
    })
}

/// The database's clock: leases are compared by all nodes, whose own clocks may differ. SQLite
/// has one node.
pub(super) fn clock(conn: &mut DbConnection) -> Result<Moment, Error> {
    match conn {
        DbConnection::Postgres(c) => {
            let time = diesel::dsl::sql::<diesel::sql_types::Timestamp>(
                "clock_timestamp() AT TIME ZONE 'UTC'",
            );
            Ok(diesel::select(time).get_result(c)?)
        }
        DbConnection::Sqlite(_) => Ok(now()),
    }
}

fn lease_end(start: Moment, lease_time: Duration) -> Moment {
    TimeDelta::from_std(lease_time)
        .ok()
        .and_then(|delta| start.checked_add_signed(delta))
        .unwrap_or(Moment::MAX)
}
