//! The parts of a run, as stored.
//!
//! The holder of a part has its [`Lease`]. Every write names the lease's fence; it is refused with
//! [`Error::FenceLost`] if the fence was raised meanwhile, or the part ended or was deleted.

use super::run::{RunTotals, run_lock};
use crate::store::base::storable::STATEMENT_ROWS;
use crate::store::schema::{run_part, sync_project, tasko_run};
use crate::store::{DbConnection, Error, Moment};
use diesel::prelude::*;

text_enum! {
    /// The status of a part.
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

/// A part as stored, except for its totals.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = run_part)]
#[allow(missing_docs)] // the fields are the columns
pub struct Part {
    pub id: i64,
    pub run_id: i64,
    /// 1 for the first part of the run.
    pub number: i64,
    /// The target place of its items.
    pub target_repository: String,
    pub status: PartStatus,
    pub worker: Option<String>,
    pub lease_until: Option<Moment>,
    pub fence: i64,
    /// 1 for the first attempt.
    pub attempt: i64,
    pub message: String,
}

impl Part {
    /// What a worker holds.
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
    /// The part's fence at the time of the claim.
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

/// What a worker holds according to the database.
#[derive(Clone, Debug, PartialEq, Queryable)]
pub struct HeldPart {
    /// The part.
    pub part: Part,
    /// Whether the run should end.
    pub cancel_requested: bool,
}

/// All parts that name `worker` as their worker.
pub fn parts_held(conn: &mut DbConnection, worker: &str) -> Result<Vec<HeldPart>, Error> {
    Ok(run_part::table
        .inner_join(tasko_run::table)
        .filter(run_part::status.eq(PartStatus::Running))
        .filter(run_part::worker.eq(worker))
        .select((Part::as_select(), tasko_run::cancel_requested))
        .load(conn)?)
}

/// A running part of any worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable)]
pub struct RunningPart {
    /// The run that it belongs to.
    pub run_id: i64,
    /// The run's organisation.
    pub org_id: i64,
    /// The source store.
    pub src_store_id: i64,
    /// The target store.
    pub dest_store_id: i64,
}

/// All running parts of projects.
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

/// A running part with its names, for output.
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

/// All running parts, oldest run first.
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

/// All running parts of `worker`, or of all workers.
pub fn parts_of(conn: &mut DbConnection, worker: Option<&str>) -> Result<Vec<Part>, Error> {
    let running = run_part::table
        .filter(run_part::status.eq(PartStatus::Running))
        .select(Part::as_select());
    Ok(match worker {
        Some(worker) => running.filter(run_part::worker.eq(worker)).load(conn)?,
        None => running.load(conn)?,
    })
}

/// The part's totals so far.
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

/// Whether a part of the run is waiting or running.
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

/// The messages of a run's parts that ended with this status, at most `limit`, in order; "" is from
/// a part that had nothing to report.
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

/// Whether one of a run's parts ended with this status and message.
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

/// Err unless the caller holds the part; otherwise locks its run until the transaction ends.
pub(in crate::store) fn part_hold(conn: &mut DbConnection, lease: Lease) -> Result<Part, Error> {
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
