//! A worker: claims parts of runs while it has a free slot, and works on them concurrently.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::service::Error;
use crate::service::runs::limits::RunLimits;
use crate::store::Db;
use crate::taskomatic::{DATABASE_PAUSE, POLL};

use super::catalogue::{CatalogueWork, Reading, catalogue_next};
use super::claim::{Claimed, claim};
use super::execution::{WorkContext, execute};
use super::holds::Holds;
use super::lease_keeper::Keeper;
use super::lease_rules::LeaseRules;
use super::lost::LostParts;
use super::shares::Shares;

/// How long cancelled transfers may take to cancel their uploads and write their results.
const CANCEL_GRACE: Duration = Duration::from_secs(20);

/// What a free slot does next.
enum Next {
    Part(Box<Claimed>),
    Catalogue(Box<CatalogueWork>),
}

/// The settings of a worker.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// The worker's name, which survives restarts, so that it recognises its own leftovers.
    pub name: String,
    /// Parts at once.
    pub slots: usize,
    /// The rules of leases.
    pub leases: LeaseRules,
    /// How much may be worked on at once, over all nodes.
    pub limits: RunLimits,
    /// How long the tags in progress may take when the worker is stopped.
    pub grace: Duration,
}

/// Executes runs of the queue.
pub struct Worker {
    db: Db,
    options: WorkerOptions,
    queue_wake: Arc<Notify>,
    cancel_wake: Arc<Notify>,
    reading: Reading,
}

impl Worker {
    /// A worker on `db`. `queue_wake` is notified when there may be work to claim, `cancel_wake`
    /// when a run should end.
    pub fn new(
        db: Db,
        options: WorkerOptions,
        queue_wake: Arc<Notify>,
        cancel_wake: Arc<Notify>,
    ) -> Self {
        Self {
            db,
            options,
            queue_wake,
            cancel_wake,
            reading: Reading::default(),
        }
    }

    /// Works until `stop`; then lets the tags in progress finish within the grace time, and
    /// releases the rest.
    pub async fn run(self, stop: CancellationToken) {
        let place = WorkContext {
            db: self.db.clone(),
            worker: self.options.name.clone(),
            shares: Shares::default(),
            holds: Holds::default(),
            drain: stop.clone(),
        };
        let keeper = Keeper {
            db: self.db.clone(),
            worker: self.options.name.clone(),
            rules: self.options.leases,
            holds: place.holds.clone(),
            lost: LostParts::new(
                self.db.clone(),
                self.options.leases,
                Arc::clone(&self.queue_wake),
            ),
            cancel_wake: Arc::clone(&self.cancel_wake),
        };
        self.leftovers_offer(&keeper, &stop).await;
        let done = CancellationToken::new();
        let mut keeper = tokio::spawn(keeper.run(done.clone()));
        let mut working = JoinSet::new();
        let work = async {
            self.work(&place, &mut working, &stop).await;
            self.end(&place, working).await;
        };
        tokio::select! {
            () = work => {}
            ended = &mut keeper => {
                // Nothing renews the leases any more: the worker has to end, and so does its
                // supervisor.
                tracing::error!(?ended, "the lease keeper has ended");
                return place.holds.cancel_all();
            }
        }
        done.cancel();
        let _ = keeper.await;
    }

    async fn work(&self, place: &WorkContext, working: &mut JoinSet<()>, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            while working.try_join_next().is_some() {}
            let next = if working.len() < self.options.slots.max(1) {
                self.next(place).await
            } else {
                Ok(None)
            };
            let pause = match next {
                Ok(Some(Next::Part(claimed))) => {
                    let held = place.holds.add(claimed.part.lease());
                    working.spawn(execute(place.clone(), *claimed, held));
                    continue;
                }
                Ok(Some(Next::Catalogue(catalogue))) => {
                    working.spawn(catalogue.work(place.db.clone(), stop.clone()));
                    continue;
                }
                Ok(None) => POLL,
                Err(error) => {
                    tracing::error!(%error, "can't read the queue");
                    DATABASE_PAUSE
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.queue_wake.notified() => {}
                _ = working.join_next(), if !working.is_empty() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn next(&self, place: &WorkContext) -> Result<Option<Next>, Error> {
        // Slow catalogues must not take the slots of all others.
        if self.reading.count() < (self.options.slots / 2).max(1)
            && let Some(catalogue) =
                catalogue_next(&place.db, &self.reading, self.options.limits).await?
        {
            return Ok(Some(Next::Catalogue(Box::new(catalogue))));
        }
        Ok(self
            .claim()
            .await?
            .map(|claimed| Next::Part(Box::new(claimed))))
    }

    async fn claim(&self) -> Result<Option<Claimed>, Error> {
        let WorkerOptions {
            name,
            leases,
            limits,
            ..
        } = self.options.clone();
        self.db
            .transaction(move |conn| claim(conn, &name, leases.lease(), limits))
            .await
    }

    /// Before anything is claimed: afterwards, what has this worker's name is its own.
    async fn leftovers_offer(&self, keeper: &Keeper, stop: &CancellationToken) {
        while let Err(error) = keeper.leftovers_offer().await {
            tracing::error!(%error, "can't read what an earlier process left");
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(DATABASE_PAUSE) => {}
            }
        }
    }

    async fn end(&self, place: &WorkContext, mut working: JoinSet<()>) {
        let all = async { while working.join_next().await.is_some() {} };
        tokio::pin!(all);
        if tokio::time::timeout(self.options.grace, &mut all)
            .await
            .is_ok()
        {
            return;
        }
        place.holds.cancel_all();
        if tokio::time::timeout(CANCEL_GRACE, all).await.is_err() {
            tracing::warn!("parts of runs are left until their leases expire");
        }
    }
}
