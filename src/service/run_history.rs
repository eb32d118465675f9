//! What became of runs: their totals, results and logs.

use super::project::{ProjectName, project_find};
use super::workers::run_waits_for;
use super::{App, Caller, Error};
use crate::store::DbConnection;
use crate::store::run::{Run, run_get, run_list};
use crate::store::run_log::{LogLine, log_list};
use crate::store::run_result::{ResultStatus, RunResult, result_list};

/// Rows read at once, so that a long history is never a long query.
const PAGE: i64 = 1000;

/// Which part of a listing is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    offset: usize,
    limit: usize,
}

impl Slice {
    /// Everything.
    pub const ALL: Slice = Slice {
        offset: 0,
        limit: usize::MAX,
    };

    /// At most `limit` entries after the first `offset`; neither may be negative.
    pub fn new(limit: i64, offset: i64) -> Result<Slice, Error> {
        let whole = |field: &str, number: i64| {
            usize::try_from(number)
                .map_err(|_| Error::invalid(field, format!("`{number}`: it must not be negative")))
        };
        Ok(Slice {
            limit: whole("limit", limit)?,
            offset: whole("offset", offset)?,
        })
    }

    /// Offset and limit, for the database.
    pub(super) fn rows(self) -> (i64, i64) {
        let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
        (number(self.offset), number(self.limit))
    }

    /// The part of `all`.
    pub fn of<T>(self, all: impl IntoIterator<Item = T>) -> Vec<T> {
        all.into_iter().skip(self.offset).take(self.limit).collect()
    }
}

/// One run and, where nobody works on it, what it waits for.
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

/// A project's runs, latest first: at most `limit`, of those asked for before the run `before_id`.
pub async fn run_history(
    app: &App,
    caller: &Caller,
    project_label: String,
    limit: Option<i64>,
    before_id: Option<i64>,
) -> Result<Vec<Run>, Error> {
    let org = caller.org_id();
    let slice = Slice::new(limit.unwrap_or(i64::MAX), 0)?;
    app.db
        .call(move |conn| {
            let project = project_find(conn, org, &ProjectName::Label(project_label))?;
            pages(slice, before_id.unwrap_or(i64::MAX), |before, count| {
                let page = run_list(conn, org, project.id, before, count)?;
                Ok((page.last().map(|run| run.id), page))
            })
        })
        .await
}

/// A run's results, in the order in which they came; of one status (`done`, `failed`,
/// `blocked`), or of all.
pub async fn run_results(
    app: &App,
    caller: &Caller,
    id: i64,
    status: Option<String>,
    slice: Slice,
) -> Result<Vec<RunResult>, Error> {
    let org = caller.org_id();
    let status = status
        .filter(|text| !text.is_empty())
        .map(|text| status_parse(&text))
        .transpose()?;
    app.db
        .call(move |conn| {
            run_find(conn, org, id)?;
            pages(slice, 0, |after, count| {
                let page = result_list(conn, org, id, status, after, count)?;
                Ok((page.last().map(|row| row.id), page))
            })
        })
        .await
}

/// A run's log.
pub async fn run_log(
    app: &App,
    caller: &Caller,
    id: i64,
    slice: Slice,
) -> Result<Vec<LogLine>, Error> {
    let org = caller.org_id();
    app.db
        .call(move |conn| {
            run_find(conn, org, id)?;
            // Lines are numbered without a gap, so the offset is a key.
            let first = i64::try_from(slice.offset).unwrap_or(i64::MAX);
            let rest = Slice { offset: 0, ..slice };
            pages(rest, first, |after, count| {
                let page = log_list(conn, org, id, after, count)?;
                Ok((page.last().map(|line| line.seq), page))
            })
        })
        .await
}

/// Reads page by page: `read` gets the last key and how many rows are wanted, and gives the rows
/// with their last key.
pub(super) fn pages<T>(
    slice: Slice,
    first_key: i64,
    mut read: impl FnMut(i64, i64) -> Result<(Option<i64>, Vec<T>), Error>,
) -> Result<Vec<T>, Error> {
    let mut found = Vec::new();
    let (mut key, mut skip) = (first_key, slice.offset);
    while found.len() < slice.limit {
        let left = skip.saturating_add(slice.limit - found.len());
        let (last, page) = read(key, i64::try_from(left).map_or(PAGE, |left| left.min(PAGE)))?;
        let Some(last) = last else { break };
        key = last;
        let skipped = skip.min(page.len());
        let wanted = slice.limit - found.len();
        found.extend(page.into_iter().skip(skipped).take(wanted));
        skip -= skipped;
    }
    Ok(found)
}

fn run_find(conn: &mut DbConnection, org: i64, id: i64) -> Result<Run, Error> {
    run_get(conn, org, id)?
        .ok_or_else(|| Error::NotFound(format!("there is no run with the id {id}")))
}

fn status_parse(text: &str) -> Result<ResultStatus, Error> {
    ResultStatus::parse(text)
        .ok_or_else(|| Error::invalid("status", "expected `done`, `failed` or `blocked`"))
}
