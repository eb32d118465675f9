//! Ending runs early.

use std::time::{Duration, Instant};

use super::settle::run_settle;
use crate::service::{App, Caller, Error};
use crate::store::runs::cancel::{Cancelled, run_cancel as row_cancel};
use crate::store::runs::run::{RunStatus, run_active};
use crate::store::{self, DbConnection};

/// How long a deletion waits for a run to end. Its worker checks once a second whether it should.
const PATIENCE: Duration = Duration::from_secs(10);
/// The interval of checks whether a run has ended.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Cancels a run. A waiting one ends at once, a running one within seconds, even during a blob
/// transfer. Refused if it has ended.
pub async fn run_cancel(app: &App, caller: &Caller, id: i64) -> Result<(), Error> {
    let (org, login) = (caller.org_id(), caller.login().to_owned());
    let cancelled = app
        .db
        .run(move |conn| conn.write(|conn| run_cancel_settled(conn, org, id, &login)))
        .await?;
    app.cancel_wake.notify_one();
    match cancelled {
        Cancelled::Ended | Cancelled::Asked => Ok(()),
        Cancelled::WasOver(status) => Err(Error::invalid(
            "runId",
            format!("run {id} has ended already: it is {status}"),
        )),
        Cancelled::NoRun => Err(Error::NotFound(format!("there is no run with the id {id}"))),
    }
}

/// Cancels a run; it has ended at once if none of its parts has a worker.
fn run_cancel_settled(
    conn: &mut DbConnection,
    org: i64,
    id: i64,
    login: &str,
) -> Result<Cancelled, store::Error> {
    let cancelled = row_cancel(conn, org, id, login)?;
    if cancelled == Cancelled::Asked && run_settle(conn, id)?.is_some() {
        return Ok(Cancelled::Ended);
    }
    Ok(cancelled)
}

/// Ends all runs of a project, and waits for the running one; not forever, since its worker may be
/// lost.
pub(in crate::service) async fn project_runs_end(
    app: &App,
    caller: &Caller,
    project_id: i64,
) -> Result<(), Error> {
    let (org, login) = (caller.org_id(), caller.login().to_owned());
    let begun = Instant::now();
    loop {
        let login = login.clone();
        let running = app
            .db
            .transaction(move |conn| runs_cancel(conn, org, project_id, &login))
            .await?;
        app.cancel_wake.notify_one();
        if !running || begun.elapsed() > PATIENCE {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Cancels each run of a project. Returns whether one is still running.
pub(in crate::service) fn runs_cancel(
    conn: &mut DbConnection,
    org: i64,
    project_id: i64,
    login: &str,
) -> Result<bool, Error> {
    while let Some(run) = run_active(conn, org, project_id)? {
        if !run.cancel_requested {
            run_cancel_settled(conn, org, run.id, login)?;
        } else if run.status == RunStatus::Running {
            return Ok(true);
        }
    }
    Ok(false)
}
