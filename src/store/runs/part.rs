//! The parts of a run: what workers claim, hold and do.
//!
//! A worker claims a part and gets a [`Lease`]. Every later write names the lease's fence; one
//! whose fence was raised meanwhile, or whose part ended or was deleted, is refused with
//! [`Error::FenceLost`]. A worker that lives renews its leases; a part whose lease ran out is
//! offered again.

use super::log::{LogLevel, log_now};
use super::run::{RunTotals, clock, run_lock};
use crate::store::base::channel::{Topic, notify};
use crate::store::base::storable::{STATEMENT_ROWS, text_kept};
use crate::store::schema::{run_part, sync_project, tasko_run};
use crate::store::{DbConnection, Error, Moment};
use chrono::TimeDelta;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

text_enum! {
    /// Where a part stands.
    PartStatus {
        /// Waits for a worker.
        Ready => "READY",
        /// A worker holds it.
        Running => "RUNNING",
        /// Ended, nothing failed.
        Finished => "FINISHED",
        /// Ended, something failed.
        Failed => "FAILED",
        /// Stopped before its end.
        Interrupted => "INTERRUPTED",
    }
}

/// A part as stored, save its totals.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = run_part)]
#[allow(missing_docs)] // the fields are the columns
pub struct Part {
    pub id: i64,
    pub run_id: i64,
    /// 1 for the first part of the run.
    pub number: i64,
    /// Where its items go.
    pub target_repository: String,
    pub status: PartStatus,
    pub worker: Option<String>,
    pub lease_until: Option<Moment>,
    pub fence: i64,
    /// 1 for the first try.
    pub attempt: i64,
    pub message: String,
}

impl Part {
    /// What its worker holds.
    pub fn lease(&self) -> Lease {
        Lease {
            run_id: self.run_id,
            part_id: self.id,
            fence: self.fence,
        }
    }
}

/// The right to write to a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The run that it belongs to.
    pub run_id: i64,
    /// The part.
    pub part_id: i64,
    /// What the part's fence was when it was claimed.
    pub fence: i64,
}

/// Writes the parts of a run whose row the transaction has locked.
pub(super) fn parts_insert(
    conn: &mut DbConnection,
    run_id: i64,
    places: &[String],
) -> Result<(), Error> {
    let numbered: Vec<(i64, &String)> = (1..).zip(places).collect();
    for batch in numbered.chunks(STATEMENT_ROWS) {
        let rows: Vec<_> = batch
            .iter()
            .map(|(number, place)| {
                (
                    run_part::run_id.eq(run_id),
                    run_part::number.eq(*number),
                    run_part::target_repository.eq(*place),
                    run_part::status.eq(PartStatus::Ready),
                    run_part::fence.eq(0),
                    run_part::attempt.eq(1),
                    run_part::message.eq(""),
                    totals_set!(RunTotals::default()),
                )
            })
            .collect();
        on_backend!(&mut *conn, c => {
            diesel::insert_into(run_part::table).values(rows).execute(c)
        })?;
    }
    Ok(())
}

/// Gives the first part of a run that waits to `worker`, for `lease_time`; `None` where none does.
pub fn part_claim(
    conn: &mut DbConnection,
    run_id: i64,
    worker: &str,
    lease_time: Duration,
) -> Result<Option<Part>, Error> {
    conn.write(|conn| {
        let waiting = run_part::table
            .filter(run_part::run_id.eq(run_id))
            .filter(run_part::status.eq(PartStatus::Ready))
            .order(run_part::number)
            .limit(1)
            .select(run_part::id);
        let found: Option<i64> = match conn {
            DbConnection::Postgres(c) => waiting.for_update().skip_locked().first(c).optional()?,
            DbConnection::Sqlite(c) => waiting.first(c).optional()?,
        };
        let Some(id) = found else { return Ok(None) };
        let until = lease_end(clock(conn)?, lease_time);
        diesel::update(run_part::table.find(id))
            .set((
                run_part::status.eq(PartStatus::Running),
                run_part::worker.eq(worker),
                run_part::lease_until.eq(until),
                run_part::fence.eq(run_part::fence + 1),
            ))
            .execute(conn)?;
        let part = run_part::table.find(id).select(Part::as_select());
        Ok(Some(part.first(conn)?))
    })
}

