//! One at a time at each place, within a run or within this process: two projects may copy the same
//! image.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// The writers of indexes in this process. Nobody has such a turn while it waits for a source, which
/// other projects may not know.
pub(super) static WRITERS: LazyLock<Turns> = LazyLock::new(Turns::default);

/// The turns at some places, by name.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<String, Weak<AsyncMutex<()>>>>);

impl Turns {
    /// Waits until nobody else works on `place`; ends on drop.
    pub(super) async fn take(&self, place: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, lock| lock.strong_count() > 0);
            let known = turns.get(place).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let lock = Arc::default();
                turns.insert(place.to_owned(), Arc::downgrade(&lock));
                lock
            })
        };
        lock.lock_owned().await
    }
}
