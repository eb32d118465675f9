//! Before a run can start whose items name repositories by pattern, one worker reads the source's
//! catalogue and keeps it with the run.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::service::Error;
use crate::service::runs::job::catalogue::{CatalogueWanted, catalogue_wanted};
use crate::service::runs::limits::{RunLimits, barred};
use crate::store::projects::catalogue::{RunCatalogue, catalogue_keep};
use crate::store::runs::part::parts_running;
use crate::store::runs::queue::{Barred, run_lacks_catalogue, run_without_catalogue};
use crate::store::runs::run::Run;
use crate::store::{Db, DbConnection, SealKey};
use crate::taskomatic::DATABASE_PAUSE;

/// Pause between two looks whether a run still waits.
const WATCH: Duration = Duration::from_secs(1);

/// The runs whose catalogue this process reads.
#[derive(Clone, Default)]
pub(in crate::taskomatic) struct Reading(Arc<Mutex<HashSet<i64>>>);

impl Reading {
    fn ids(&self) -> Vec<i64> {
        let ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ids.iter().copied().collect()
    }

    /// How many they are.
    pub(super) fn count(&self) -> usize {
        self.ids().len()
    }

    fn begin(&self, run_id: i64) -> ReadingOne {
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ids.insert(run_id);
        ReadingOne(self.clone(), run_id)
    }
}

/// One of them, until it is dropped.
struct ReadingOne(Reading, i64);

impl Drop for ReadingOne {
    fn drop(&mut self) {
        let mut ids = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        ids.remove(&self.1);
    }
}

/// A catalogue to read.
pub(super) struct CatalogueWork {
    run: Run,
    wanted: Result<CatalogueWanted, Error>,
    reading: ReadingOne,
}

/// The next catalogue to read. Another node may read the same; the first one is kept.
pub(super) async fn catalogue_next(
    db: &Db,
    reading: &Reading,
    limits: RunLimits,
) -> Result<Option<CatalogueWork>, Error> {
    let (key, others) = (db.key().clone(), reading.ids());
    let find = move |conn: &mut DbConnection| find(conn, &key, &others, limits);
    let Some((run, wanted)) = db.call(find).await? else {
        return Ok(None);
    };
    Ok(Some(CatalogueWork {
        reading: reading.begin(run.id),
        run,
        wanted,
    }))
}

type Found = (Run, Result<CatalogueWanted, Error>);

fn find(
    conn: &mut DbConnection,
    key: &SealKey,
    others: &[i64],
    limits: RunLimits,
) -> Result<Option<Found>, Error> {
    // Seldom is there one, so what is barred is only looked up then.
    if run_without_catalogue(conn, &Barred::default(), others)?.is_none() {
        return Ok(None);
    }
    let running = parts_running(conn)?;
    let barred = barred(conn, &running, limits)?;
    let Some(run) = run_without_catalogue(conn, &barred, others)? else {
        return Ok(None);
    };
    match catalogue_wanted(conn, key, &run) {
        Err(error) if error.is_passing() => Err(error),
        wanted => Ok(Some((run, wanted))),
    }
}

async fn keep(db: &Db, run_id: i64, catalogue: RunCatalogue) -> Result<(), Error> {
    db.transaction(move |conn| Ok(catalogue_keep(conn, run_id, &catalogue)?))
        .await
}

/// Waits until the run doesn't wait for its catalogue any more: it was cancelled, or its project is
/// gone.
async fn run_ended(db: &Db, run_id: i64) {
    loop {
        tokio::time::sleep(WATCH).await;
        let waits = db.run(move |conn| run_lacks_catalogue(conn, run_id)).await;
        if matches!(waits, Ok(false)) {
            return;
        }
    }
}

impl CatalogueWork {
    /// Reads and keeps it, unless the worker is stopped or the run ends meanwhile.
    pub(super) async fn work(self, db: Db, stop: CancellationToken) {
        let run_id = self.run.id;
        tokio::select! {
            () = stop.cancelled() => {}
            () = run_ended(&db, run_id) => {}
            () = self.read(&db) => {}
        }
    }

    async fn read(self, db: &Db) {
        tracing::info!(run = self.run.id, "reading the source's catalogue");
        let read = match self.wanted {
            Ok(wanted) => wanted.read().await,
            Err(error) => Err(error),
        };
        let catalogue = read.unwrap_or_else(|error| RunCatalogue {
            error: Some(error.to_string()),
            ..RunCatalogue::default()
        });
        let run_id = self.run.id;
        if let Err(error) = keep(db, run_id, catalogue).await {
            tracing::error!(run = run_id, %error, "can't keep the catalogue");
            if !error.is_passing() {
                let catalogue = RunCatalogue {
                    error: Some(format!("it can't be kept: {error}")),
                    ..RunCatalogue::default()
                };
                let _ = keep(db, run_id, catalogue).await;
            }
            tokio::time::sleep(DATABASE_PAUSE).await;
        }
        drop(self.reading);
    }
}
