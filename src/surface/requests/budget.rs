//! The memory budget shared by all requests without a known session.
//!
//! Requests never wait for it. When it is used up, the oldest request is aborted for the newest one: a
//! legitimate request without a session takes milliseconds, so an old one is stalling.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::surface::connections::eviction::Eviction;

/// The budget; clones share it.
#[derive(Clone, Debug)]
pub(in crate::surface) struct Budget {
    bytes: usize,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    used: usize,
    next: u64,
    shares: BTreeMap<u64, Reserved>,
    /// Memory of revoked shares, in use until their requests have ended: per share, and in total.
    cut: BTreeMap<u64, usize>,
    leaving: usize,
}

#[derive(Debug)]
struct Reserved {
    bytes: usize,
    eviction: Eviction,
}

/// A request's share of the budget; released on drop.
#[derive(Debug)]
pub(in crate::surface) struct Share {
    budget: Budget,
    id: u64,
    eviction: Eviction,
}

/// The request's share was revoked, or the budget is too small for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::surface) struct NoRoom;

impl Budget {
    pub(in crate::surface) fn new(bytes: usize) -> Budget {
        let open = Arc::default();
        Budget { bytes, open }
    }

    /// An empty share.
    pub(in crate::surface) fn share(&self) -> Share {
        self.share_of(Eviction::default())
    }

    /// The same; `eviction` is notified when the share is revoked.
    pub(in crate::surface) fn share_of(&self, eviction: Eviction) -> Share {
        let mut open = self.lock();
        let id = open.next;
        open.next += 1;
        let held = Reserved {
            bytes: 0,
            eviction: eviction.clone(),
        };
        open.shares.insert(id, held);
        drop(open);
        Share {
            budget: self.clone(),
            id,
            eviction,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn remove(&mut self, id: u64) {
        self.leaving -= self.cut.remove(&id).unwrap_or(0);
        if let Some(held) = self.shares.remove(&id) {
            self.used -= held.bytes;
        }
    }

    fn take_away(&mut self, id: u64) {
        if let Some(held) = self.shares.remove(&id) {
            self.used -= held.bytes;
            self.leaving += held.bytes;
            self.cut.insert(id, held.bytes);
            held.eviction.give();
        }
    }
}

impl Share {
    /// Resizes the share to `bytes`, revoking older ones if necessary.
    pub(in crate::surface) fn grow(&self, bytes: usize) -> Result<(), NoRoom> {
        let mut open = self.budget.lock();
        let had = open.shares.get(&self.id).ok_or(NoRoom)?.bytes;
        let more = bytes.saturating_sub(had);
        while open.used.saturating_add(more) > self.budget.bytes {
            let mut others = open.shares.iter();
            let oldest = others.find(|(id, held)| **id != self.id && held.bytes > 0);
            let id = oldest.map(|(id, _)| *id).ok_or(NoRoom)?;
            open.take_away(id);
        }
        open.used += more;
        if let Some(held) = open.shares.get_mut(&self.id) {
            held.bytes = had + more;
        }
        Ok(())
    }

    /// The same for memory that is already in use: if aborted requests still hold as much as the
    /// whole budget, it must be freed at once.
    pub(in crate::surface) fn grow_now(&self, bytes: usize) -> Result<(), NoRoom> {
        let leaving = self.budget.lock().leaving;
        if leaving > self.budget.bytes {
            return Err(NoRoom);
        }
        self.grow(bytes)
    }

    /// Waits until the share is revoked.
    pub(in crate::surface) async fn evicted(&self) {
        self.eviction.given().await;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.lock().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, NoRoom};

    #[test]
    fn the_oldest_share_is_revoked_first_and_all_memory_is_released() {
        let budget = Budget::new(100);
        let [first, second, third] = [(); 3].map(|()| budget.share());
        assert_eq!(first.grow(40), Ok(()));
        assert_eq!(second.grow(40), Ok(()));
        assert_eq!(third.grow(50), Ok(()));
        assert!(first.eviction.is_given() && !second.eviction.is_given());
        assert_eq!(first.grow(1), Err(NoRoom), "it was revoked");
        assert_eq!(second.grow(50), Ok(()));
        assert_eq!(budget.lock().used, 100);
        assert_eq!(third.grow(101), Err(NoRoom), "larger than all");
        assert_eq!(budget.lock().leaving, 90);
        assert_eq!(third.grow_now(1), Ok(()));
        let fourth = budget.share();
        assert_eq!(fourth.grow(90), Ok(()));
        assert_eq!(
            budget.share().grow_now(1),
            Err(NoRoom),
            "revoked memory is still in use"
        );
        drop(first);
        assert_eq!(budget.share().grow_now(1), Ok(()));
        drop((second, third, fourth));
        assert_eq!(budget.lock().used, 0);
        assert!(budget.lock().shares.is_empty());
    }
}
