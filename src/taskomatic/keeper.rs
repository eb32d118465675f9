//! Keeps what this worker holds, and takes what others lost.
//!
//! Once a second it looks whether a part's run is to end or its lease is lost; it renews the leases,
//! whatever the engines do; and it offers parts again whose worker gave no sign of life. For that
//! it trusts no clock alone: a lease must have run out by the database's clock, and nothing of it may
//! have changed for a while by this process's own, which no one can set.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::service::run_settle::run_settle;
use crate::store::part::{
    Offered, Part, part_offer, parts_held, parts_of, parts_overdue, parts_renew,
};
use crate::store::worker::{worker_forget, worker_seen};
use crate::store::{Db, Error, Moment};

use super::held::{Holds, holds_check};
use super::worker::LeaseRules;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The keeper of one worker.
pub(super) struct Keeper {
    pub(super) db: Db,
    pub(super) worker: String,
    pub(super) rules: LeaseRules,
    pub(super) holds: Holds,
    /// Notified when there is something to claim.
    pub(super) queue_wake: Arc<Notify>,
    /// Notified when a run is to end.
    pub(super) cancel_wake: Arc<Notify>,
}

/// A part under suspicion: its fence and lease, and since when they have been as they are.
struct Suspect {
    fence: i64,
    lease_until: Option<Moment>,
    since: Instant,
}

impl Keeper {
    /// Works until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut suspects = HashMap::new();
        let mut renewed: Option<Instant> = None;
        while !stop.is_cancelled() {
            let due = renewed.is_none_or(|last| last.elapsed() >= self.rules.renew_every());
            match self.look(due, &mut suspects).await {
                Ok(()) if due => renewed = Some(Instant::now()),
                Ok(()) => {}
                Err(error) => tracing::warn!(%error, "leases can't be looked after"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.cancel_wake.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        let (db, worker) = (self.db, self.worker);
        if let Err(error) = db.run(move |conn| worker_forget(conn, &worker)).await {
            tracing::warn!(%error, "this worker's end can't be written");
        }
    }

    async fn look(&self, renew: bool, suspects: &mut HashMap<i64, Suspect>) -> Result<(), Error> {
        let held = self.holds.all();
        let (worker, rules) = (self.worker.clone(), self.rules);
        let (stored, overdue) = self
            .db
            .run(move |conn| {
                if renew {
                    parts_renew(conn, &worker, rules.lease())?;
                    worker_seen(conn, &worker)?;
                }
                let stored = parts_held(conn, &worker)?;
                Ok((stored, parts_overdue(conn, rules.lease())?))
            })
            .await?;
        holds_check(&held, &stored);
        for part in self.lost(overdue, suspects) {
            let worker = part.worker.as_deref().unwrap_or_default();
            let why = format!("its worker `{worker}` gave no sign of life");
            self.offer(part, why).await?;
        }
        Ok(())
    }

    /// Those of the overdue parts that have been so for long enough.
    fn lost(&self, overdue: Vec<Part>, suspects: &mut HashMap<i64, Suspect>) -> Vec<Part> {
        suspects.retain(|id, _| overdue.iter().any(|part| part.id == *id));
        let is_lost = |part: &Part| {
            if self.holds.contains(part.id, part.fence) {
                return false;
            }
            let suspect = suspects.entry(part.id).or_insert_with(|| Suspect::of(part));
            if (suspect.fence, suspect.lease_until) != (part.fence, part.lease_until) {
                *suspect = Suspect::of(part);
            }
            suspect.since.elapsed() >= self.rules.watch()
        };
        overdue.into_iter().filter(is_lost).collect()
    }

    async fn offer(&self, part: Part, why: String) -> Result<(), Error> {
        let attempts = self.rules.attempts;
        let (run_id, place) = (part.run_id, part.target_repository.clone());
        let shown = why.clone();
        let offered = self
            .db
            .run(move |conn| {
                conn.write(|conn| {
                    let offered = part_offer(conn, &part, &why, attempts)?;
                    if offered == Offered::Ended {
                        run_settle(conn, part.run_id)?;
                    }
                    Ok(offered)
                })
            })
            .await?;
        if offered != Offered::Not {
            tracing::warn!("run {run_id}, `{place}`: {shown}; {offered:?}");
            self.queue_wake.notify_one();
        }
        Ok(())
    }

    /// Offers again what an earlier process of this worker left; on SQLite, what any did, since there
    /// is no other.
    pub(super) async fn leftovers_offer(&self) -> Result<(), Error> {
        let worker = self.worker.clone();
        let left = self.db.run(move |conn| {
            let shared = conn.is_shared();
            parts_of(conn, shared.then_some(&*worker))
        });
        for part in left.await? {
            if !self.holds.contains(part.id, part.fence) {
                let why = "its worker ended before it did".to_owned();
                self.offer(part, why).await?;
            }
        }
        Ok(())
    }
}

impl Suspect {
    fn of(part: &Part) -> Self {
        Self {
            fence: part.fence,
            lease_until: part.lease_until,
            since: Instant::now(),
        }
    }
}