/// Renews these leases, as far as they are still held under their fences. A row that only bears a
/// worker's name is not renewed: nobody may be working on it, since the answer to its claim was lost.
pub fn leases_renew(
    conn: &mut DbConnection,
    leases: &[Lease],
    lease_time: Duration,
) -> Result<(), Error> {
    let mut by_fence: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for lease in leases {
        by_fence.entry(lease.fence).or_default().push(lease.part_id);
    }
    for (fence, parts) in by_fence {
        let until = lease_end(clock(conn)?, lease_time);
        on_backend!(&mut *conn, c => {
            let held = run_part::table
                .filter(run_part::id.eq_any(&parts))
                .filter(run_part::status.eq(PartStatus::Running))
                .filter(run_part::fence.eq(fence));
            diesel::update(held)
                .set(run_part::lease_until.eq(until))
                .execute(c)
        })?;
    }
    Ok(())
}

/// What a worker holds according to the database.
#[derive(Clone, Debug, PartialEq, Queryable)]
pub struct HeldPart {
    /// The part.
    pub part: Part,
    /// Whether somebody asked for the run's end.
    pub cancel_requested: bool,
}

/// All parts that bear the name of `worker` as the one that works on them.
pub fn parts_held(conn: &mut DbConnection, worker: &str) -> Result<Vec<HeldPart>, Error> {
    Ok(run_part::table
        .inner_join(tasko_run::table)
        .filter(run_part::status.eq(PartStatus::Running))
        .filter(run_part::worker.eq(worker))
        .select((Part::as_select(), tasko_run::cancel_requested))
        .load(conn)?)
}

/// A part that is worked on, whoever does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable)]
pub struct RunningPart {
    /// The run that it belongs to.
    pub run_id: i64,
    /// Whose run that is.
    pub org_id: i64,
    /// Where it copies from.
    pub src_store_id: i64,
    /// Where it copies to.
    pub dest_store_id: i64,
}

/// All parts of projects that are worked on.
pub fn parts_running(conn: &mut DbConnection) -> Result<Vec<RunningPart>, Error> {
    Ok(run_part::table
        .inner_join(tasko_run::table.inner_join(sync_project::table))
        .filter(run_part::status.eq(PartStatus::Running))
        .select((
            run_part::run_id,
            sync_project::org_id,
            sync_project::src_store_id,
            sync_project::dest_store_id,
        ))
        .load(conn)?)
}

/// A part that is worked on, and what it is of, for people.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
#[allow(missing_docs)]
pub struct WorkedPart {
    /// Who holds it.
    pub worker: Option<String>,
    pub run_id: i64,
    pub org_id: Option<i64>,
    pub project_label: String,
    pub number: i64,
    pub target_repository: String,
}

/// All parts that are worked on, oldest run first.
pub fn parts_worked_on(conn: &mut DbConnection) -> Result<Vec<WorkedPart>, Error> {
    let mut parts: Vec<WorkedPart> = run_part::table
        .inner_join(tasko_run::table)
        .filter(run_part::status.eq(PartStatus::Running))
        .select((
            run_part::worker,
            run_part::run_id,
            tasko_run::org_id,
            tasko_run::project_label,
            run_part::number,
            run_part::target_repository,
        ))
        .load(conn)?;
    // There are few, and no index has this order.
    parts.sort_by_key(|part| (part.run_id, part.number));
    Ok(parts)
}

/// All parts that `worker` holds, or that anybody holds.
pub fn parts_of(conn: &mut DbConnection, worker: Option<&str>) -> Result<Vec<Part>, Error> {
    let running = run_part::table
        .filter(run_part::status.eq(PartStatus::Running))
        .select(Part::as_select());
    Ok(match worker {
        Some(worker) => running.filter(run_part::worker.eq(worker)).load(conn)?,
        None => running.load(conn)?,
    })
}

/// Lets one node at a time choose what to claim, until the transaction ends: what it counts then
/// holds. SQLite has one node.
pub fn claim_lock(conn: &mut DbConnection) -> Result<(), Error> {
    if let DbConnection::Postgres(conn) = conn {
        conn.batch_execute("SELECT pg_advisory_xact_lock(7239481121)")?;
    }
    Ok(())
}

/// Those whose lease ran out by the database's clock, or lasts longer than `longest`: then a clock
/// was set, and it would never run out. So does one that has no end at all.
pub fn parts_overdue(conn: &mut DbConnection, longest: Duration) -> Result<Vec<Part>, Error> {
    let time = clock(conn)?;
    let until = run_part::lease_until.assume_not_null();
    let over = until.lt(time).or(until.gt(lease_end(time, longest)));
    let over = over.or(run_part::lease_until.is_null());
    Ok(run_part::table
        .filter(run_part::status.eq(PartStatus::Running))
        .filter(over)
        .select(Part::as_select())
        .load(conn)?)
}

