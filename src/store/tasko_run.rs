//! Runs as the job runner names them: of a schedule, or of a bunch of house-keeping.

use super::run::Run;
use super::run_log::LogLine;
use super::schema::{run_log, tasko_run};
use super::{DbConnection, Error};
use diesel::prelude::*;

/// Finds a run of an organisation or, without one, of the whole server.
pub fn owned_run_get(
    conn: &mut DbConnection,
    org_id: Option<i64>,
    id: i64,
) -> Result<Option<Run>, Error> {
    let run: Option<Run> = tasko_run::table
        .find(id)
        .select(Run::as_select())
        .first(conn)
        .optional()?;
    Ok(run.filter(|run| run.org_id == org_id))
}

/// At most `limit` runs of a schedule after the first `offset`, the latest fire time first.
pub fn schedule_run_list(
    conn: &mut DbConnection,
    schedule_id: i64,
    offset: i64,
    limit: i64,
) -> Result<Vec<Run>, Error> {
    Ok(tasko_run::table
        .filter(tasko_run::schedule_id.eq(schedule_id))
        .order(tasko_run::fire_time.desc())
        .offset(offset)
        .limit(limit)
        .select(Run::as_select())
        .load(conn)?)
}

/// At most `limit` runs of a bunch of house-keeping with an id below `before_id`, latest first.
pub fn bunch_run_list(
    conn: &mut DbConnection,
    bunch: &str,
    before_id: i64,
    limit: i64,
) -> Result<Vec<Run>, Error> {
    Ok(tasko_run::table
        .filter(tasko_run::bunch.eq(bunch))
        .filter(tasko_run::project_id.is_null())
        .filter(tasko_run::id.lt(before_id))
        .order(tasko_run::id.desc())
        .limit(limit)
        .select(Run::as_select())
        .load(conn)?)
}

/// At most `limit` lines of a run with a number above `after`, in order; whoever calls has looked
/// whose run it is.
pub fn run_lines(
    conn: &mut DbConnection,
    run_id: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<LogLine>, Error> {
    Ok(run_log::table
        .filter(run_log::run_id.eq(run_id))
        .filter(run_log::seq.gt(after))
        .order(run_log::seq)
        .limit(limit)
        .select(LogLine::as_select())
        .load(conn)?)
}
