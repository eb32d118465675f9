//! How many connections are open at once, and which one goes for a new one.
//!
//! - Who has a request with a valid session under way stays.
//! - Of the others, first those that have no request under way go, then those that nobody is known
//!   to have made; the oldest first.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// All connections.
#[derive(Clone, Debug)]
pub(super) struct Rooms {
    limit: usize,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    /// Counts what happens, so that it is known what was first.
    clock: u64,
    rooms: BTreeMap<u64, Room>,
}

#[derive(Debug)]
struct Room {
    /// Requests under way.
    requests: usize,
    /// Those of them whose session is valid.
    known: usize,
    /// When the last of its requests began or ended.
    since: u64,
    cut: CancellationToken,
}

/// A connection; given back when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    rooms: Rooms,
    id: u64,
    cut: CancellationToken,
}

/// A request of a connection, until it is answered.
#[derive(Clone, Debug)]
pub(super) struct Visit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Arc<Place>,
    is_known: AtomicBool,
}

impl Rooms {
    pub(super) fn new(limit: usize) -> Rooms {
        let open = Arc::default();
        Rooms { limit, open }
    }

    /// A place for a new connection; `None` where everybody else stays.
    pub(super) fn enter(&self) -> Option<Arc<Place>> {
        let mut open = self.lock();
        if open.rooms.len() >= self.limit {
            let others = open.rooms.iter().filter(|(_, room)| room.known == 0);
            let first = others.min_by_key(|(_, room)| (room.requests > 0, room.since));
            let id = *first?.0;
            if let Some(room) = open.rooms.remove(&id) {
                room.cut.cancel();
            }
        }
        let (id, cut) = (open.tick(), CancellationToken::new());
        let room = Room {
            requests: 0,
            known: 0,
            since: id,
            cut: cut.clone(),
        };
        open.rooms.insert(id, room);
        drop(open);
        let rooms = self.clone();
        Some(Arc::new(Place { rooms, id, cut }))
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
        if let Some(room) = self.rooms.get_mut(&id) {
            room.since = since;
            change(room);
        }
    }
}

impl Place {
    /// Waits until the connection is to be closed.
    pub(super) async fn cut(&self) {
        self.cut.cancelled().await;
    }

    /// A request begins.
    pub(super) fn visit(self: &Arc<Self>) -> Visit {
        self.rooms.lock().change(self.id, |room| room.requests += 1);
        Visit(Arc::new(Inner {
            place: Arc::clone(self),
            is_known: AtomicBool::new(false),
        }))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.rooms.lock().rooms.remove(&self.id);
    }
}

impl Visit {
    /// The request's session is valid.
    pub(super) fn known(&self) {
        if !self.0.is_known.swap(true, Ordering::Relaxed) {
            let place = &self.0.place;
            place.rooms.lock().change(place.id, |room| room.known += 1);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let known = usize::from(*self.is_known.get_mut());
        self.place.rooms.lock().change(self.place.id, |room| {
            room.requests -= 1;
            room.known -= known;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::Rooms;

    #[test]
    fn the_oldest_idle_one_goes_first_and_who_is_known_stays() {
        let rooms = Rooms::new(3);
        let [busy, idle, known] = [(); 3].map(|()| rooms.enter().expect("a place"));
        let visit = busy.visit();
        let other = known.visit();
        other.known();
        let fourth = rooms.enter().expect("the idle one's place");
        assert!(idle.cut.is_cancelled() && !busy.cut.is_cancelled());
        drop(idle);
        let of_fourth = fourth.visit();
        let fifth = rooms.enter().expect("the older stranger's place");
        assert!(busy.cut.is_cancelled() && !fourth.cut.is_cancelled());
        let of_fifth = fifth.visit();
        of_fifth.known();
        of_fourth.known();
        assert!(rooms.enter().is_none(), "everybody is known");
        drop(other);
        assert!(rooms.enter().is_some() && known.cut.is_cancelled());
        drop((visit, busy, of_fourth, fourth, of_fifth, fifth, known));
        assert!(rooms.lock().rooms.is_empty());
    }
}
