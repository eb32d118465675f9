//! The statements by which the scheduler creates runs of schedules that are due.
//!
//! All of them handle many rows at once: a thousand schedules may be due in the same second.

use super::schedule::{Schedule, is_active};
use crate::store::base::channel::{Topic, notify};
use crate::store::base::storable::{STATEMENT_ROWS, text_kept};
use crate::store::runs::run::{RunStatus, RunTotals, RunTrigger};
use crate::store::schema::{sync_project, tasko_run, tasko_schedule, tasko_template};
use crate::store::{DbConnection, Error, Moment};
use diesel::prelude::*;
use std::collections::HashMap;

/// Maximum number of schedules that one transaction holds.
pub const HELD_AT_ONCE: i64 = 500;
/// Replaces values of a row that can't be read.
const UNREADABLE: &str = "unreadable";

/// Schedules that were read; a row that can't be read is named with the reason.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The rows.
    pub schedules: Vec<Schedule>,
    /// Id and reason.
    pub unreadable: Vec<(i64, String)>,
}

/// A project at the time its schedule fires.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
#[allow(missing_docs)] // the fields are the columns
pub struct FiringProject {
    pub id: i64,
    pub org_id: i64,
    pub label: String,
    pub enabled: bool,
}

/// A waiting or running run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusyRun {
    /// Its id.
    pub id: i64,
    /// READY or RUNNING.
    pub status: RunStatus,
}

/// A run to create for a fire time.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Fire {
    pub schedule_id: i64,
    pub fire_time: Moment,
    pub bunch: String,
    pub task: String,
    pub org_id: Option<i64>,
    pub project_id: Option<i64>,
    pub project_label: String,
    /// Why it is skipped; if `None`, it waits for a worker.
    pub skipped: Option<String>,
}

/// When a schedule fires next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// At this time of its line; the run is created at the other.
    At {
        /// The time from the cron line.
        fire: Moment,
        /// When the run is created.
        due: Moment,
    },
    /// Never again: it ended at this time.
    Over(Moment),
}

/// Whether a schedule is due. Also true if its time can't be read.
pub fn is_any_due(conn: &mut DbConnection, now: Moment) -> Result<bool, Error> {
    let due: Option<i64> = tasko_schedule::table
        .filter(tasko_schedule::due_time.le(now))
        .order(tasko_schedule::due_time)
        .select(tasko_schedule::id)
        .first(conn)
        .optional()?;
    Ok(due.is_some())
}

/// When the next schedule is due.
pub fn next_due(conn: &mut DbConnection) -> Result<Option<Moment>, Error> {
    Ok(tasko_schedule::table
        .filter(tasko_schedule::due_time.is_not_null())
        .order(tasko_schedule::due_time)
        .select(tasko_schedule::due_time.assume_not_null())
        .first(conn)
        .optional()?)
}

/// At most `limit` schedules that are due, locked until the transaction ends; those locked by
/// another node are skipped.
pub fn due_hold(conn: &mut DbConnection, now: Moment, limit: i64) -> Result<Loaded, Error> {
    let due = tasko_schedule::table
        .filter(tasko_schedule::due_time.le(now))
        .order(tasko_schedule::due_time)
        .limit(limit)
        .select(tasko_schedule::id);
    let ids: Vec<i64> = match conn {
        DbConnection::Postgres(c) => due.for_update().skip_locked().load(c)?,
        DbConnection::Sqlite(c) => due.load(c)?,
    };
    schedules_load(conn, ids)
}

/// At most `limit` schedules with an id above `after_id` that haven't ended and aren't disabled, by
/// id, locked like in [`due_hold`].
pub fn active_hold(
    conn: &mut DbConnection,
    now: Moment,
    after_id: i64,
    limit: i64,
) -> Result<Loaded, Error> {
    let active = tasko_schedule::table
        .filter(tasko_schedule::id.gt(after_id))
        .filter(tasko_schedule::disabled_reason.is_null())
        .filter(is_active(now))
        .order(tasko_schedule::id)
        .limit(limit)
        .select(tasko_schedule::id);
    let ids: Vec<i64> = match conn {
        DbConnection::Postgres(c) => active.for_update().skip_locked().load(c)?,
        DbConnection::Sqlite(c) => active.load(c)?,
    };
    schedules_load(conn, ids)
}

