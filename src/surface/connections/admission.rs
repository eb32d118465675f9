//! Limits the number of open connections, and selects the one to close for a new one.
//!
//! - A connection is never closed while one of its requests has a valid session.
//! - Of the others, those without a request in progress are closed first, then those whose requests
//!   have no known session, oldest first.
//! - Request heads and unread responses without a known session share one budget; when it is used up,
//!   the connection of the oldest request is closed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::eviction::Eviction;
use crate::surface::requests::budget::{Budget, NoRoom, Share};

/// Memory that the server needs for each request besides its head.
const OF_REQUEST: usize = 8 * 1024;

/// All connections.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    limit: usize,
    strangers: Budget,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    /// Counts events, to order them.
    clock: u64,
    admission: BTreeMap<u64, Room>,
}

#[derive(Debug)]
struct Room {
    /// Requests in progress.
    requests: usize,
    /// Those with a valid session.
    known: usize,
    /// When its last request started or ended.
    since: u64,
    eviction: Eviction,
}

/// A connection; released on drop.
#[derive(Debug)]
pub(super) struct Admitted {
    admission: Admission,
    id: u64,
    eviction: Eviction,
}

/// A request of a connection, until it is answered.
#[derive(Clone, Debug)]
pub(in crate::surface) struct Visit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Arc<Admitted>,
    is_known: AtomicBool,
    /// Its memory, until its session is known.
    share: Mutex<Option<Share>>,
}

impl Admission {
    /// `limit` is the number of connections, `bytes` the memory of all requests without a known session.
    pub(in crate::surface) fn new(limit: usize, bytes: usize) -> Admission {
        Admission {
            limit,
            strangers: Budget::new(bytes),
            open: Arc::default(),
        }
    }

    /// Admits a new connection; `None` if the limit is reached and no other may be closed.
    pub(super) fn enter(&self) -> Option<Arc<Admitted>> {
        let mut open = self.lock();
        if open.admission.len() >= self.limit {
            let others = open.admission.iter().filter(|(_, room)| room.known == 0);
            let first = others.min_by_key(|(_, room)| (room.requests > 0, room.since));
            let id = *first?.0;
            if let Some(room) = open.admission.remove(&id) {
                room.eviction.give();
            }
        }
        let (id, eviction) = (open.tick(), Eviction::default());
        let room = Room {
            requests: 0,
            known: 0,
            since: id,
            eviction: eviction.clone(),
        };
        open.admission.insert(id, room);
        drop(open);
        let admission = self.clone();
        Some(Arc::new(Admitted {
            admission,
            id,
            eviction,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn change(&mut self, id: u64, change: impl FnOnce(&mut Room)) {
        let since = self.tick();
        if let Some(room) = self.admission.get_mut(&id) {
            room.since = since;
            change(room);
        }
    }
}

impl Admitted {
    /// Waits until the connection should be closed.
    pub(in crate::surface) async fn evicted(&self) {
        self.eviction.given().await;
    }

    /// Starts a request whose head has this many bytes.
    pub(in crate::surface) fn visit(self: &Arc<Self>, head: usize) -> Visit {
        self.admission
            .lock()
            .change(self.id, |room| room.requests += 1);
        let visit = Visit(Arc::new(Inner {
            place: Arc::clone(self),
            is_known: AtomicBool::new(false),
            share: Mutex::new(Some(
                self.admission.strangers.share_of(self.eviction.clone()),
            )),
        }));
        visit.has_room(|share| share.grow(head.saturating_add(OF_REQUEST)));
        visit
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.lock().admission.remove(&self.id);
    }
}

impl Visit {
    /// Records that the request has a valid session.
    pub(in crate::surface) fn known(&self) {
        if !self.0.is_known.swap(true, Ordering::Relaxed) {
            self.share().take();
            let place = &self.0.place;
            place
                .admission
                .lock()
                .change(place.id, |room| room.known += 1);
        }
    }

    /// Whether the connection is about to be closed, so that further work is useless.
    pub(super) fn is_over(&self) -> bool {
        self.0.place.eviction.is_given()
    }

    /// Whether a response of this many bytes may be buffered until it is read. If not, the
    /// connection is closed.
    pub(in crate::surface) fn keeps(&self, bytes: usize) -> bool {
        self.has_room(|share| share.grow_now(bytes))
    }

    /// Whether the request, until its session is known, gets the requested part of the budget. If
    /// not, the connection is closed.
    fn has_room(&self, grow: impl FnOnce(&Share) -> Result<(), NoRoom>) -> bool {
        let is_refused = |share: &Share| grow(share).is_err();
        let is_refused = self.share().as_ref().is_some_and(is_refused);
        if is_refused {
            self.0.place.eviction.give();
        }
        !is_refused
    }

    fn share(&self) -> MutexGuard<'_, Option<Share>> {
        self.0.share.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let known = usize::from(*self.is_known.get_mut());
        self.place.admission.lock().change(self.place.id, |room| {
            room.requests -= 1;
            room.known -= known;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::Admission;

    #[test]
    fn the_oldest_idle_one_goes_first_and_who_is_known_stays() {
        let admission = Admission::new(3, usize::MAX);
        let [busy, idle, known] = [(); 3].map(|()| admission.enter().expect("a place"));
        let visit = busy.visit(100);
        let other = known.visit(100);
        other.known();
        let fourth = admission.enter().expect("the idle one's place");
        assert!(idle.eviction.is_given() && !busy.eviction.is_given());
        drop(idle);
        let of_fourth = fourth.visit(100);
        let fifth = admission.enter().expect("the older stranger's place");
        assert!(busy.eviction.is_given() && !fourth.eviction.is_given());
        let of_fifth = fifth.visit(100);
        of_fifth.known();
        of_fourth.known();
        assert!(admission.enter().is_none(), "everybody is known");
        drop(other);
        assert!(admission.enter().is_some() && known.eviction.is_given());
        drop((visit, busy, of_fourth, fourth, of_fifth, fifth, known));
        assert!(admission.lock().admission.is_empty());
    }

    #[test]
    fn unread_responses_of_strangers_evict_the_oldest_connection() {
        let admission = Admission::new(10, 30_000);
        let [known, old, new] = [(); 3].map(|()| admission.enter().expect("a place"));
        let visits = [known.visit(0), old.visit(0), new.visit(0)];
        visits[0].known();
        visits[0].keeps(1_000_000);
        visits[2].keeps(20_000);
        assert!(!known.eviction.is_given() && !old.eviction.is_given());
        visits[2].keeps(25_000);
        assert!(old.eviction.is_given() && !new.eviction.is_given());
        visits[2].keeps(40_000);
        assert!(new.eviction.is_given(), "more than there is for all");
        assert!(!known.eviction.is_given());
    }
}
