//! The parts that this process works on.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::store::runs::part::{HeldPart, Lease};

/// A part in progress: what its worker must know meanwhile.
#[derive(Debug)]
pub(super) struct Hold {
    pub(in crate::taskomatic) lease: Lease,
    /// Ends its transfers.
    pub(in crate::taskomatic) cancel: CancellationToken,
    cancel_requested: AtomicBool,
    lost: AtomicBool,
}

impl Hold {
    /// Whether the run was cancelled.
    pub(super) fn is_cancel_requested(&self) -> bool {
        self.cancel_requested.load(Ordering::Relaxed)
    }

    /// Whether another worker holds the part, or it was deleted.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Nothing may be written any more.
    pub(super) fn lose(&self) {
        self.lost.store(true, Ordering::Relaxed);
        self.cancel.cancel();
    }
}

/// A hold that ends on drop, however the work ended: from then on its lease is not renewed, so that
/// unfinished work is offered again.
#[derive(Debug)]
pub(super) struct Held {
    holds: Holds,
    hold: Arc<Hold>,
}

impl std::ops::Deref for Held {
    type Target = Arc<Hold>;

    fn deref(&self) -> &Arc<Hold> {
        &self.hold
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.holds.remove(&self.hold);
    }
}

/// All of them, by part.
#[derive(Clone, Debug, Default)]
pub(super) struct Holds(Arc<Mutex<HashMap<i64, Arc<Hold>>>>);

impl Holds {
    pub(super) fn add(&self, lease: Lease) -> Held {
        let hold = Arc::new(Hold {
            lease,
            cancel: CancellationToken::new(),
            cancel_requested: AtomicBool::new(false),
            lost: AtomicBool::new(false),
        });
        self.lock().insert(lease.part_id, Arc::clone(&hold));
        Held {
            holds: self.clone(),
            hold,
        }
    }

    fn remove(&self, hold: &Hold) {
        let mut all = self.lock();
        // The same part may have been claimed again meanwhile.
        let part = hold.lease.part_id;
        if all.get(&part).is_some_and(|now| now.lease == hold.lease) {
            all.remove(&part);
        }
    }

    pub(in crate::taskomatic) fn all(&self) -> Vec<Arc<Hold>> {
        self.lock().values().cloned().collect()
    }

    /// Whether this process works on the part with this fence.
    pub(super) fn contains(&self, part_id: i64, fence: i64) -> bool {
        let held = self.lock();
        held.get(&part_id)
            .is_some_and(|hold| hold.lease.fence == fence && !hold.is_lost())
    }

    /// Ends all transfers.
    pub(super) fn cancel_all(&self) {
        for hold in self.all() {
            hold.cancel.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Arc<Hold>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Updates `holds` with the database's state. They must have been collected before the query: a
/// part claimed since isn't in its result.
pub(super) fn holds_check(holds: &[Arc<Hold>], stored: &[HeldPart]) {
    let stored: HashMap<i64, &HeldPart> = stored.iter().map(|held| (held.part.id, held)).collect();
    for hold in holds {
        match stored.get(&hold.lease.part_id) {
            Some(held) if held.part.fence == hold.lease.fence => {
                if held.cancel_requested {
                    hold.cancel_requested.store(true, Ordering::Relaxed);
                    hold.cancel.cancel();
                }
            }
            _ => hold.lose(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Held, Holds, holds_check};
    use crate::store::runs::part::{HeldPart, Lease, Part, PartStatus};

    fn stored(held: &Held, fence: i64, cancel_requested: bool) -> HeldPart {
        let part = Part {
            id: held.lease.part_id,
            run_id: held.lease.run_id,
            number: 1,
            target_repository: "app".to_owned(),
            status: PartStatus::Running,
            worker: Some("w".to_owned()),
            lease_until: None,
            fence,
            attempt: 1,
            message: String::new(),
        };
        HeldPart {
            part,
            cancel_requested,
        }
    }

    #[test]
    fn reclaimed_and_missing_parts_are_lost_and_cancelled_ones_end() {
        let holds = Holds::default();
        let [kept, ended, anew, gone] = [1, 2, 3, 4].map(|part_id| {
            holds.add(Lease {
                run_id: 1,
                part_id,
                fence: 5,
            })
        });
        let all = [&kept, &ended, &anew, &gone].map(|held| std::sync::Arc::clone(held));
        let rows = [
            stored(&kept, 5, false),
            stored(&ended, 5, true),
            // By this worker itself, under its name.
            stored(&anew, 6, false),
        ];
        holds_check(&all, &rows);
        let lost = all.each_ref().map(|hold| hold.is_lost());
        assert_eq!(lost, [false, false, true, true]);
        let to_end = all.each_ref().map(|hold| hold.is_cancel_requested());
        assert_eq!(to_end, [false, true, false, false]);
        let stopped = all.each_ref().map(|hold| hold.cancel.is_cancelled());
        assert_eq!(stopped, [false, true, true, true]);
        assert!(holds.contains(1, 5) && !holds.contains(1, 6) && !holds.contains(3, 5));
    }
}
