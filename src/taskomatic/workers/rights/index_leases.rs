//! Leases in the database: of all servers, one at a time writes an index of referrers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::store::Db;
use crate::store::projects::index_lease::{index_lease_end, index_lease_take};
use crate::sync::referrers::lease::{Held, IndexLeases, WRITE_TIME};
use crate::text::{NAME, readable};

/// How long a lease lasts if its holder is lost.
const LEASE: Duration = WRITE_TIME.saturating_add(Duration::from_mins(1));
/// How long one is waited for: another server may be lost, and then its heir has a turn.
const PATIENCE: Duration = WRITE_TIME.saturating_mul(3);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The leases that a worker takes.
#[derive(Clone, Debug)]
pub(in crate::taskomatic::workers) struct DatabaseLeases {
    pub(in crate::taskomatic::workers) db: Db,
    pub(in crate::taskomatic::workers) worker: String,
}

/// One of them.
struct HeldLease {
    db: Db,
    place: String,
    holder: String,
}

impl Held for HeldLease {}

impl IndexLeases for DatabaseLeases {
    fn take<'a>(&'a self, place: &'a str) -> BoxFuture<'a, Result<Box<dyn Held>, String>> {
        self.wait(place).boxed()
    }
}

impl DatabaseLeases {
    async fn wait(&self, place: &str) -> Result<Box<dyn Held>, String> {
        static TAKEN: AtomicU64 = AtomicU64::new(0);
        let number = TAKEN.fetch_add(1, Ordering::Relaxed);
        let holder = format!("{} {number}", self.worker);
        let begun = Instant::now();
        loop {
            let (to, by) = (place.to_owned(), holder.clone());
            let taken = self
                .db
                .run(move |conn| index_lease_take(conn, &to, &by, LEASE));
            let obstacle = match taken.await {
                Ok(None) => {
                    return Ok(Box::new(HeldLease {
                        db: self.db.clone(),
                        place: place.to_owned(),
                        holder,
                    }));
                }
                Ok(Some(other)) => {
                    format!("`{}` is writing it all the time", readable(&other, NAME))
                }
                Err(error) if error.is_passing() => error.to_string(),
                Err(error) => return Err(error.to_string()),
            };
            if begun.elapsed() > PATIENCE {
                return Err(obstacle);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        let (db, place, holder) = (self.db.clone(), self.place.clone(), self.holder.clone());
        // Without a runtime the process is ending, and the lease expires.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            let ended = db.run(move |conn| index_lease_end(conn, &place, &holder));
            if let Err(error) = ended.await {
                tracing::warn!(%error, "can't give back the lease of an index: it will expire");
            }
        });
    }
}
