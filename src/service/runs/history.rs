//! The results of runs: totals, results by tag, and logs.

use super::workers::run_waits_for;
use crate::service::paging::{Rows, Slice, first_before, rows};
use crate::service::projects::lookup::{ProjectName, project_find};
use crate::service::{App, Caller, Error};
use crate::store::DbConnection;
use crate::store::runs::log::{LogLine, log_list};
use crate::store::runs::result::{ResultStatus, result_list};
use crate::store::runs::run::{Run, run_get, run_list};
use crate::sync::evidence::TagRecord;

/// A run and, if it is waiting, what it waits for.
pub async fn run_details(
    app: &App,
    caller: &Caller,
    id: i64,
) -> Result<(Run, Option<String>), Error> {
    let org = caller.org_id();
    let read = move |conn: &mut DbConnection| {
        let run = run_find(conn, org, id)?;
        let waits_for = run_waits_for(conn, &run)?;
        Ok((run, waits_for))
    };
    app.db.call(read).await
}

/// A project's runs, latest first: at most `limit`, of those before the run `before_id` (0: of
/// all).
pub async fn run_history(
    app: &App,
    caller: &Caller,
    project_label: String,
    limit: Option<i64>,
    before_id: Option<i64>,
) -> Result<Rows<Run>, Error> {
    let org = caller.org_id();
    let slice = Slice::optional(limit, None)?;
    let first = first_before("beforeId", before_id.unwrap_or(0))?;
    rows(app, slice, move |conn| {
        let project = project_find(conn, org, &ProjectName::Label(project_label))?.id;
        let read = move |conn: &mut DbConnection, before, count| {
            let page = run_list(conn, org, project, before, count)?;
            Ok((page.last().map(|run| run.id), page))
        };
        Ok((first, read))
    })
    .await
}

/// A run's results, in order; of one status (`done`, `failed`, `blocked`), or of all.
pub async fn run_results(
    app: &App,
    caller: &Caller,
    id: i64,
    status: Option<String>,
    slice: Slice,
) -> Result<Rows<TagRecord>, Error> {
    let org = caller.org_id();
    let status = status
        .filter(|text| !text.is_empty())
        .map(|text| status_parse(&text))
        .transpose()?;
    rows(app, slice, move |conn| {
        run_find(conn, org, id)?;
        let read = move |conn: &mut DbConnection, after, count| {
            let page = result_list(conn, org, id, status, after, count)?;
            let last = page.last().map(|row| row.id);
            Ok((last, page.into_iter().map(TagRecord::from).collect()))
        };
        Ok((0, read))
    })
    .await
}

/// A run's log.
pub async fn run_log(
    app: &App,
    caller: &Caller,
    id: i64,
    slice: Slice,
) -> Result<Rows<LogLine>, Error> {
    let org = caller.org_id();
    // Lines are numbered without gaps, so the offset is a key.
    let first = slice.offset();
    rows(app, slice.without_offset(), move |conn| {
        run_find(conn, org, id)?;
        let read = move |conn: &mut DbConnection, after, count| {
            let page = log_list(conn, org, id, after, count)?;
            Ok((page.last().map(|line| line.seq), page))
        };
        Ok((first, read))
    })
    .await
}

pub(super) fn run_find(conn: &mut DbConnection, org: i64, id: i64) -> Result<Run, Error> {
    run_get(conn, org, id)?
        .ok_or_else(|| Error::NotFound(format!("there is no run with the id {id}")))
}

fn status_parse(text: &str) -> Result<ResultStatus, Error> {
    ResultStatus::parse(text)
        .ok_or_else(|| Error::invalid("status", "expected `done`, `failed` or `blocked`"))
}
