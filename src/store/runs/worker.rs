//! The processes that work on the queue, by name.

use crate::store::base::clock::clock;
use crate::store::base::storable::name_kept;
use crate::store::schema::worker;
use crate::store::{DbConnection, Error, Moment};
use chrono::TimeDelta;
use diesel::prelude::*;
use diesel::upsert::excluded;
use std::time::Duration;

/// How long lost workers are remembered.
const FORGOTTEN_AFTER: TimeDelta = TimeDelta::days(7);

/// A starting worker.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = worker)]
pub struct NewWorker {
    /// Its name, which survives restarts.
    pub id: String,
    /// The machine.
    pub host: String,
    /// Its data directory on that machine.
    pub directory: String,
    /// Number of parts that it works on at once.
    pub slots: i64,
    /// Seconds without a heartbeat after which it is considered lost.
    pub lease_seconds: i64,
    /// Its limit of parts per registry host.
    pub host_parts: Option<i64>,
    /// Its limit of parts per organisation.
    pub org_parts: Option<i64>,
}

/// A stored worker; one that shuts down is removed.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = worker)]
#[allow(missing_docs)] // as in `NewWorker`
pub struct Worker {
    pub id: String,
    pub host: String,
    pub started: Moment,
    /// Its last heartbeat.
    pub heartbeat: Moment,
    pub slots: i64,
    pub lease_seconds: i64,
    pub host_parts: Option<i64>,
    pub org_parts: Option<i64>,
}

impl Worker {
    /// Whether it is considered alive at `time` of the database's clock.
    pub fn is_alive(&self, time: Moment) -> bool {
        let lease = TimeDelta::try_seconds(self.lease_seconds).unwrap_or(FORGOTTEN_AFTER);
        self.heartbeat + lease >= time
    }
}

/// All workers, by name; lost ones for a week.
pub fn worker_list(conn: &mut DbConnection) -> Result<Vec<Worker>, Error> {
    Ok(worker::table
        .order(worker::id)
        .select(Worker::as_select())
        .load(conn)?)
}

/// Records that a worker has started. `false`, and nothing is written, if one of this name has sent
/// a heartbeat within `lost_after` from another place.
pub fn worker_register(
    conn: &mut DbConnection,
    new: &NewWorker,
    lost_after: Duration,
) -> Result<bool, Error> {
    let new = &NewWorker {
        id: new.id.clone(),
        host: name_kept(&new.host),
        directory: name_kept(&new.directory),
        ..*new
    };
    conn.write(|conn| {
        let time = clock(conn)?;
        let old = worker::table.filter(worker::heartbeat.lt(time - FORGOTTEN_AFTER));
        diesel::delete(old).execute(conn)?;
        let lost_after = TimeDelta::from_std(lost_after).unwrap_or(FORGOTTEN_AFTER);
        let elsewhere = worker::table
            .find(&new.id)
            .filter(worker::heartbeat.ge(time - lost_after))
            .filter(
                worker::host
                    .ne(&new.host)
                    .or(worker::directory.ne(&new.directory)),
            )
            .select(worker::id);
        if elsewhere.first::<String>(conn).optional()?.is_some() {
            return Ok(false);
        }
        let row = (new, worker::started.eq(time), worker::heartbeat.eq(time));
        on_backend!(conn, c => {
            diesel::insert_into(worker::table)
                .values(row)
                .on_conflict(worker::id)
                .do_update()
                .set((
                    worker::host.eq(excluded(worker::host)),
                    worker::directory.eq(excluded(worker::directory)),
                    worker::started.eq(excluded(worker::started)),
                    worker::heartbeat.eq(excluded(worker::heartbeat)),
                    worker::slots.eq(excluded(worker::slots)),
                    worker::lease_seconds.eq(excluded(worker::lease_seconds)),
                    worker::host_parts.eq(excluded(worker::host_parts)),
                    worker::org_parts.eq(excluded(worker::org_parts)),
                ))
                .execute(c)
        })?;
        Ok(true)
    })
}

/// Records a heartbeat.
pub fn worker_seen(conn: &mut DbConnection, id: &str) -> Result<(), Error> {
    let time = clock(conn)?;
    diesel::update(worker::table.find(id))
        .set(worker::heartbeat.eq(time))
        .execute(conn)?;
    Ok(())
}

/// Removes a worker that has ended.
pub fn worker_forget(conn: &mut DbConnection, id: &str) -> Result<(), Error> {
    diesel::delete(worker::table.find(id)).execute(conn)?;
    Ok(())
}
