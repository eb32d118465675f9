//! Sessions. Only the SHA-256 of a session's secret is stored.

use crate::store::base::clock::{clock, clock_sql};
use crate::store::schema::session;
use crate::store::{DbConnection, Error, Moment, now};
use chrono::TimeDelta;
use diesel::prelude::*;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// A session as stored.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = session)]
#[allow(missing_docs)] // the fields are the columns
pub struct Session {
    pub id: i64,
    secret_hash: Vec<u8>,
    pub account_id: i64,
    pub created: Moment,
    pub expires: Moment,
    /// What one renewal adds, in seconds.
    pub duration_s: i64,
    /// Where the login came from.
    pub address: String,
}

impl Session {
    /// Whether `secret` is this session's, in constant time.
    pub fn secret_matches(&self, secret: &[u8]) -> bool {
        Sha256::digest(secret)[..].ct_eq(&self.secret_hash).into()
    }
}

/// Creates a session that ends after `duration_s` seconds, and returns its id.
pub fn session_create(
    conn: &mut DbConnection,
    account_id: i64,
    secret: &[u8],
    duration_s: i64,
    address: &str,
) -> Result<i64, Error> {
    let created = clock(conn)?;
    let row = (
        session::secret_hash.eq(Sha256::digest(secret).to_vec()),
        session::account_id.eq(account_id),
        session::created.eq(created),
        session::expires.eq(after(created, duration_s)),
        session::duration_s.eq(duration_s),
        session::address.eq(address),
    );
    let insert = diesel::insert_into(session::table)
        .values(row)
        .returning(session::id);
    Ok(on_backend!(conn, c => insert.get_result(c))?)
}

/// Finds a session that hasn't expired by the database's clock, and returns that clock's time. The
/// caller compares the secret.
pub fn session_find(conn: &mut DbConnection, id: i64) -> Result<Option<(Session, Moment)>, Error> {
    let row = session::table.find(id);
    let found = match conn {
        // One statement for both, since every call does this.
        DbConnection::Postgres(c) => row
            .select((Session::as_select(), clock_sql()))
            .first(c)
            .optional()?,
        DbConnection::Sqlite(c) => row
            .select(Session::as_select())
            .first(c)
            .optional()?
            .map(|session| (session, now())),
    };
    Ok(found.filter(|(session, time): &(Session, Moment)| session.expires > *time))
}

/// Renews the session. Writes nothing if that would gain less than a second (or a tenth of a short
/// session), so many calls a second don't each write. Nor does it wait for other writers, since the
/// next call renews as well. `time` is the database's.
pub fn session_renew(
    conn: &mut DbConnection,
    session: &Session,
    time: Moment,
) -> Result<(), Error> {
    let expires = after(time, session.duration_s);
    let worthwhile = TimeDelta::milliseconds(session.duration_s.saturating_mul(100).min(1000));
    if expires - session.expires < worthwhile {
        return Ok(());
    }
    conn.impatiently(|conn| {
        diesel::update(session::table.find(session.id))
            .set(session::expires.eq(expires))
            .execute(conn)?;
        Ok(())
    })
}

/// Ends a session; `false` if there was none.
pub fn session_delete(conn: &mut DbConnection, id: i64) -> Result<bool, Error> {
    Ok(diesel::delete(session::table.find(id)).execute(conn)? == 1)
}

/// Ends every session of an account, and returns how many there were.
pub fn session_delete_of(conn: &mut DbConnection, account_id: i64) -> Result<usize, Error> {
    let theirs = session::table.filter(session::account_id.eq(account_id));
    Ok(diesel::delete(theirs).execute(conn)?)
}

/// Ends every session of an account except the one with the id `kept`, and returns how many there
/// were.
pub fn session_delete_others(
    conn: &mut DbConnection,
    account_id: i64,
    kept: i64,
) -> Result<usize, Error> {
    let theirs = session::table
        .filter(session::account_id.eq(account_id))
        .filter(session::id.ne(kept));
    Ok(diesel::delete(theirs).execute(conn)?)
}

/// Removes the sessions that have expired, and returns how many.
pub fn session_delete_expired(conn: &mut DbConnection) -> Result<usize, Error> {
    let time = clock(conn)?;
    Ok(diesel::delete(session::table.filter(session::expires.le(time))).execute(conn)?)
}

fn after(start: Moment, seconds: i64) -> Moment {
    TimeDelta::try_seconds(seconds)
        .and_then(|delta| start.checked_add_signed(delta))
        .unwrap_or(start)
}
