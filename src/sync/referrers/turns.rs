//! One writer for each subject at a time, within this process: two projects may copy the same image.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

static TURNS: LazyLock<Mutex<HashMap<String, Weak<AsyncMutex<()>>>>> =
    LazyLock::new(Mutex::default);

/// Waits until nobody else in this process works on `place`; ends on drop.
pub(super) async fn turn(place: &str) -> OwnedMutexGuard<()> {
    let lock = {
        let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
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
