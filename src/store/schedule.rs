//! Schedules: which bunch is done when.

use super::schema::tasko_schedule;
use super::{DbConnection, Error, Moment, now};
use diesel::prelude::*;
use std::collections::HashMap;

/// A schedule as stored.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = tasko_schedule)]
#[allow(missing_docs)] // the fields are the columns
pub struct Schedule {
    pub id: i64,
    /// `None`: the whole server's.
    pub org_id: Option<i64>,
    pub job_label: String,
    pub bunch: String,
    pub project_id: Option<i64>,
    pub cron_expr: String,
    /// JSON.
    pub data: String,
    pub active_from: Moment,
    pub active_till: Option<Moment>,
    pub next_fire: Option<Moment>,
}

/// A project's schedule to be kept.
#[derive(Clone, Debug, Insertable, AsChangeset)]
#[diesel(table_name = tasko_schedule)]
#[allow(missing_docs)]
pub struct NewSchedule<'a> {
    pub org_id: i64,
    pub job_label: &'a str,
    pub bunch: &'a str,
    pub project_id: i64,
    pub cron_expr: &'a str,
    pub data: &'a str,
    pub next_fire: Moment,
}

/// Keeps a schedule, in the place of the organisation's one of the same job label if there is one.
/// From now on it is active.
pub fn schedule_put(conn: &mut DbConnection, new: &NewSchedule<'_>) -> Result<(), Error> {
    conn.write(|conn| {
        let row = (new, tasko_schedule::active_from.eq(now()));
        let old = tasko_schedule::table
            .filter(tasko_schedule::org_id.eq(new.org_id))
            .filter(tasko_schedule::job_label.eq(new.job_label));
        if diesel::update(old).set(row).execute(conn)? == 0 {
            diesel::insert_into(tasko_schedule::table)
                .values(row)
                .execute(conn)?;
        }
        Ok(())
    })
}

/// Removes a schedule; `false` where there is none.
pub fn schedule_delete(
    conn: &mut DbConnection,
    org_id: i64,
    job_label: &str,
) -> Result<bool, Error> {
    let schedule = tasko_schedule::table
        .filter(tasko_schedule::org_id.eq(org_id))
        .filter(tasko_schedule::job_label.eq(job_label));
    Ok(diesel::delete(schedule).execute(conn)? == 1)
}

/// Finds a schedule by its job label.
pub fn schedule_by_label(
    conn: &mut DbConnection,
    org_id: i64,
    job_label: &str,
) -> Result<Option<Schedule>, Error> {
    Ok(tasko_schedule::table
        .filter(tasko_schedule::org_id.eq(org_id))
        .filter(tasko_schedule::job_label.eq(job_label))
        .select(Schedule::as_select())
        .first(conn)
        .optional()?)
}

/// The cron lines of an organisation's schedules, by job label.
pub fn schedule_lines(
    conn: &mut DbConnection,
    org_id: i64,
) -> Result<HashMap<String, String>, Error> {
    let lines: Vec<(String, String)> = tasko_schedule::table
        .filter(tasko_schedule::org_id.eq(org_id))
        .select((tasko_schedule::job_label, tasko_schedule::cron_expr))
        .load(conn)?;
    Ok(lines.into_iter().collect())
}