/// Reads all at once; if that fails, one by one, so that one bad row doesn't affect others.
fn schedules_load(conn: &mut DbConnection, ids: Vec<i64>) -> Result<Loaded, Error> {
    let all = tasko_schedule::table
        .filter(tasko_schedule::id.eq_any(&ids))
        .select(Schedule::as_select())
        .load(conn);
    match all {
        Ok(mut schedules) => {
            schedules.sort_by_key(|row: &Schedule| (row.due_time, row.id));
            return Ok(Loaded {
                schedules,
                unreadable: Vec::new(),
            });
        }
        Err(diesel::result::Error::DeserializationError(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let mut loaded = Loaded::default();
    for id in ids {
        let one = tasko_schedule::table.find(id).select(Schedule::as_select());
        match one.first(conn).optional() {
            Ok(found) => loaded.schedules.extend(found),
            Err(diesel::result::Error::DeserializationError(reason)) => {
                loaded
                    .unreadable
                    .push((id, format!("a value can't be read: {reason}")));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(loaded)
}

/// The projects of these ids, locked against deletion until the transaction ends. A project that is
/// being changed is skipped rather than waited for: its deletion waits for its schedules, which we
/// have locked.
pub fn projects_hold(
    conn: &mut DbConnection,
    ids: &[i64],
) -> Result<HashMap<i64, FiringProject>, Error> {
    let rows = sync_project::table
        .filter(sync_project::id.eq_any(ids))
        .select((
            sync_project::id,
            sync_project::org_id,
            sync_project::label,
            sync_project::enabled,
        ));
    let rows: Vec<FiringProject> = match conn {
        DbConnection::Postgres(c) => rows.for_key_share().skip_locked().load(c)?,
        DbConnection::Sqlite(c) => rows.load(c)?,
    };
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// For each of these projects the run that blocks another: the running one, or else the first
/// waiting one.
pub fn projects_busy(conn: &mut DbConnection, ids: &[i64]) -> Result<HashMap<i64, BusyRun>, Error> {
    let rows: Vec<(Option<i64>, i64, RunStatus)> = tasko_run::table
        .filter(tasko_run::project_id.eq_any(ids))
        .filter(tasko_run::status.eq_any(GOING))
        .select((tasko_run::project_id, tasko_run::id, tasko_run::status))
        .load(conn)?;
    let rows = rows
        .into_iter()
        .filter_map(|(project, id, status)| Some((project?, BusyRun { id, status })));
    Ok(first_of_each(rows))
}

/// The same for each housekeeping bunch.
pub fn bunches_busy(conn: &mut DbConnection) -> Result<HashMap<String, BusyRun>, Error> {
    let rows: Vec<(String, i64, RunStatus)> = tasko_run::table
        .filter(tasko_run::status.eq_any(GOING))
        .filter(tasko_run::project_id.is_null())
        .select((tasko_run::bunch, tasko_run::id, tasko_run::status))
        .load(conn)?;
    let rows = rows
        .into_iter()
        .map(|(bunch, id, status)| (bunch, BusyRun { id, status }));
    Ok(first_of_each(rows))
}

/// A run that blocks another.
const GOING: [RunStatus; 2] = [RunStatus::Running, RunStatus::Ready];

fn first_of_each<K: std::hash::Hash + Eq>(
    rows: impl Iterator<Item = (K, BusyRun)>,
) -> HashMap<K, BusyRun> {
    let rank = |run: &BusyRun| (run.status != RunStatus::Running, run.id);
    let mut first: HashMap<K, BusyRun> = HashMap::new();
    for (key, run) in rows {
        let known = first.entry(key).or_insert(run);
        if rank(&run) < rank(known) {
            *known = run;
        }
    }
    first
}

/// The task of each bunch.
pub fn bunch_tasks(conn: &mut DbConnection) -> Result<HashMap<String, String>, Error> {
    Ok(tasko_template::table
        .order((tasko_template::bunch, tasko_template::ordering.desc()))
        .select((tasko_template::bunch, tasko_template::task))
        .load::<(String, String)>(conn)?
        .into_iter()
        .collect())
}

/// Creates the runs, and returns how many are new: a fire time that already has its run gets no
/// second one. `now` is the end time of skipped runs.
pub fn fires_insert(conn: &mut DbConnection, now: Moment, fires: &[Fire]) -> Result<usize, Error> {
    let mut made = 0;
    for batch in fires.chunks(STATEMENT_ROWS) {
        match &mut *conn {
            DbConnection::Postgres(c) => {
                let rows: Vec<_> = batch.iter().map(|fire| FireRow::of(fire, now)).collect();
                made += diesel::insert_into(tasko_run::table)
                    .values(rows)
                    .on_conflict((tasko_run::schedule_id, tasko_run::fire_time))
                    .do_nothing()
                    .execute(c)?;
            }
            // Diesel has no such multi-row insert here, and on SQLite single ones cost no round
            // trip.
            DbConnection::Sqlite(c) => {
                for fire in batch {
                    made += diesel::insert_into(tasko_run::table)
                        .values(FireRow::of(fire, now))
                        .on_conflict((tasko_run::schedule_id, tasko_run::fire_time))
                        .do_nothing()
                        .execute(c)?;
                }
            }
        }
    }
    if made > 0 {
        notify(conn, Topic::Queue)?;
    }
    Ok(made)
}

#[derive(Insertable)]
#[diesel(table_name = tasko_run)]
struct FireRow<'a> {
    schedule_id: i64,
    fire_time: Moment,
    bunch: &'a str,
    task: &'a str,
    org_id: Option<i64>,
    project_id: Option<i64>,
    project_label: &'a str,
    status: RunStatus,
    end_time: Option<Moment>,
    message: &'a str,
    trigger_kind: RunTrigger,
    attempt: i64,
    cancel_requested: bool,
    #[diesel(embed)]
    totals: RunTotals,
}

impl<'a> FireRow<'a> {
    fn of(fire: &'a Fire, now: Moment) -> Self {
        Self {
            schedule_id: fire.schedule_id,
            fire_time: fire.fire_time,
            bunch: &fire.bunch,
            task: &fire.task,
            org_id: fire.org_id,
            project_id: fire.project_id,
            project_label: &fire.project_label,
            status: match fire.skipped {
                None => RunStatus::Ready,
                Some(_) => RunStatus::Skipped,
            },
            end_time: fire.skipped.as_ref().map(|_| now),
            message: fire.skipped.as_deref().unwrap_or_default(),
            trigger_kind: RunTrigger::Schedule,
            attempt: 1,
            cancel_requested: false,
            totals: RunTotals::default(),
        }
    }
}

/// Writes when schedules fire next.
pub fn next_set(conn: &mut DbConnection, next: &[(i64, Next)]) -> Result<(), Error> {
    match conn {
        DbConnection::Postgres(c) => {
            for batch in next.chunks(STATEMENT_ROWS) {
                next_set_postgres(c, batch)?;
            }
        }
        DbConnection::Sqlite(c) => {
            for (id, next) in next {
                let row = tasko_schedule::table.find(id);
                match next {
                    Next::At { fire, due } => diesel::update(row)
                        .set((
                            tasko_schedule::next_fire.eq(fire),
                            tasko_schedule::due_time.eq(due),
                        ))
                        .execute(c)?,
                    Next::Over(time) => diesel::update(row)
                        .set((
                            tasko_schedule::next_fire.eq(None::<Moment>),
                            tasko_schedule::due_time.eq(None::<Moment>),
                            tasko_schedule::active_till.eq(time),
                        ))
                        .execute(c)?,
                };
            }
        }
    }
    Ok(())
}

/// One statement for all of them: over a network a thousand would be slow.
fn next_set_postgres(conn: &mut PgConnection, next: &[(i64, Next)]) -> Result<(), Error> {
    use diesel::sql_types::{Array, BigInt, Nullable, Timestamp};
    const STATEMENT: &str = "UPDATE tasko_schedule SET next_fire = n.fire, due_time = n.due, \
         active_till = coalesce(n.over, active_till) \
         FROM unnest($1::bigint[], $2::timestamp[], $3::timestamp[], $4::timestamp[]) AS n (id, fire, due, over) WHERE tasko_schedule.id = n.id";
    let ids: Vec<i64> = next.iter().map(|(id, _)| *id).collect();
    let times = |of: fn(&Next) -> Option<Moment>| -> Vec<Option<Moment>> {
        next.iter().map(|(_, next)| of(next)).collect()
    };
    let fires = times(|next| match next {
        Next::At { fire, .. } => Some(*fire),
        Next::Over(_) => None,
    });
    let dues = times(|next| match next {
        Next::At { due, .. } => Some(*due),
        Next::Over(_) => None,
    });
    let overs = times(|next| match next {
        Next::At { .. } => None,
        Next::Over(time) => Some(*time),
    });
    diesel::sql_query(STATEMENT)
        .bind::<Array<BigInt>, _>(ids)
        .bind::<Array<Nullable<Timestamp>>, _>(fires)
        .bind::<Array<Nullable<Timestamp>>, _>(dues)
        .bind::<Array<Nullable<Timestamp>>, _>(overs)
        .execute(conn)?;
    Ok(())
}

/// Disables a schedule, and records why. Values that can't be read are replaced, so that the row
/// can be listed.
pub fn schedule_disable(
    conn: &mut DbConnection,
    id: i64,
    now: Moment,
    reason: &str,
) -> Result<(), Error> {
    diesel::update(tasko_schedule::table.find(id))
        .set((
            tasko_schedule::disabled_reason.eq(text_kept(reason)),
            tasko_schedule::next_fire.eq(None::<Moment>),
            tasko_schedule::due_time.eq(None::<Moment>),
        ))
        .execute(conn)?;
    let row = tasko_schedule::table.find(id).select(Schedule::as_select());
    if row.first(conn).is_ok() {
        return Ok(());
    }
    diesel::update(tasko_schedule::table.find(id))
        .set((
            tasko_schedule::job_label.eq(format!("{UNREADABLE}-{id}")),
            tasko_schedule::cron_expr.eq(UNREADABLE),
            tasko_schedule::data.eq("{}"),
            tasko_schedule::active_from.eq(now),
            tasko_schedule::active_till.eq(None::<Moment>),
        ))
        .execute(conn)?;
    Ok(())
}
