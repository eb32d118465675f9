//! Runs: the queue, and what came of each run.
//!
//! A run is begun by writing down its parts (see [`super::part`]), which workers then claim one by
//! one. It ends when the last of its parts has ended. Whoever changes a run or its parts locks the
//! run's row first, so that nobody waits for another in a circle.

use super::part::{PartStatus, parts_insert};
use crate::store::base::channel::{Topic, notify};
use crate::store::base::storable::{name_kept, text_kept};
use crate::store::projects::project::project_lock;
use crate::store::schema::{run_part, sync_project, tasko_run};
use crate::store::trail::notification::notification_add_on_change;
use crate::store::{DbConnection, Error, Moment, now};
use diesel::prelude::*;

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

/// The bunch that runs a project.
pub const SYNC_BUNCH: &str = "image-registry-sync-bunch";
/// Its task.
pub const SYNC_TASK: &str = "image-registry-sync-task";

/// A run as stored.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = tasko_run)]
#[allow(missing_docs)] // the fields are the columns
pub struct Run {
    pub id: i64,
    /// `None`: asked for by a person.
    pub schedule_id: Option<i64>,
    pub bunch: String,
    pub task: String,
    /// `None`: the whole server's.
    pub org_id: Option<i64>,
    /// `None`: house-keeping.
    pub project_id: Option<i64>,
    /// As it was called when the run was asked for.
    pub project_label: String,
    pub status: RunStatus,
    pub trigger_kind: RunTrigger,
    /// The run whose failed tags it tries again, as long as that one is kept.
    pub retry_of: Option<i64>,
    pub fire_time: Moment,
    pub start_time: Option<Moment>,
    pub end_time: Option<Moment>,
    /// Which one began it.
    pub worker: Option<String>,
    /// 1 for the first try; of the part that was tried most.
    pub attempt: i64,
    pub cancel_requested: bool,
    pub message: String,
    #[diesel(embed)]
    pub totals: RunTotals,
}

impl Run {
    /// The organisation and the project that it is of; `None` for house-keeping.
    pub fn project(&self) -> Option<(i64, i64)> {
        self.org_id.zip(self.project_id)
    }
}

/// What a run, or a part of one, has done so far. `bytes` and `warnings`
/// aside, all of it counts tags or blobs.
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
    pub warnings: i64,
}

/// A run to be put into the queue.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct NewRun<'a> {
    pub org_id: i64,
    pub project_id: i64,
    pub project_label: &'a str,
    pub trigger: RunTrigger,
    /// The run whose failed tags it is to try again.
    pub retry_of: Option<i64>,
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
                tasko_run::bunch.eq(SYNC_BUNCH),
                tasko_run::task.eq(SYNC_TASK),
                tasko_run::org_id.eq(new.org_id),
                tasko_run::project_id.eq(new.project_id),
                tasko_run::project_label.eq(name_kept(new.project_label)),
                tasko_run::status.eq(RunStatus::Ready),
                tasko_run::trigger_kind.eq(new.trigger),
                tasko_run::retry_of.eq(new.retry_of),
                tasko_run::fire_time.eq(clock(conn)?),
                tasko_run::attempt.eq(1),
                tasko_run::cancel_requested.eq(false),
                tasko_run::message.eq(""),
            ),
            RunTotals::default(),
        );
        let insert = diesel::insert_into(tasko_run::table)
            .values(row)
            .returning(tasko_run::id);
        let id = on_backend!(&mut *conn, c => insert.get_result(c))?;
        notify(conn, Topic::Queue)?;
        Ok(Enqueued::Run(id))
    })
}

/// The first run that waits and would do the same as `new`.
pub fn run_queued(conn: &mut DbConnection, new: &NewRun<'_>) -> Result<Option<i64>, Error> {
    let waiting: Vec<Run> = tasko_run::table
        .filter(tasko_run::project_id.eq(new.project_id))
        .filter(tasko_run::org_id.eq(new.org_id))
        .filter(tasko_run::status.eq(RunStatus::Ready))
        .order(tasko_run::id)
        .select(Run::as_select())
        .load(conn)?;
    let same = |run: &&Run| run.retry_of == new.retry_of && run.trigger_kind == new.trigger;
    Ok(waiting.iter().find(same).map(|run| run.id))
}

/// What may not be begun now, since enough of its kind is worked on.
#[derive(Clone, Debug, Default)]
pub struct Barred {
    /// Organisations.
    pub orgs: Vec<i64>,
    /// Image stores, as source or as target.
    pub stores: Vec<i64>,
}

/// The longest-waiting run that isn't barred and whose project isn't running; locked until the
/// transaction ends. Only the first waiting run of a project counts: otherwise two claimers could
/// take two of one project.
pub fn run_waiting(conn: &mut DbConnection, barred: &Barred) -> Result<Option<Run>, Error> {
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
    on_backend!(conn, c => {
        let waiting = tasko_run::table
            // HousekeepingLease-keeping has no project, and is claimed by `house_run`.
            .inner_join(sync_project::table)
            .filter(tasko_run::status.eq(RunStatus::Ready))
            .filter(tasko_run::org_id.ne_all(&barred.orgs))
            .filter(sync_project::src_store_id.ne_all(&barred.stores))
            .filter(sync_project::dest_store_id.ne_all(&barred.stores))
            .filter(diesel::dsl::not(diesel::dsl::exists(in_the_way)))
            .order(tasko_run::id)
            .limit(1)
            .select(Run::as_select());
        Ok(waiting.first(c).optional()?)
    })
}

