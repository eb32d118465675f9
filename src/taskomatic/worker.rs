//! A worker: claims runs while it has a free slot, and executes them side by side.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::store::run::{Run, run_claim, run_interrupt_left_running};
use crate::store::{Db, Error};

use super::execution;

/// How long a claim holds without a sign of life. Longer than any pause of a healthy worker,
/// short enough that work is taken over while somebody still waits for it.
pub(super) const LEASE: Duration = Duration::from_mins(1);
/// How often the queue is looked at when nobody says that there is something in it.
const POLL: Duration = Duration::from_secs(1);
/// The wait after the database failed, before it is asked again.
const DATABASE_PAUSE: Duration = Duration::from_secs(2);

/// What a worker is made of.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// The worker's name, the same after a restart: its own leftovers are told by it.
    pub name: String,
    /// Runs at once.
    pub slots: usize,
}

/// Executes runs of the queue.
pub struct Worker {
    db: Db,
    options: WorkerOptions,
    wake: Arc<Notify>,
}

impl Worker {
    /// A worker on `db`; `wake` is notified when a run was put into the queue in this process.
    pub fn new(db: Db, options: WorkerOptions, wake: Arc<Notify>) -> Self {
        Self { db, options, wake }
    }

    /// Works until `stop`; then ends the runs under way as interrupted.
    pub async fn run(self, stop: CancellationToken) {
        self.leftovers_end().await;
        let mut running = JoinSet::new();
        while !stop.is_cancelled() {
            while running.try_join_next().is_some() {}
            let claimed = if running.len() < self.options.slots.max(1) {
                self.claim().await
            } else {
                Ok(None)
            };
            let pause = match claimed {
                Ok(Some(run)) => {
                    let (db, stop) = (self.db.clone(), stop.clone());
                    running.spawn(execution::execute_guarded(db, run, stop));
                    continue;
                }
                Ok(None) => POLL,
                Err(error) => {
                    tracing::error!(%error, "the queue can't be read");
                    DATABASE_PAUSE
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.notified() => {}
                _ = running.join_next(), if !running.is_empty() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        while running.join_next().await.is_some() {}
    }

    async fn claim(&self) -> Result<Option<Run>, Error> {
        let name = self.options.name.clone();
        self.db.run(move |conn| run_claim(conn, &name, LEASE)).await
    }

    /// What an earlier process of this worker left running is over.
    async fn leftovers_end(&self) {
        let name = self.options.name.clone();
        let ended = self
            .db
            .run(move |conn| run_interrupt_left_running(conn, &name))
            .await;
        match ended {
            Ok(ids) if ids.is_empty() => {}
            Ok(ids) => tracing::warn!(?ids, "runs left by an earlier process are interrupted"),
            Err(error) => tracing::error!(%error, "runs left by an earlier process can't be ended"),
        }
    }
}
