//! Counters of failed logins, shared by all servers of a database.

use std::time::Duration;

use chrono::TimeDelta;
use diesel::prelude::*;

use crate::store::base::clock::clock;
use crate::store::schema::login_failure;
use crate::store::{DbConnection, Error, Moment};

/// A counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginFailures {
    /// What is counted.
    pub subject: String,
    /// The number of failures.
    pub count: i64,
    /// How long ago the first of them was.
    pub age: Duration,
}

/// The existing counters of these subjects.
pub fn failures_of(
    conn: &mut DbConnection,
    subjects: &[String],
) -> Result<Vec<LoginFailures>, Error> {
    let rows: Vec<(String, i64, Moment)> = login_failure::table
        .filter(login_failure::subject.eq_any(subjects))
        .load(conn)?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let now = clock(conn)?;
    let counters = rows
        .into_iter()
        .map(|(subject, count, since)| LoginFailures {
            subject,
            count,
            age: (now - since).to_std().unwrap_or_default(),
        });
    Ok(counters.collect())
}

/// Counts a failure of each subject. Counters older than `window` restart; beyond `capacity` the
/// oldest are removed.
pub fn failure_add(
    conn: &mut DbConnection,
    subjects: &[String],
    window: TimeDelta,
    capacity: i64,
) -> Result<(), Error> {
    let now = clock(conn)?;
    // One statement each, so that two servers doing this at once can't deadlock.
    let over = now.checked_sub_signed(window).unwrap_or(Moment::MIN);
    diesel::delete(login_failure::table.filter(login_failure::since.le(over))).execute(conn)?;
    for subject in subjects {
        let row = (
            login_failure::subject.eq(subject),
            login_failure::failures.eq(1),
            login_failure::since.eq(now),
        );
        let insert = diesel::insert_into(login_failure::table)
            .values(row)
            .on_conflict(login_failure::subject)
            .do_update()
            .set(login_failure::failures.eq(login_failure::failures + 1));
        on_backend!(conn, c => insert.execute(c))?;
    }
    let oldest: Option<Moment> = login_failure::table
        .select(login_failure::since)
        .order(login_failure::since.desc())
        .offset(capacity)
        .first(conn)
        .optional()?;
    if let Some(oldest) = oldest {
        let gone = login_failure::table.filter(login_failure::since.le(oldest));
        diesel::delete(gone).execute(conn)?;
    }
    Ok(())
}

/// Removes a subject's failures. Writes nothing if there are none.
pub fn failure_forget(conn: &mut DbConnection, subject: &str) -> Result<(), Error> {
    let row = login_failure::table.find(subject);
    let count: i64 = row.count().get_result(conn)?;
    if count > 0 {
        diesel::delete(row).execute(conn)?;
    }
    Ok(())
}
