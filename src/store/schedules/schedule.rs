//! Schedules: which bunch runs when, and the available bunches. Firing is in [`super::fire`].

use crate::store::base::clock::clock;
use crate::store::schema::{sync_project, tasko_bunch, tasko_schedule, tasko_template};
use crate::store::{DbConnection, Error, Moment};
use diesel::prelude::*;
use std::collections::HashMap;

/// A schedule as stored.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = tasko_schedule)]
#[allow(missing_docs)] // the fields are the columns
pub struct Schedule {
    pub id: i64,
    /// `None`: the whole server.
    pub org_id: Option<i64>,
    pub job_label: String,
    pub bunch: String,
    pub project_id: Option<i64>,
    /// Empty: once.
    pub cron_expr: String,
    /// JSON.
    pub data: String,
    pub active_from: Moment,
    /// In the past: it has ended.
    pub active_till: Option<Moment>,
    /// The next time of the cron line.
    pub next_fire: Option<Moment>,
    /// When the run is created: the same, or later by the jitter.
    pub due_time: Option<Moment>,
    /// Why it is disabled.
    pub disabled_reason: Option<String>,
}

impl Schedule {
    /// Whether it hasn't ended at `now`.
    pub fn is_active(&self, now: Moment) -> bool {
        self.active_till.is_none_or(|till| till > now)
    }
}

/// The default start time of a schedule. Not its creation time: if the clock was ahead then, the
/// schedule wouldn't fire once the clock is corrected.
pub const FROM_EVER: Moment = chrono::DateTime::UNIX_EPOCH.naive_utc();

/// A schedule to save.
#[derive(Clone, Debug, Insertable, AsChangeset)]
#[diesel(table_name = tasko_schedule, treat_none_as_null = true)]
#[allow(missing_docs)]
pub struct NewSchedule<'a> {
    pub org_id: Option<i64>,
    pub job_label: &'a str,
    pub bunch: &'a str,
    pub project_id: Option<i64>,
    pub cron_expr: &'a str,
    pub data: &'a str,
    pub active_from: Moment,
    pub active_till: Option<Moment>,
    pub next_fire: Option<Moment>,
    pub due_time: Option<Moment>,
}

/// A bunch and its tasks' names, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Bunch {
    pub name: String,
    pub description: String,
    /// Whether organisations schedule it; otherwise it belongs to the whole server.
    pub org_bunch: bool,
    pub tasks: Vec<String>,
}

/// Which schedules to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScheduleFilter<'a> {
    /// Those of one bunch.
    pub bunch: Option<&'a str>,
    /// Those that haven't ended at this time.
    pub active_at: Option<Moment>,
}

/// The rows of one owner: an organisation, or the whole server.
macro_rules! owned {
    ($org_id:expr) => {{
        let all = tasko_schedule::table.into_boxed();
        match $org_id {
            Some(org) => all.filter(tasko_schedule::org_id.eq(org)),
            None => all.filter(tasko_schedule::org_id.is_null()),
        }
    }};
}

/// Saves a schedule, replacing the owner's schedule of the same job label if there is one, and
/// returns its id. Enables it if that one was disabled.
pub fn schedule_put(conn: &mut DbConnection, new: &NewSchedule<'_>) -> Result<i64, Error> {
    conn.write(|conn| {
        let row = (new, tasko_schedule::disabled_reason.eq(None::<String>));
        let old = owned!(new.org_id)
            .filter(tasko_schedule::job_label.eq(new.job_label))
            .select(tasko_schedule::id);
        let old: Option<i64> = old.first(conn).optional()?;
        if let Some(id) = old {
            diesel::update(tasko_schedule::table.find(id))
                .set(row)
                .execute(conn)?;
            return Ok(id);
        }
        let insert = diesel::insert_into(tasko_schedule::table)
            .values(row)
            .returning(tasko_schedule::id);
        Ok(on_backend!(conn, c => insert.get_result(c))?)
    })
}

