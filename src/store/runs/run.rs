//! Runs, as they are stored. Whoever changes a run or its parts locks the run's row first, so that nobody waits
//! for another in a circle.

use crate::store::schema::tasko_run;
use crate::store::{DbConnection, Error, Moment};
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
