//! Who may work on a part: claims, leases, and retries of lost parts.
//!
//! A worker claims a part and gets a [`Lease`], which it renews while it is alive. A part whose lease
//! expired is claimed again, with another fence.

use super::log::{LogLevel, log_now};
use super::part::{Lease, Part, PartStatus, part_hold};
use super::run::run_lock;
use crate::store::base::channel::{Topic, notify};
use crate::store::base::clock::clock;
use crate::store::base::storable::text_kept;
use crate::store::schema::{run_part, tasko_run};
use crate::store::{DbConnection, Error, Moment};
use chrono::TimeDelta;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

/// Gives the first waiting part of a run to `worker`, for `lease_time`; `None` if there is none.
pub fn part_claim(
    conn: &mut DbConnection,
    run_id: i64,
    worker: &str,
    lease_time: Duration,
) -> Result<Option<Part>, Error> {
    conn.write(|conn| {
        let waiting = run_part::table
            .filter(run_part::run_id.eq(run_id))
            .filter(run_part::status.eq(PartStatus::Ready))
            .order(run_part::number)
            .limit(1)
            .select(run_part::id);
        let found: Option<i64> = match conn {
            DbConnection::Postgres(c) => waiting.for_update().skip_locked().first(c).optional()?,
            DbConnection::Sqlite(c) => waiting.first(c).optional()?,
        };
        let Some(id) = found else { return Ok(None) };
        let until = lease_end(clock(conn)?, lease_time);
        diesel::update(run_part::table.find(id))
            .set((
                run_part::status.eq(PartStatus::Running),
                run_part::worker.eq(worker),
                run_part::lease_until.eq(until),
                run_part::fence.eq(run_part::fence + 1),
            ))
            .execute(conn)?;
        let part = run_part::table.find(id).select(Part::as_select());
        Ok(Some(part.first(conn)?))
    })
}

/// Renews these leases, if they are still held with their fences. A row that only has a worker's
/// name is not renewed: the answer to its claim may have been lost, so nobody works on it.
pub fn leases_renew(
    conn: &mut DbConnection,
    leases: &[Lease],
    lease_time: Duration,
) -> Result<(), Error> {
    let mut by_fence: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for lease in leases {
        by_fence.entry(lease.fence).or_default().push(lease.part_id);
    }
    for (fence, parts) in by_fence {
        let until = lease_end(clock(conn)?, lease_time);
        on_backend!(&mut *conn, c => {
            let held = run_part::table
                .filter(run_part::id.eq_any(&parts))
                .filter(run_part::status.eq(PartStatus::Running))
                .filter(run_part::fence.eq(fence));
            diesel::update(held)
                .set(run_part::lease_until.eq(until))
                .execute(c)
        })?;
    }
    Ok(())
}

/// Lets only one node at a time choose what to claim, until the transaction ends, so that its
/// counts stay valid. SQLite has one node.
pub fn claim_lock(conn: &mut DbConnection) -> Result<(), Error> {
    if let DbConnection::Postgres(conn) = conn {
        conn.batch_execute("SELECT pg_advisory_xact_lock(7239481121)")?;
    }
    Ok(())
}

/// Parts whose lease has expired by the database's clock, or lasts longer than `longest` or
/// forever: then a clock was changed, and it would never expire.
pub fn parts_overdue(conn: &mut DbConnection, longest: Duration) -> Result<Vec<Part>, Error> {
    let time = clock(conn)?;
    let until = run_part::lease_until.assume_not_null();
    let over = until.lt(time).or(until.gt(lease_end(time, longest)));
    let over = over.or(run_part::lease_until.is_null());
    Ok(run_part::table
        .filter(run_part::status.eq(PartStatus::Running))
        .filter(over)
        .select(Part::as_select())
        .load(conn)?)
}

/// The result of [`part_offer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It is waiting for a worker again.
    Again,
    /// It ended: its run is being cancelled, or all attempts failed.
    Ended,
    /// Its worker is alive, or another node was faster.
    Not,
}

/// Takes a part from a lost worker (`why`) and offers it again, `attempts` times in total. What the
/// worker recorded is kept.
pub fn part_offer(
    conn: &mut DbConnection,
    part: &Part,
    why: &str,
    attempts: i64,
) -> Result<Offered, Error> {
    conn.write(|conn| {
        let Some(run) = run_lock(conn, part.run_id)? else {
            return Ok(Offered::Not);
        };
        let (status, attempt, message) = if run.cancel_requested {
            (
                PartStatus::Interrupted,
                part.attempt,
                "cancelled".to_owned(),
            )
        } else if part.attempt >= attempts {
            let message = format!("given up after {} attempts: {why}", part.attempt);
            (PartStatus::Failed, part.attempt, message)
        } else {
            (PartStatus::Ready, part.attempt + 1, String::new())
        };
        let endless: bool = part.lease_until.is_none();
        let endless = endless.into_sql::<diesel::sql_types::Bool>();
        let same_lease = run_part::lease_until
            .eq(part.lease_until)
            .or(run_part::lease_until.is_null().and(endless));
        let lost = run_part::table
            .find(part.id)
            .filter(run_part::status.eq(PartStatus::Running))
            .filter(run_part::fence.eq(part.fence))
            .filter(same_lease);
        let taken = diesel::update(lost)
            .set((
                run_part::status.eq(status),
                run_part::attempt.eq(attempt),
                run_part::message.eq(text_kept(&message)),
                run_part::lease_until.eq(None::<Moment>),
                run_part::fence.eq(run_part::fence + 1),
            ))
            .execute(conn)?;
        if taken == 0 {
            return Ok(Offered::Not);
        }
        let again = status == PartStatus::Ready;
        let (level, end) = if again {
            (
                LogLevel::Warn,
                format!("retried, attempt {attempt} of {attempts}"),
            )
        } else {
            (LogLevel::Error, message)
        };
        let line = format!("`{}`: {why}; {end}", part.target_repository);
        log_now(conn, part.run_id, level, line)?;
        if attempt > run.attempt {
            diesel::update(tasko_run::table.find(run.id))
                .set(tasko_run::attempt.eq(attempt))
                .execute(conn)?;
        }
        notify(conn, Topic::Queue)?;
        Ok(if again {
            Offered::Again
        } else {
            Offered::Ended
        })
    })
}

/// Releases an unfinished part, for any worker to continue; doesn't count as a failed attempt.
pub fn part_release(conn: &mut DbConnection, lease: Lease, why: &str) -> Result<(), Error> {
    conn.write(|conn| {
        let part = part_hold(conn, lease)?;
        diesel::update(run_part::table.find(lease.part_id))
            .set((
                run_part::status.eq(PartStatus::Ready),
                run_part::lease_until.eq(None::<Moment>),
            ))
            .execute(conn)?;
        let line = format!("`{}`: {why}; it is retried", part.target_repository);
        log_now(conn, lease.run_id, LogLevel::Warn, line)?;
        notify(conn, Topic::Queue)
    })
}

/// When a lease that starts at `start` expires.
pub(in crate::store) fn lease_end(start: Moment, lease_time: Duration) -> Moment {
    TimeDelta::from_std(lease_time)
        .ok()
        .and_then(|delta| start.checked_add_signed(delta))
        .unwrap_or(Moment::MAX)
}
