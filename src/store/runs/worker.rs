//! The processes that work on the queue, by their names.

use crate::store::base::clock::clock;
use crate::store::base::storable::name_kept;
use crate::store::schema::worker;
use crate::store::{DbConnection, Error, Moment};
use chrono::TimeDelta;
use diesel::prelude::*;
use diesel::upsert::excluded;
use std::time::Duration;

/// Workers without a sign of life for so long are forgotten.
const FORGOTTEN_AFTER: TimeDelta = TimeDelta::days(7);

/// A worker that starts.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = worker)]
pub struct NewWorker {
    /// Its name, the same after a restart.
    pub id: String,
    /// The machine.
    pub host: String,
    /// Its data directory there.
    pub directory: String,
    /// Parts that it works on at once.
    pub slots: i64,
    /// So long after its last sign of life it counts as lost.
    pub lease_seconds: i64,
    /// How many parts at one registry host it knows as the limit.
    pub host_parts: Option<i64>,
    /// The same for one organisation.
    pub org_parts: Option<i64>,
}

/// A worker as stored: one that ended in order is forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = worker)]
#[allow(missing_docs)] // as in `NewWorker`
pub struct Worker {
    pub id: String,
    pub host: String,
    pub started: Moment,
    /// Its last sign of life.
    pub heartbeat: Moment,
    pub slots: i64,
    pub lease_seconds: i64,
    pub host_parts: Option<i64>,
    pub org_parts: Option<i64>,
}

impl Worker {
    /// Whether it counts as alive at `time` of the database's clock.
    pub fn is_alive(&self, time: Moment) -> bool {
        let lease = TimeDelta::try_seconds(self.lease_seconds).unwrap_or(FORGOTTEN_AFTER);
        self.heartbeat + lease >= time
    }
}

/// All of them, by name; lost ones for a week.
pub fn worker_list(conn: &mut DbConnection) -> Result<Vec<Worker>, Error> {
    Ok(worker::table
        .order(worker::id)
        .select(Worker::as_select())
        .load(conn)?)
}

/// Writes down that a worker has started. `false`, and nothing is written, where one of this name
/// has given a sign of life within `lost_after` from another place.
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

/// Writes down that a worker lives.
pub fn worker_seen(conn: &mut DbConnection, id: &str) -> Result<(), Error> {
    let time = clock(conn)?;
    diesel::update(worker::table.find(id))
        .set(worker::heartbeat.eq(time))
        .execute(conn)?;
    Ok(())
}

/// Forgets a worker that has ended.
pub fn worker_forget(conn: &mut DbConnection, id: &str) -> Result<(), Error> {
    diesel::delete(worker::table.find(id)).execute(conn)?;
    Ok(())
}