/// Ends a schedule now; its row is kept for the history until it is cleaned up. `false` if no
/// active one exists.
pub fn schedule_end(
    conn: &mut DbConnection,
    org_id: Option<i64>,
    job_label: &str,
) -> Result<bool, Error> {
    conn.write(|conn| {
        let now = clock(conn)?;
        let Some(found) = schedule_by_label(conn, org_id, job_label)? else {
            return Ok(false);
        };
        if !found.is_active(now) {
            return Ok(false);
        }
        diesel::update(tasko_schedule::table.find(found.id))
            .set((
                tasko_schedule::active_till.eq(now),
                tasko_schedule::next_fire.eq(None::<Moment>),
                tasko_schedule::due_time.eq(None::<Moment>),
            ))
            .execute(conn)?;
        Ok(true)
    })
}

/// Finds a schedule by its job label, active or ended.
pub fn schedule_by_label(
    conn: &mut DbConnection,
    org_id: Option<i64>,
    job_label: &str,
) -> Result<Option<Schedule>, Error> {
    Ok(owned!(org_id)
        .filter(tasko_schedule::job_label.eq(job_label))
        .select(Schedule::as_select())
        .first(conn)
        .optional()?)
}

/// Finds a schedule by its id.
pub fn schedule_by_id(
    conn: &mut DbConnection,
    org_id: Option<i64>,
    id: i64,
) -> Result<Option<Schedule>, Error> {
    Ok(owned!(org_id)
        .filter(tasko_schedule::id.eq(id))
        .select(Schedule::as_select())
        .first(conn)
        .optional()?)
}

/// At most `limit` schedules of an owner with an id above `after_id`, by id.
pub fn schedule_list(
    conn: &mut DbConnection,
    org_id: Option<i64>,
    filter: ScheduleFilter<'_>,
    after_id: i64,
    limit: i64,
) -> Result<Vec<Schedule>, Error> {
    let mut rows = owned!(org_id)
        .filter(tasko_schedule::id.gt(after_id))
        .order(tasko_schedule::id)
        .limit(limit)
        .select(Schedule::as_select());
    if let Some(bunch) = filter.bunch {
        rows = rows.filter(tasko_schedule::bunch.eq(bunch.to_owned()));
    }
    if let Some(time) = filter.active_at {
        rows = rows.filter(is_active(time));
    }
    Ok(rows.load(conn)?)
}

/// The cron lines of active schedules of an organisation's projects, by job label; for the projects
/// from the first label to the last.
pub fn schedule_lines(
    conn: &mut DbConnection,
    org_id: i64,
    (first, last): (&str, &str),
) -> Result<HashMap<String, String>, Error> {
    let now = clock(conn)?;
    let projects = sync_project::table
        .filter(sync_project::org_id.eq(org_id))
        .filter(sync_project::label.between(first, last))
        .select(sync_project::id.nullable());
    let lines: Vec<(String, String)> = tasko_schedule::table
        .filter(tasko_schedule::project_id.eq_any(projects))
        .filter(is_active(now))
        .select((tasko_schedule::job_label, tasko_schedule::cron_expr))
        .load(conn)?;
    Ok(lines.into_iter().collect())
}

/// Whether a row is active.
#[diesel::dsl::auto_type(no_type_alias)]
pub(super) fn is_active(time: Moment) -> _ {
    tasko_schedule::active_till
        .is_null()
        .or(tasko_schedule::active_till.assume_not_null().gt(time))
}

/// All bunches, by name.
pub fn bunch_list(conn: &mut DbConnection) -> Result<Vec<Bunch>, Error> {
    let tasks: Vec<(String, String)> = tasko_template::table
        .order((tasko_template::bunch, tasko_template::ordering))
        .select((tasko_template::bunch, tasko_template::task))
        .load(conn)?;
    let bunches: Vec<(String, String, bool)> = tasko_bunch::table
        .order(tasko_bunch::name)
        .select((
            tasko_bunch::name,
            tasko_bunch::description,
            tasko_bunch::org_bunch,
        ))
        .load(conn)?;
    let bunch = |(name, description, org_bunch): (String, String, bool)| Bunch {
        tasks: tasks
            .iter()
            .filter(|(of, _)| *of == name)
            .map(|(_, task)| task.clone())
            .collect(),
        name,
        description,
        org_bunch,
    };
    Ok(bunches.into_iter().map(bunch).collect())
}
