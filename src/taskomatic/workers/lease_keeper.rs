//! Renews this worker's leases, and reclaims lost parts.
//!
//! Once a second it compares the database's state of this worker with what it works on, in both
//! directions. A part that belongs to another worker by now, or whose run should end, is notified; one
//! that the database assigns to this worker although it doesn't work on it (the answer to a claim was
//! lost, or its end couldn't be written) is offered again. It renews only the leases of parts in
//! progress, whatever the engines do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::store::runs::lease::{leases_renew, parts_overdue};
use crate::store::runs::part::{HeldPart, Lease, Part, parts_held, parts_of};
use crate::store::runs::worker::{worker_forget, worker_seen};
use crate::store::{Db, Error};

use super::holds::{Holds, holds_check};
use super::lease_rules::LeaseRules;
use super::lost::LostParts;

/// How often it checks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The keeper of one worker.
pub(super) struct Keeper {
    pub(in crate::taskomatic) db: Db,
    pub(in crate::taskomatic) worker: String,
    pub(in crate::taskomatic) rules: LeaseRules,
    pub(in crate::taskomatic) holds: Holds,
    pub(in crate::taskomatic) lost: LostParts,
    /// Notified when a run should end.
    pub(in crate::taskomatic) cancel_wake: Arc<Notify>,
}

impl Keeper {
    /// Works until `stop`.
    pub(in crate::taskomatic) async fn run(mut self, stop: CancellationToken) {
        let mut renewed: Option<Instant> = None;
        while !stop.is_cancelled() {
            let due = renewed.is_none_or(|last| last.elapsed() >= self.rules.renew_every());
            match self.look(due).await {
                Ok(()) if due => renewed = Some(Instant::now()),
                Ok(()) => {}
                Err(error) => tracing::warn!(%error, "can't renew leases"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.cancel_wake.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        let (db, worker) = (self.db, self.worker);
        if let Err(error) = db.run(move |conn| worker_forget(conn, &worker)).await {
            tracing::warn!(%error, "can't record this worker's end");
        }
    }

    async fn look(&mut self, renew: bool) -> Result<(), Error> {
        let held = self.holds.all();
        let leases: Vec<Lease> = held.iter().map(|hold| hold.lease).collect();
        let (worker, rules) = (self.worker.clone(), self.rules);
        let (stored, overdue) = self
            .db
            .run_urgently(move |conn| {
                if renew {
                    leases_renew(conn, &leases, rules.lease())?;
                    worker_seen(conn, &worker)?;
                }
                let stored = parts_held(conn, &worker)?;
                Ok((stored, parts_overdue(conn, rules.lease())?))
            })
            .await?;
        holds_check(&held, &stored);
        let suspicious = self.suspicious(overdue, stored);
        self.lost.offer_lost(suspicious).await
    }

    /// Parts that seem to have no worker: others' overdue parts, and those of this worker that it
    /// doesn't hold, overdue or not. A part claimed just now is briefly among them.
    fn suspicious(&self, overdue: Vec<Part>, stored: Vec<HeldPart>) -> Vec<(Part, String)> {
        let is_mine = |part: &Part| part.worker.as_deref() == Some(&*self.worker);
        let others = overdue.into_iter().filter(|part| !is_mine(part));
        let mine = stored.into_iter().map(|held| held.part);
        let mine = mine.filter(|part| !self.holds.contains(part.id, part.fence));
        let why = |part: Part| {
            let worker = part.worker.as_deref().unwrap_or_default();
            let why = if is_mine(&part) {
                format!("its worker `{worker}` isn't working on it")
            } else {
                format!("its worker `{worker}` sent no heartbeat")
            };
            (part, why)
        };
        others.chain(mine).map(why).collect()
    }

    /// Offers again what an earlier process of this worker left; on SQLite, what any process left,
    /// since there is no other.
    pub(super) async fn leftovers_offer(&self) -> Result<(), Error> {
        let worker = self.worker.clone();
        let left = self.db.run(move |conn| {
            let shared = conn.is_shared();
            parts_of(conn, shared.then_some(&*worker))
        });
        for part in left.await? {
            if !self.holds.contains(part.id, part.fence) {
                let why = "its worker ended first".to_owned();
                self.lost.offer(part, why).await?;
            }
        }
        Ok(())
    }
}
