//! Runs, as stored. Changing a run or its parts requires locking the run's row first, to avoid
//! deadlocks.

use crate::store::schema::tasko_run;
use crate::store::{DbConnection, Error, Moment};
use diesel::prelude::*;

text_enum! {
    /// The status of a run.
    RunStatus {
        /// Waits for a worker.
        Ready => "READY",
        /// A worker holds it.
        Running => "RUNNING",
        /// Ended, nothing failed.
        Finished => "FINISHED",
        /// Ended, something failed.
        Failed => "FAILED",
        /// Not started, because another run was in progress.
        Skipped => "SKIPPED",
        /// Stopped before its end.
        Interrupted => "INTERRUPTED",
    }
}

text_enum! {
    /// Why a run was queued.
    RunTrigger {
        /// Started manually.
        Manual => "manual",
        /// A schedule fired.
        Schedule => "schedule",
        /// A retry of an earlier run.
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
    /// `None`: started manually.
    pub schedule_id: Option<i64>,
    pub bunch: String,
    pub task: String,
    /// `None`: the whole server.
    pub org_id: Option<i64>,
    /// `None`: housekeeping.
    pub project_id: Option<i64>,
    /// The project's label when the run was queued.
    pub project_label: String,
    pub status: RunStatus,
    pub trigger_kind: RunTrigger,
    /// The run whose failed tags it retries, as long as that one exists.
    pub retry_of: Option<i64>,
    /// The kept plan that it copies, which may be gone.
    pub plan_id: Option<i64>,
    pub fire_time: Moment,
    pub start_time: Option<Moment>,
    pub end_time: Option<Moment>,
    /// The worker that started it.
    pub worker: Option<String>,
    /// 1 for the first attempt; the maximum over its parts.
    pub attempt: i64,
    pub cancel_requested: bool,
    pub message: String,
    /// Deletes beyond the limit are permitted.
    pub force: bool,
    #[diesel(embed)]
    pub totals: RunTotals,
}

impl Run {
    /// Its organisation and project; `None` for housekeeping.
    pub fn project(&self) -> Option<(i64, i64)> {
        self.org_id.zip(self.project_id)
    }
}

/// What a run or part has done so far. Except for `bytes` and `warnings`, everything counts tags or
/// blobs.
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

/// Locks a run until the transaction ends; `None` if there is none. SQLite's write transactions are
/// exclusive anyway.
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

/// Whether a run belongs to an organisation or, if `None`, to the whole server.
#[diesel::dsl::auto_type(no_type_alias)]
pub(super) fn is_owned_by(org_id: Option<i64>) -> _ {
    let of_server: bool = org_id.is_none();
    let server = tasko_run::org_id
        .is_null()
        .and(of_server.into_sql::<diesel::sql_types::Bool>());
    tasko_run::org_id.eq(org_id).or(server)
}

/// Finds a run of an organisation or, if `None`, of the whole server by its id.
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

/// At most `limit` runs of a project with an id below `before_id` (`i64::MAX` for the latest),
/// latest first.
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

/// The running run of a project, or else its first waiting one.
pub fn run_active(
    conn: &mut DbConnection,
    org_id: i64,
    project_id: i64,
) -> Result<Option<Run>, Error> {
    // One statement: between two, a claim could change a run's status.
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
