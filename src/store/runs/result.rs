//! The result of each tag of a run.

use super::part::{Lease, PartStatus, part_hold};
use crate::store::base::storable::{STATEMENT_ROWS, name_kept, text_kept, write_apart};
use crate::store::schema::{run_part, run_result, tasko_run};
use crate::store::{DbConnection, Error};
use diesel::prelude::*;
use diesel::upsert::excluded;
use std::collections::HashMap;

text_enum! {
    /// The action for a tag.
    ResultAction {
        /// It wasn't at the target.
        Copy => "copy",
        /// The target had a different image.
        Update => "update",
        /// It is already there.
        Skip => "skip",
        /// It is deleted at the target.
        Delete => "delete",
        /// It must not be written.
        Blocked => "blocked",
    }
}

text_enum! {
    /// Its outcome.
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

/// A result to write.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = run_result)]
#[allow(missing_docs)]
pub struct NewRunResult {
    pub repository: String,
    pub tag: String,
    /// Target repository and tag.
    pub target: String,
    pub action: ResultAction,
    pub status: ResultStatus,
    pub source_digest: Option<String>,
    pub target_digest: Option<String>,
    /// What an update overwrote, or a delete removed.
    pub previous_digest: Option<String>,
    /// Bytes sent to the target.
    pub bytes: i64,
    pub duration_ms: i64,
    pub error: Option<String>,
    /// `host/repository:tag` at the source; "" in a result of an older version.
    pub source: String,
    /// The chosen platforms, joined by commas; "" for all.
    pub platforms: String,
    /// Why it was selected, and why this action; "" in a result of an older version.
    pub reason: String,
    /// Blobs sent.
    pub blobs_copied: i64,
    /// Blobs mounted from another repository of the target.
    pub blobs_mounted: i64,
}

impl NewRunResult {
    /// What no two results of a part have in common.
    fn key(&self) -> (&str, &str, &str) {
        (&self.repository, &self.tag, &self.target)
    }

    /// Made storable.
    fn kept(&self) -> NewRunResult {
        let digest = |digest: &Option<String>| digest.as_deref().map(name_kept);
        NewRunResult {
            repository: name_kept(&self.repository),
            tag: name_kept(&self.tag),
            target: name_kept(&self.target),
            source_digest: digest(&self.source_digest),
            target_digest: digest(&self.target_digest),
            previous_digest: digest(&self.previous_digest),
            error: self.error.as_deref().map(text_kept),
            source: name_kept(&self.source),
            platforms: name_kept(&self.platforms),
            reason: text_kept(&self.reason),
            ..*self
        }
    }

    /// Replaces a result that the database rejects; keeps its numbers.
    fn refused(&self) -> NewRunResult {
        use sha2::Digest as _;
        // Two of them must not have the same key.
        let name = format!("{}\0{}\0{}", self.repository, self.tag, self.target);
        let name = hex::encode(sha2::Sha256::digest(name));
        NewRunResult {
            repository: String::new(),
            tag: name,
            target: String::new(),
            source_digest: None,
            target_digest: None,
            previous_digest: None,
            error: Some("the database rejected this result; see the server's log".to_owned()),
            source: String::new(),
            platforms: String::new(),
            reason: String::new(),
            ..*self
        }
    }
}

/// Inserts or replaces.
macro_rules! put {
    ($rows:expr) => {
        diesel::insert_into(run_result::table)
            .values($rows)
            .on_conflict((
                run_result::part_id,
                run_result::repository,
                run_result::tag,
                run_result::target,
            ))
            .do_update()
            .set((
                run_result::action.eq(excluded(run_result::action)),
                run_result::status.eq(excluded(run_result::status)),
                run_result::source_digest.eq(excluded(run_result::source_digest)),
                run_result::target_digest.eq(excluded(run_result::target_digest)),
                run_result::previous_digest.eq(excluded(run_result::previous_digest)),
                run_result::bytes.eq(excluded(run_result::bytes)),
                run_result::duration_ms.eq(excluded(run_result::duration_ms)),
                run_result::error.eq(excluded(run_result::error)),
                run_result::source.eq(excluded(run_result::source)),
                run_result::platforms.eq(excluded(run_result::platforms)),
                run_result::reason.eq(excluded(run_result::reason)),
                run_result::blobs_copied.eq(excluded(run_result::blobs_copied)),
                run_result::blobs_mounted.eq(excluded(run_result::blobs_mounted)),
            ))
    };
}

/// Writes results of a part in order, each replacing an earlier one of the same tag; all or none.
pub fn result_put(
    conn: &mut DbConnection,
    lease: Lease,
    results: &[NewRunResult],
) -> Result<(), Error> {
    conn.write(|conn| {
        part_hold(conn, lease)?;
        for batch in results.chunks(STATEMENT_ROWS) {
            let batch: Vec<_> = batch.iter().map(NewRunResult::kept).collect();
            write_apart(
                conn,
                &batch,
                |conn, rows| rows_put(conn, lease, rows),
                NewRunResult::refused,
            )?;
        }
        Ok(())
    })
}

fn rows_put(conn: &mut DbConnection, lease: Lease, results: &[NewRunResult]) -> Result<(), Error> {
    // PostgreSQL can't change a row twice in one statement.
    let last: HashMap<_, _> = results
        .iter()
        .enumerate()
        .map(|(at, result)| (result.key(), at))
        .collect();
    let rows: Vec<_> = results
        .iter()
        .enumerate()
        .filter(|(at, result)| last.get(&result.key()) == Some(at))
        .map(|(_, result)| {
            let run = run_result::run_id.eq(lease.run_id);
            (run, run_result::part_id.eq(lease.part_id), result)
        })
        .collect();
    match conn {
        DbConnection::Postgres(c) => {
            put!(rows).execute(c)?;
        }
        // Diesel has no such multi-row statement for SQLite.
        DbConnection::Sqlite(c) => {
            for row in rows {
                put!(row).execute(c)?;
            }
        }
    }
    Ok(())
}

/// What was done with a tag, for the worker that continues its part.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
#[allow(missing_docs)]
pub struct RecordedTag {
    pub repository: String,
    pub tag: String,
    pub target: String,
    pub action: ResultAction,
    pub bytes: i64,
    pub previous_digest: Option<String>,
    pub target_digest: Option<String>,
}

impl RecordedTag {
    /// What no two results of a part have in common.
    pub fn key(&self) -> (String, String, String) {
        (
            self.repository.clone(),
            self.tag.clone(),
            self.target.clone(),
        )
    }

    /// Whether the tag was written or deleted.
    pub fn is_change(&self) -> bool {
        matches!(
            self.action,
            ResultAction::Copy | ResultAction::Update | ResultAction::Delete
        )
    }
}

/// What earlier holders of a part recorded as done. Other results are dropped and retried.
pub fn results_resume(conn: &mut DbConnection, lease: Lease) -> Result<Vec<RecordedTag>, Error> {
    conn.write(|conn| {
        part_hold(conn, lease)?;
        let undone = run_result::table
            .filter(run_result::part_id.eq(lease.part_id))
            .filter(run_result::status.ne(ResultStatus::Done));
        diesel::delete(undone).execute(conn)?;
        Ok(run_result::table
            .filter(run_result::part_id.eq(lease.part_id))
            .select((
                run_result::repository,
                run_result::tag,
                run_result::target,
                run_result::action,
                run_result::bytes,
                run_result::previous_digest,
                run_result::target_digest,
            ))
            .load(conn)?)
    })
}

/// What failed in a run: target places, each with a tag; or with "" if the tags aren't known,
/// because they couldn't be listed or a worker gave up first. Deletes aren't among it: only a whole
/// run decides on them.
pub fn results_failed(
    conn: &mut DbConnection,
    run_id: i64,
) -> Result<Vec<(String, String)>, Error> {
    let mut failed: Vec<(String, String)> = run_result::table
        .inner_join(run_part::table)
        .filter(run_result::run_id.eq(run_id))
        .filter(run_result::status.eq(ResultStatus::Failed))
        .filter(run_result::action.ne(ResultAction::Delete))
        .select((run_part::target_repository, run_result::tag))
        .load(conn)?;
    let cut_short = places_cut_short(conn, run_id)?;
    failed.extend(cut_short.into_iter().map(|place| (place, String::new())));
    Ok(failed)
}

/// The target places of a run whose worker gave up before all their tags had a result.
pub fn places_cut_short(conn: &mut DbConnection, run_id: i64) -> Result<Vec<String>, Error> {
    let ended = run_part::copied
        + run_part::updated
        + run_part::skipped
        + run_part::deleted
        + run_part::blocked
        + run_part::failed;
    Ok(run_part::table
        .filter(run_part::run_id.eq(run_id))
        .filter(run_part::status.eq(PartStatus::Failed))
        .filter(run_part::failed.eq(0).or(run_part::selected.gt(ended)))
        .select(run_part::target_repository)
        .load(conn)?)
}

/// The number of results of a run.
pub fn result_count(conn: &mut DbConnection, org_id: i64, run_id: i64) -> Result<i64, Error> {
    let count = run_result::table
        .inner_join(tasko_run::table)
        .filter(run_result::run_id.eq(run_id))
        .filter(tasko_run::org_id.eq(org_id))
        .count();
    Ok(count.get_result(conn)?)
}

/// At most `limit` results of a run with an id above `after_id` (0 for the first ones), in order;
/// of one status or all.
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
