//! The audit trail: rows are added and read, never changed; housekeeping removes old ones.

use crate::store::base::clock::clock_sql;
use crate::store::schema::audit_event;
use crate::store::{DbConnection, Error, Moment, now};
use diesel::prelude::*;

/// An event as stored.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = audit_event)]
#[allow(missing_docs)] // the fields are the columns
pub struct AuditEvent {
    pub id: i64,
    pub org_id: Option<i64>,
    pub time: Moment,
    pub login: String,
    pub address: String,
    pub method: String,
    pub object: String,
    pub outcome: String,
}

/// An event to add.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = audit_event)]
#[allow(missing_docs)]
pub struct NewAuditEvent<'a> {
    /// `None` for a login of an unknown account.
    pub org_id: Option<i64>,
    pub login: &'a str,
    pub address: &'a str,
    pub method: &'a str,
    pub object: &'a str,
    pub outcome: &'a str,
}

/// A filter of events; `None` matches any.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Those of this organisation.
    pub org_id: Option<i64>,
    /// Those with exactly this login.
    pub login: Option<String>,
    /// Those of exactly this method, such as `image.store.create`.
    pub method: Option<String>,
    /// Those about exactly this object.
    pub object: Option<String>,
    /// Those with exactly this outcome.
    pub outcome: Option<String>,
    /// Those at this time or later.
    pub since: Option<Moment>,
    /// Those before this time.
    pub until: Option<Moment>,
}

/// Adds an event; its time is now, by the database's clock.
pub fn audit_add(conn: &mut DbConnection, new: &NewAuditEvent<'_>) -> Result<(), Error> {
    let insert = diesel::insert_into(audit_event::table);
    match conn {
        DbConnection::Postgres(c) => {
            let row = (new, audit_event::time.eq(clock_sql()));
            insert.values(row).execute(c)?
        }
        DbConnection::Sqlite(c) => {
            let row = (new, audit_event::time.eq(now()));
            insert.values(row).execute(c)?
        }
    };
    Ok(())
}

/// Removes at most `limit` of the events before this time, oldest first; returns how many.
pub fn audit_remove(conn: &mut DbConnection, before: Moment, limit: i64) -> Result<usize, Error> {
    let oldest: Vec<(i64, Moment)> = audit_event::table
        .order(audit_event::id)
        .limit(limit)
        .select((audit_event::id, audit_event::time))
        .load(conn)?;
    // Their order by id is that of their times, except for simultaneous calls.
    let last = oldest.iter().rfind(|(_, time)| *time < before);
    let Some((last, _)) = last else { return Ok(0) };
    let old = audit_event::table
        .filter(audit_event::id.le(*last))
        .filter(audit_event::time.lt(before));
    Ok(diesel::delete(old).execute(conn)?)
}

/// At most `limit` events with an id below `before_id`, latest first.
pub fn audit_list(
    conn: &mut DbConnection,
    filter: &AuditFilter,
    before_id: i64,
    limit: i64,
) -> Result<Vec<AuditEvent>, Error> {
    let mut events = audit_event::table
        .filter(audit_event::id.lt(before_id))
        .order(audit_event::id.desc())
        .limit(limit)
        .select(AuditEvent::as_select())
        .into_boxed();
    if let Some(org_id) = filter.org_id {
        events = events.filter(audit_event::org_id.eq(org_id));
    }
    if let Some(login) = &filter.login {
        events = events.filter(audit_event::login.eq(login));
    }
    if let Some(method) = &filter.method {
        events = events.filter(audit_event::method.eq(method));
    }
    if let Some(object) = &filter.object {
        events = events.filter(audit_event::object.eq(object));
    }
    if let Some(outcome) = &filter.outcome {
        events = events.filter(audit_event::outcome.eq(outcome));
    }
    if let Some(since) = filter.since {
        events = events.filter(audit_event::time.ge(since));
    }
    if let Some(until) = filter.until {
        events = events.filter(audit_event::time.lt(until));
    }
    Ok(events.load(conn)?)
}