/// What became of [`part_offer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It waits for a worker again.
    Again,
    /// It ended: its run is being cancelled, or it was tried too often.
    Ended,
    /// Its worker lives, or somebody else was faster.
    Not,
}

/// Takes a part from a worker that is gone (`why`) and offers it again, `attempts` times in all.
/// What the worker recorded is kept.
pub fn part_offer(
    conn: &mut DbConnection,
    part: &Part,
    why: &str,
    attempts: i64,
) -> Result<Offered, Error> {
    conn.write(|conn| {
        let Some(run) = run_lock(conn, part.run_id)? else {
            return Ok(Offered::Not);
        };
        let (status, attempt, message) = if run.cancel_requested {
            (
                PartStatus::Interrupted,
                part.attempt,
                "cancelled".to_owned(),
            )
        } else if part.attempt >= attempts {
            let message = format!("given up after {} attempts: {why}", part.attempt);
            (PartStatus::Failed, part.attempt, message)
        } else {
            (PartStatus::Ready, part.attempt + 1, String::new())
        };
        let endless: bool = part.lease_until.is_none();
        let endless = endless.into_sql::<diesel::sql_types::Bool>();
        let same_lease = run_part::lease_until
            .eq(part.lease_until)
            .or(run_part::lease_until.is_null().and(endless));
        let lost = run_part::table
            .find(part.id)
            .filter(run_part::status.eq(PartStatus::Running))
            .filter(run_part::fence.eq(part.fence))
            .filter(same_lease);
        let taken = diesel::update(lost)
            .set((
                run_part::status.eq(status),
                run_part::attempt.eq(attempt),
                run_part::message.eq(text_kept(&message)),
                run_part::lease_until.eq(None::<Moment>),
                run_part::fence.eq(run_part::fence + 1),
            ))
            .execute(conn)?;
        if taken == 0 {
            return Ok(Offered::Not);
        }
        let again = status == PartStatus::Ready;
        let (level, end) = if again {
            (
                LogLevel::Warn,
                format!("offered again, attempt {attempt} of {attempts}"),
            )
        } else {
            (LogLevel::Error, message)
        };
        let line = format!("`{}`: {why}; {end}", part.target_repository);
        log_now(conn, part.run_id, level, line)?;
        if attempt > run.attempt {
            diesel::update(tasko_run::table.find(run.id))
                .set(tasko_run::attempt.eq(attempt))
                .execute(conn)?;
        }
        notify(conn, Topic::Queue)?;
        Ok(if again {
            Offered::Again
        } else {
            Offered::Ended
        })
    })
}

/// Gives a part back before its end, for any worker to go on with; that is no failed attempt.
pub fn part_release(conn: &mut DbConnection, lease: Lease, why: &str) -> Result<(), Error> {
    conn.write(|conn| {
        let part = part_hold(conn, lease)?;
        diesel::update(run_part::table.find(lease.part_id))
            .set((
                run_part::status.eq(PartStatus::Ready),
                run_part::lease_until.eq(None::<Moment>),
            ))
            .execute(conn)?;
        let line = format!("`{}`: {why}; offered again", part.target_repository);
        log_now(conn, lease.run_id, LogLevel::Warn, line)?;
        notify(conn, Topic::Queue)
    })
}

