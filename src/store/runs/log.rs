//! The log of a run.

use super::run::is_owned_by;
use crate::store::base::clock::clock;
use crate::store::base::storable::{STATEMENT_ROWS, text_kept, write_apart};
use crate::store::schema::{run_log, tasko_run};
use crate::store::{DbConnection, Error, Moment, now};
use diesel::prelude::*;

text_enum! {
    /// The level of a line.
    LogLevel {
        /// For debugging.
        Debug => "debug",
        /// What happened.
        Info => "info",
        /// Something needs attention.
        Warn => "warn",
        /// Something failed.
        Error => "error",
    }
}

/// A line as stored.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = run_log)]
#[allow(missing_docs)] // the fields are the columns
pub struct LogLine {
    /// 1 for the first line of the run.
    pub seq: i64,
    pub time: Moment,
    pub level: LogLevel,
    pub message: String,
}

/// A line to write.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = run_log)]
#[allow(missing_docs)]
pub struct NewLogLine {
    pub time: Moment,
    pub level: LogLevel,
    pub message: String,
}

impl NewLogLine {
    /// A line with the current time.
    pub fn now(level: LogLevel, message: String) -> Self {
        Self {
            time: now(),
            level,
            message,
        }
    }
}

/// A line at its position.
#[derive(Insertable)]
#[diesel(table_name = run_log)]
struct Numbered {
    run_id: i64,
    seq: i64,
    #[diesel(embed)]
    line: NewLogLine,
}

impl Numbered {
    /// Replaces a line that the database rejects.
    fn refused(&self) -> Numbered {
        Numbered {
            line: NewLogLine {
                level: LogLevel::Error,
                message: "the database rejected this line; see the server's log".to_owned(),
                ..self.line
            },
            ..*self
        }
    }
}

/// Appends a line with the database's current time to a run whose row the transaction has locked.
pub fn log_now(
    conn: &mut DbConnection,
    run_id: i64,
    level: LogLevel,
    message: String,
) -> Result<(), Error> {
    let line = NewLogLine {
        time: clock(conn)?,
        level,
        message,
    };
    log_write(conn, run_id, &[line])
}

/// Appends to a run whose row the transaction has locked.
pub(super) fn log_write(
    conn: &mut DbConnection,
    run_id: i64,
    lines: &[NewLogLine],
) -> Result<(), Error> {
    let last: Option<i64> = run_log::table
        .filter(run_log::run_id.eq(run_id))
        .select(diesel::dsl::max(run_log::seq))
        .first(conn)?;
    let numbered: Vec<Numbered> = (last.unwrap_or(0) + 1..)
        .zip(lines)
        .map(|(seq, line)| Numbered {
            run_id,
            seq,
            line: NewLogLine {
                message: text_kept(&line.message),
                ..line.clone()
            },
        })
        .collect();
    let write = |conn: &mut DbConnection, rows: &[Numbered]| {
        on_backend!(conn, c => diesel::insert_into(run_log::table).values(rows).execute(c))?;
        Ok(())
    };
    for batch in numbered.chunks(STATEMENT_ROWS) {
        write_apart(conn, batch, write, Numbered::refused)?;
    }
    Ok(())
}

/// At most `limit` lines of a run of an organisation (or of the whole server, if `None`) after the
/// first `offset`, in order. Lines are numbered without gaps, so the offset is a key.
pub fn log_list(
    conn: &mut DbConnection,
    org_id: impl Into<Option<i64>>,
    run_id: i64,
    offset: i64,
    limit: i64,
) -> Result<Vec<LogLine>, Error> {
    Ok(run_log::table
        .inner_join(tasko_run::table)
        .filter(run_log::run_id.eq(run_id))
        .filter(is_owned_by(org_id.into()))
        .filter(run_log::seq.gt(offset))
        .order(run_log::seq)
        .limit(limit)
        .select(LogLine::as_select())
        .load(conn)?)
}
