//! What a run was asked to do, as it was when the run started.

use super::run::is_owned_by;
use crate::store::schema::{run_asked, tasko_run};
use crate::store::{DbConnection, Error};
use diesel::prelude::*;

/// Keeps what a starting run was asked, as JSON.
pub fn asked_put(conn: &mut DbConnection, run_id: i64, asked: &str) -> Result<(), Error> {
    diesel::insert_into(run_asked::table)
        .values((run_asked::run_id.eq(run_id), run_asked::asked.eq(asked)))
        .execute(conn)?;
    Ok(())
}

/// What a run of the organisation was asked; `None` if it didn't start, or an older version started it.
pub fn asked_get(
    conn: &mut DbConnection,
    org_id: i64,
    run_id: i64,
) -> Result<Option<String>, Error> {
    Ok(run_asked::table
        .inner_join(tasko_run::table)
        .filter(run_asked::run_id.eq(run_id))
        .filter(is_owned_by(Some(org_id)))
        .select(run_asked::asked)
        .first(conn)
        .optional()?)
}