/// Writes what a part has done so far, and adds the difference to its run; at most once a second
/// is enough.
pub fn part_progress(
    conn: &mut DbConnection,
    lease: Lease,
    totals: &RunTotals,
) -> Result<(), Error> {
    conn.write(|conn| {
        part_hold(conn, lease)?;
        let before = part_totals(conn, lease.part_id)?;
        if before == *totals {
            return Ok(());
        }
        let part = run_part::table.find(lease.part_id);
        diesel::update(part)
            .set(totals_set!(*totals))
            .execute(conn)?;
        let run = tasko_run::table.find(lease.run_id);
        diesel::update(run)
            .set((
                tasko_run::selected.eq(tasko_run::selected + totals.selected - before.selected),
                tasko_run::copied.eq(tasko_run::copied + totals.copied - before.copied),
                tasko_run::updated.eq(tasko_run::updated + totals.updated - before.updated),
                tasko_run::skipped.eq(tasko_run::skipped + totals.skipped - before.skipped),
                tasko_run::deleted.eq(tasko_run::deleted + totals.deleted - before.deleted),
                tasko_run::blocked.eq(tasko_run::blocked + totals.blocked - before.blocked),
                tasko_run::failed.eq(tasko_run::failed + totals.failed - before.failed),
                tasko_run::bytes.eq(tasko_run::bytes + totals.bytes - before.bytes),
                tasko_run::blobs_copied
                    .eq(tasko_run::blobs_copied + totals.blobs_copied - before.blobs_copied),
                tasko_run::blobs_mounted
                    .eq(tasko_run::blobs_mounted + totals.blobs_mounted - before.blobs_mounted),
                tasko_run::warnings.eq(tasko_run::warnings + totals.warnings - before.warnings),
            ))
            .execute(conn)?;
        Ok(())
    })
}

/// Ends a part with its final totals; `message` is for what its results don't say.
pub fn part_end(
    conn: &mut DbConnection,
    lease: Lease,
    status: PartStatus,
    message: &str,
    totals: &RunTotals,
) -> Result<(), Error> {
    conn.write(|conn| {
        part_progress(conn, lease, totals)?;
        diesel::update(run_part::table.find(lease.part_id))
            .set((
                run_part::status.eq(status),
                run_part::message.eq(text_kept(message)),
                run_part::lease_until.eq(None::<Moment>),
            ))
            .execute(conn)?;
        Ok(())
    })
}

/// What a part has done so far.
pub fn part_totals(conn: &mut DbConnection, id: i64) -> Result<RunTotals, Error> {
    Ok(run_part::table
        .find(id)
        .select((
            run_part::selected,
            run_part::copied,
            run_part::updated,
            run_part::skipped,
            run_part::deleted,
            run_part::blocked,
            run_part::failed,
            run_part::bytes,
            run_part::blobs_copied,
            run_part::blobs_mounted,
            run_part::warnings,
        ))
        .first(conn)?)
}

/// Whether a part of the run waits or is worked on.
pub fn parts_left(conn: &mut DbConnection, run_id: i64) -> Result<bool, Error> {
    for status in [PartStatus::Running, PartStatus::Ready] {
        let left = run_part::table
            .filter(run_part::run_id.eq(run_id))
            .filter(run_part::status.eq(status))
            .order(run_part::number)
            .select(run_part::id);
        if left.first::<i64>(conn).optional()?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The messages of a run's parts that ended this way, at most `limit`, in their order; one of "" is
/// of a part that had nothing to say.
pub fn part_messages(
    conn: &mut DbConnection,
    run_id: i64,
    status: PartStatus,
    limit: i64,
) -> Result<Vec<String>, Error> {
    Ok(run_part::table
        .filter(run_part::run_id.eq(run_id))
        .filter(run_part::status.eq(status))
        .order(run_part::number)
        .limit(limit)
        .select(run_part::message)
        .load(conn)?)
}

/// Whether one of a run's parts ended this way, with these words.
pub fn part_says(
    conn: &mut DbConnection,
    run_id: i64,
    status: PartStatus,
    message: &str,
) -> Result<bool, Error> {
    let said = run_part::table
        .filter(run_part::run_id.eq(run_id))
        .filter(run_part::status.eq(status))
        .filter(run_part::message.eq(message));
    Ok(diesel::select(diesel::dsl::exists(said)).get_result(conn)?)
}

/// Refuses who doesn't hold the part; otherwise locks its run until the transaction ends.
pub(super) fn part_hold(conn: &mut DbConnection, lease: Lease) -> Result<Part, Error> {
    run_lock(conn, lease.run_id)?;
    let part: Option<Part> = run_part::table
        .find(lease.part_id)
        .filter(run_part::fence.eq(lease.fence))
        .filter(run_part::status.eq(PartStatus::Running))
        .select(Part::as_select())
        .first(conn)
        .optional()?;
    part.ok_or(Error::FenceLost {
        run_id: lease.run_id,
        fence: lease.fence,
    })
}

/// When a lease that begins at `start` runs out.
pub(super) fn lease_end(start: Moment, lease_time: Duration) -> Moment {
    TimeDelta::from_std(lease_time)
        .ok()
        .and_then(|delta| start.checked_add_signed(delta))
        .unwrap_or(Moment::MAX)
}
