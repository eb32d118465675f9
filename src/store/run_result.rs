//! What came of each tag of a run.

use super::run::{Lease, lease_hold};
use super::schema::{run_result, tasko_run};
use super::{DbConnection, Error};
use diesel::prelude::*;

text_enum! {
    /// What was to be done with a tag.
    ResultAction {
        /// It wasn't at the target.
        Copy => "copy",
        /// Another image stood under it.
        Update => "update",
        /// It is there already.
        Skip => "skip",
        /// It is to go from the target.
        Delete => "delete",
        /// Something forbids to write it.
        Blocked => "blocked",
    }
}

text_enum! {
    /// What came of it.
    ResultStatus {
        /// It is as it should be.
        Done => "done",
        /// It failed; `error` says why.
        Failed => "failed",
        /// It wasn't tried; `error` says why.
        Blocked => "blocked",
    }
}

/// A result as stored.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = run_result)]
#[allow(missing_docs)] // the fields are the columns
pub struct RunResult {
    pub id: i64,
    #[diesel(embed)]
    pub result: NewRunResult,
}

/// A result to be written.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = run_result)]
#[allow(missing_docs)]
pub struct NewRunResult {
    pub repository: String,
    pub tag: String,
    /// Repository and tag at the target.
    pub target: String,
    pub action: ResultAction,
    pub status: ResultStatus,
    pub source_digest: Option<String>,
    pub target_digest: Option<String>,
    /// What an update overwrote.
    pub previous_digest: Option<String>,
    /// Sent to the target.
    pub bytes: i64,
    pub duration_ms: i64,
    pub error: Option<String>,
}

/// Rows of one statement: PostgreSQL takes 65 535 parameters a statement, SQLite 32 766.
const BATCH: usize = 1000;

/// Writes results in their order; all or none.
pub fn result_insert(
    conn: &mut DbConnection,
    lease: Lease,
    results: &[NewRunResult],
) -> Result<(), Error> {
    conn.write(|conn| {
        lease_hold(conn, lease)?;
        for batch in results.chunks(BATCH) {
            let rows: Vec<_> = batch
                .iter()
                .map(|result| (run_result::run_id.eq(lease.run_id), result))
                .collect();
            on_backend!(&mut *conn, c => {
                diesel::insert_into(run_result::table).values(rows).execute(c)
            })?;
        }
        Ok(())
    })
}

/// At most `limit` results of a run with an id above `after_id` (0 begins), in order; of one
/// status, or of all.
pub fn result_list(
    conn: &mut DbConnection,
    org_id: i64,
    run_id: i64,
    status: Option<ResultStatus>,
    after_id: i64,
    limit: i64,
) -> Result<Vec<RunResult>, Error> {
    let page = run_result::table
        .inner_join(tasko_run::table)
        .filter(run_result::run_id.eq(run_id))
        .filter(tasko_run::org_id.eq(org_id))
        .filter(run_result::id.gt(after_id))
        .order(run_result::id)
        .limit(limit)
        .select(RunResult::as_select());
    Ok(match status {
        Some(status) => page.filter(run_result::status.eq(status)).load(conn)?,
        None => page.load(conn)?,
    })
}
