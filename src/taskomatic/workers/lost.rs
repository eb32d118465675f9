//! Finds parts whose workers are lost, and offers them again.
//!
//! No single clock is trusted: a lease must have expired by the database's clock, and must not have
//! changed for a while by this process's own clock, which can't be set.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::service::runs::settle::run_settle;
use crate::store::runs::lease::{Offered, part_offer, parts_overdue};
use crate::store::runs::part::Part;
use crate::store::{Db, Error, Moment};
use crate::taskomatic::POLL;

use super::lease_rules::LeaseRules;

/// Finds lost parts.
pub struct LostParts {
    db: Db,
    rules: LeaseRules,
    /// Notified when there is work to claim.
    queue_wake: Arc<Notify>,
    suspects: HashMap<i64, Suspect>,
}

impl std::fmt::Debug for LostParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LostParts")
    }
}

/// A suspicious part: its fence and lease, and since when they have been unchanged.
struct Suspect {
    fence: i64,
    lease_until: Option<Moment>,
    since: Instant,
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

impl LostParts {
    /// The finder on `db`; `queue_wake` is notified when a part is offered again.
    pub fn new(db: Db, rules: LeaseRules, queue_wake: Arc<Notify>) -> Self {
        Self {
            db,
            rules,
            queue_wake,
            suspects: HashMap::new(),
        }
    }

    /// Looks until `stop`. For a process without a worker: a cancelled run ends there although all
    /// workers are lost.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "can't look for lost parts of runs");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    async fn look(&mut self) -> Result<(), Error> {
        let longest = self.rules.lease();
        let overdue = self
            .db
            .run(move |conn| parts_overdue(conn, longest))
            .await?;
        let overdue = overdue.into_iter().map(|part| {
            let worker = part.worker.as_deref().unwrap_or_default();
            let why = format!("its worker `{worker}` sent no heartbeat");
            (part, why)
        });
        self.offer_lost(overdue.collect()).await
    }

    /// Offers those of `suspicious` again that have been so for long enough, each with its reason.
    pub(super) async fn offer_lost(
        &mut self,
        suspicious: Vec<(Part, String)>,
    ) -> Result<(), Error> {
        let watch = self.rules.watch();
        let suspects = &mut self.suspects;
        suspects.retain(|id, _| suspicious.iter().any(|(part, _)| part.id == *id));
        let is_lost = |(part, _): &(Part, String)| {
            let suspect = suspects.entry(part.id).or_insert_with(|| Suspect::of(part));
            if (suspect.fence, suspect.lease_until) != (part.fence, part.lease_until) {
                *suspect = Suspect::of(part);
            }
            suspect.since.elapsed() >= watch
        };
        let lost: Vec<_> = suspicious.into_iter().filter(is_lost).collect();
        for (part, why) in lost {
            self.offer(part, why).await?;
        }
        Ok(())
    }

    /// Offers a part again, or ends it if its run should end or all attempts failed.
    pub(super) async fn offer(&self, part: Part, why: String) -> Result<(), Error> {
        let attempts = self.rules.attempts;
        let (run, place) = (part.run_id, part.target_repository.clone());
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
        match offered {
            Offered::Not => {}
            Offered::Again => {
                tracing::warn!(run, "`{place}`: {shown}; it is retried");
                self.queue_wake.notify_one();
            }
            Offered::Ended => {
                tracing::warn!(run, "`{place}`: {shown}; it has ended");
                self.queue_wake.notify_one();
            }
        }
        Ok(())
    }
}
