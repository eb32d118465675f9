//! Ending a run early.

use super::run::{RunStatus, clock};
use super::run_log::{LogLevel, NewLogLine, log_write};
use super::schema::tasko_run;
use super::{DbConnection, Error, Moment};
use diesel::prelude::*;

/// What became of [`run_cancel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It waited, or its worker is gone: it has ended.
    Ended,
    /// Its worker is told, and ends it soon.
    Asked,
    /// It had ended before, with this status.
    WasOver(RunStatus),
    /// There is no such run.
    NoRun,
}

/// Ends a run that waits, or whose worker let its lease run out; asks the worker of any other to
/// end it. `login` is who wants that, for the log.
pub fn run_cancel(
    conn: &mut DbConnection,
    org_id: i64,
    id: i64,
    login: &str,
) -> Result<Cancelled, Error> {
    conn.write(|conn| {
        let time = clock(conn)?;
        let run = || {
            tasko_run::table
                .find(id)
                .filter(tasko_run::org_id.eq(org_id))
        };
        let message = format!("cancelled by `{login}`");
        let nobody_works = tasko_run::status.eq(RunStatus::Ready).or(tasko_run::status
            .eq(RunStatus::Running)
            .and(tasko_run::lease_until.assume_not_null().lt(time)));
        let ended = diesel::update(run().filter(nobody_works))
            .set((
                tasko_run::status.eq(RunStatus::Interrupted),
                tasko_run::cancel_requested.eq(true),
                tasko_run::message.eq(&message),
                tasko_run::end_time.eq(time),
                tasko_run::lease_until.eq(None::<Moment>),
                tasko_run::fence.eq(tasko_run::fence + 1),
            ))
            .execute(conn)?;
        let asked = diesel::update(run().filter(tasko_run::status.eq(RunStatus::Running)))
            .set(tasko_run::cancel_requested.eq(true))
            .execute(conn)?;
        if ended + asked == 0 {
            let status = run().select(tasko_run::status).first(conn).optional()?;
            return Ok(status.map_or(Cancelled::NoRun, Cancelled::WasOver));
        }
        let line = NewLogLine {
            time,
            level: LogLevel::Warn,
            message,
        };
        log_write(conn, id, &[line])?;
        Ok(if ended == 1 {
            Cancelled::Ended
        } else {
            Cancelled::Asked
        })
    })
}