/// The runs under way that aren't barred and of which a part waits for a worker, oldest first.
pub fn runs_open(conn: &mut DbConnection, barred: &Barred) -> Result<Vec<Run>, Error> {
    let waits = run_part::table
        .filter(run_part::run_id.eq(tasko_run::id))
        .filter(run_part::status.eq(PartStatus::Ready));
    on_backend!(conn, c => {
        Ok(tasko_run::table
            .inner_join(sync_project::table)
            .filter(tasko_run::status.eq(RunStatus::Running))
            .filter(tasko_run::org_id.ne_all(&barred.orgs))
            .filter(sync_project::src_store_id.ne_all(&barred.stores))
            .filter(sync_project::dest_store_id.ne_all(&barred.stores))
            .filter(diesel::dsl::exists(waits))
            .order(tasko_run::id)
            .select(Run::as_select())
            .load(c)?)
    })
}

/// Begins a run that waits: `places` become its parts, in their order. `false` where it doesn't
/// wait any more.
pub fn run_begin(
    conn: &mut DbConnection,
    id: i64,
    worker: &str,
    places: &[String],
) -> Result<bool, Error> {
    conn.write(|conn| {
        let time = clock(conn)?;
        let begun = diesel::update(tasko_run::table.find(id))
            .filter(tasko_run::status.eq(RunStatus::Ready))
            .set((
                tasko_run::status.eq(RunStatus::Running),
                tasko_run::worker.eq(worker),
                tasko_run::start_time.eq(time),
            ))
            .execute(conn)?;
        if begun == 1 {
            parts_insert(conn, id, places)?;
            notify(conn, Topic::Queue)?;
        }
        Ok(begun == 1)
    })
}

/// Ends a run that waits or is under way, with a sentence that says what came of it. `false` where
/// it had ended before.
pub fn run_end(
    conn: &mut DbConnection,
    id: i64,
    status: RunStatus,
    message: &str,
) -> Result<bool, Error> {
    conn.write(|conn| {
        let time = clock(conn)?;
        let alive = tasko_run::status.eq(RunStatus::Ready);
        let alive = alive.or(tasko_run::status.eq(RunStatus::Running));
        let ended = diesel::update(tasko_run::table.find(id))
            .filter(alive)
            .set((
                tasko_run::status.eq(status),
                tasko_run::message.eq(text_kept(message)),
                tasko_run::end_time.eq(time),
            ))
            .execute(conn)?;
        if ended == 1 {
            notification_add_on_change(conn, id)?;
        }
        // Another run of the project may have waited for that.
        notify(conn, Topic::Queue)?;
        Ok(ended == 1)
    })
}

/// Holds a run until the transaction ends; `None` where there is none. SQLite's write transactions
/// are alone anyway.
pub fn run_lock(conn: &mut DbConnection, id: i64) -> Result<Option<Run>, Error> {
    let run = tasko_run::table.find(id);
    Ok(match conn {
        DbConnection::Postgres(c) => {
            let run = run.select(Run::as_select()).for_update();
            run.first(c).optional()?
        }
        DbConnection::Sqlite(c) => run.select(Run::as_select()).first(c).optional()?,
    })
}

/// Whether a run is an organisation's or, where that is `None`, the whole server's.
#[diesel::dsl::auto_type(no_type_alias)]
pub(super) fn is_owned_by(org_id: Option<i64>) -> _ {
    let of_server: bool = org_id.is_none();
    let server = tasko_run::org_id
        .is_null()
        .and(of_server.into_sql::<diesel::sql_types::Bool>());
    tasko_run::org_id.eq(org_id).or(server)
}

/// Finds a run of an organisation or, where that is `None`, of the whole server by its id.
pub fn run_get(
    conn: &mut DbConnection,
    org_id: impl Into<Option<i64>>,
    id: i64,
) -> Result<Option<Run>, Error> {
    Ok(tasko_run::table
        .find(id)
        .filter(is_owned_by(org_id.into()))
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

/// The database's clock: leases are compared by all nodes, whose own clocks may differ. SQLite
/// has one node.
pub fn clock(conn: &mut DbConnection) -> Result<Moment, Error> {
    match conn {
        DbConnection::Postgres(c) => Ok(diesel::select(clock_sql()).get_result(c)?),
        DbConnection::Sqlite(_) => Ok(now()),
    }
}

/// PostgreSQL's clock, as a part of a statement.
pub(in crate::store) fn clock_sql() -> diesel::expression::SqlLiteral<diesel::sql_types::Timestamp>
{
    diesel::dsl::sql("(clock_timestamp() AT TIME ZONE 'UTC')")
}
