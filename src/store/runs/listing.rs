//! Runs for the job runner's API: of a schedule, or of a housekeeping bunch.

use super::run::Run;
use crate::store::schema::tasko_run;
use crate::store::{DbConnection, Error};
use diesel::prelude::*;

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

/// At most `limit` runs of a housekeeping bunch with an id below `before_id`, latest first.
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
