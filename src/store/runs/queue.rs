//! The queue of runs: how one is queued, started and ended.
//!
//! Starting a run creates its parts (see [`super::part`]), which workers then claim one by one. It ends
//! when its last part has ended.

use super::part::{PartStatus, parts_insert};
use super::run::{Run, RunStatus, RunTotals, RunTrigger, SYNC_BUNCH, SYNC_TASK, run_active};
use crate::store::base::channel::{Topic, notify};
use crate::store::base::clock::clock;
use crate::store::base::storable::{name_kept, text_kept};
use crate::store::projects::item::BY_PATTERN;
use crate::store::projects::project::project_lock;
use crate::store::schema::{run_catalogue, run_part, sync_item, sync_project, tasko_run};
use crate::store::trail::notification::notification_add_on_change;
use crate::store::{DbConnection, Error};
use diesel::prelude::*;

/// A run to queue.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct NewRun<'a> {
    pub org_id: i64,
    pub project_id: i64,
    pub project_label: &'a str,
    pub trigger: RunTrigger,
    /// The run whose failed tags it retries.
    pub retry_of: Option<i64>,
    /// The kept plan that it copies.
    pub plan_id: Option<i64>,
    /// Permits deletes beyond the project's limit.
    pub force: bool,
}

/// The result of [`run_enqueue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// The new run's id.
    Run(i64),
    /// The id of the project's run that is already waiting or running.
    Busy(i64),
    /// There is no such project.
    NoProject,
}

/// Queues a run. Refused if a run of the project is already waiting or running, unless
/// `behind_others`.
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
                tasko_run::plan_id.eq(new.plan_id),
                tasko_run::fire_time.eq(clock(conn)?),
                tasko_run::attempt.eq(1),
                tasko_run::cancel_requested.eq(false),
                tasko_run::message.eq(""),
                tasko_run::force.eq(new.force),
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

/// The first waiting run that would do the same as `new`.
pub fn run_queued(conn: &mut DbConnection, new: &NewRun<'_>) -> Result<Option<i64>, Error> {
    let waiting: Vec<Run> = tasko_run::table
        .filter(tasko_run::project_id.eq(new.project_id))
        .filter(tasko_run::org_id.eq(new.org_id))
        .filter(tasko_run::status.eq(RunStatus::Ready))
        .order(tasko_run::id)
        .select(Run::as_select())
        .load(conn)?;
    let same = |run: &&Run| {
        run.retry_of == new.retry_of
            && run.plan_id == new.plan_id
            && run.force == new.force
            && run.trigger_kind == new.trigger
    };
    Ok(waiting.iter().find(same).map(|run| run.id))
}

/// What may not be started now, because its limit is reached.
#[derive(Clone, Debug, Default)]
pub struct Barred {
    /// Organisations.
    pub orgs: Vec<i64>,
    /// Image stores, as source or as target.
    pub stores: Vec<i64>,
}

/// Of a query of waiting runs and their projects, those that nothing is in the way of. Only the first
/// waiting run of a project counts, or two claimers could take two of one project.
macro_rules! startable {
    ($barred:expr) => {{
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
        tasko_run::table
            // Housekeeping has no project and is claimed separately.
            .inner_join(sync_project::table)
            .filter(tasko_run::status.eq(RunStatus::Ready))
            .filter(tasko_run::org_id.ne_all(&$barred.orgs))
            .filter(sync_project::src_store_id.ne_all(&$barred.stores))
            .filter(sync_project::dest_store_id.ne_all(&$barred.stores))
            .filter(diesel::dsl::not(diesel::dsl::exists(in_the_way)))
            .order(tasko_run::id)
            .limit(1)
            .select(Run::as_select())
    }};
}

/// Whether a run has no catalogue yet although its project names repositories by pattern.
macro_rules! lacks_catalogue {
    () => {
        // A kept plan names its repositories.
        tasko_run::plan_id
            .is_null()
            .and(diesel::dsl::exists(
                sync_item::table
                    .filter(sync_item::project_id.nullable().eq(tasko_run::project_id))
                    .filter(sync_item::repository.eq(BY_PATTERN)),
            ))
            .and(diesel::dsl::not(diesel::dsl::exists(
                run_catalogue::table.filter(run_catalogue::run_id.eq(tasko_run::id)),
            )))
    };
}

/// The longest-waiting run that isn't barred, whose project isn't running and which has its
/// catalogue if it needs one; locked until the transaction ends.
pub fn run_waiting(conn: &mut DbConnection, barred: &Barred) -> Result<Option<Run>, Error> {
    on_backend!(conn, c => {
        let waiting = startable!(barred).filter(diesel::dsl::not(lacks_catalogue!()));
        Ok(waiting.first(c).optional()?)
    })
}

/// Whether a waiting run has no catalogue yet although it needs one.
pub fn run_lacks_catalogue(conn: &mut DbConnection, id: i64) -> Result<bool, Error> {
    let lacks = tasko_run::table
        .find(id)
        .filter(tasko_run::status.eq(RunStatus::Ready))
        .filter(lacks_catalogue!());
    let found = lacks.select(tasko_run::id).first::<i64>(conn).optional()?;
    Ok(found.is_some())
}

/// The longest-waiting run that could start if it had its catalogue; none of `others`.
pub fn run_without_catalogue(
    conn: &mut DbConnection,
    barred: &Barred,
    others: &[i64],
) -> Result<Option<Run>, Error> {
    on_backend!(conn, c => {
        let waiting = startable!(barred)
            .filter(tasko_run::id.ne_all(others))
            .filter(lacks_catalogue!());
        Ok(waiting.first(c).optional()?)
    })
}

/// The runs in progress that aren't barred and have a waiting part, oldest first.
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

/// Starts a waiting run: `places` become its parts, in order. `false` if it is no longer waiting.
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

/// Ends a waiting or running run, with a message about its result. `false` if it had already ended.
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
        // Another run of the project may have been waiting for this.
        notify(conn, Topic::Queue)?;
        Ok(ended == 1)
    })
}
