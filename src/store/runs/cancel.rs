//! Cancelling a run.

use super::log::{LogLevel, log_now};
use super::part::PartStatus;
use super::queue::run_end;
use super::run::{RunStatus, run_get, run_lock};
use crate::store::base::channel::{Topic, notify};
use crate::store::base::clock::clock;
use crate::store::schema::{run_part, tasko_run};
use crate::store::{DbConnection, Error, Moment};
use diesel::prelude::*;

/// The result of [`run_cancel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It was waiting and has ended.
    Ended,
    /// Parts without a worker have ended; the workers of the others are notified and end them soon.
    Asked,
    /// It had already ended, with this status.
    WasOver(RunStatus),
    /// There is no such run.
    NoRun,
}

/// Ends a waiting run; of a run in progress, ends the parts that are waiting or whose lease has
/// expired, and asks the workers of the others to end them. `login` is recorded in the log.
pub fn run_cancel(
    conn: &mut DbConnection,
    org_id: i64,
    id: i64,
    login: &str,
) -> Result<Cancelled, Error> {
    conn.write(|conn| {
        if run_get(conn, org_id, id)?.is_none() {
            return Ok(Cancelled::NoRun);
        }
        let Some(run) = run_lock(conn, id)? else {
            return Ok(Cancelled::NoRun);
        };
        if !matches!(run.status, RunStatus::Ready | RunStatus::Running) {
            return Ok(Cancelled::WasOver(run.status));
        }
        let message = format!("cancelled by `{login}`");
        log_now(conn, id, LogLevel::Warn, message.clone())?;
        diesel::update(tasko_run::table.find(id))
            .set(tasko_run::cancel_requested.eq(true))
            .execute(conn)?;
        if run.status == RunStatus::Ready {
            run_end(conn, id, RunStatus::Interrupted, &message)?;
            return Ok(Cancelled::Ended);
        }
        parts_idle_end(conn, id)?;
        notify(conn, Topic::Cancel)?;
        Ok(Cancelled::Asked)
    })
}

/// Ends the parts of a run that have no worker.
fn parts_idle_end(conn: &mut DbConnection, run_id: i64) -> Result<(), Error> {
    let lost = run_part::status.eq(PartStatus::Running).and(
        run_part::lease_until
            .assume_not_null()
            .lt(clock(conn)?)
            .or(run_part::lease_until.is_null()),
    );
    let idle = run_part::table
        .filter(run_part::run_id.eq(run_id))
        .filter(run_part::status.eq(PartStatus::Ready).or(lost));
    diesel::update(idle)
        .set((
            run_part::status.eq(PartStatus::Interrupted),
            run_part::message.eq("cancelled"),
            run_part::lease_until.eq(None::<Moment>),
            run_part::fence.eq(run_part::fence + 1),
        ))
        .execute(conn)?;
    Ok(())
}
