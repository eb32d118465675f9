//! Requests that have no response yet, for those who tell people what is waited for.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// Requests of several clients that have no response yet.
#[derive(Debug, Default)]
pub struct Waits {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    /// The number of the next request.
    next: u64,
    /// By number, so the oldest comes first.
    requests: BTreeMap<u64, Wait>,
}

/// A request that has no response yet.
#[derive(Clone, Debug)]
pub struct Wait {
    /// The host.
    pub host: String,
    /// The operation and its object.
    pub what: String,
    /// When it was sent.
    pub since: Instant,
}

/// Ends a wait when it is dropped.
pub(super) struct Waiting<'a> {
    waits: &'a Waits,
    number: u64,
}

impl Waits {
    pub(super) fn begin(&self, host: String, what: String) -> Waiting<'_> {
        let mut open = self.lock();
        let number = open.next;
        open.next += 1;
        let since = Instant::now();
        open.requests.insert(number, Wait { host, what, since });
        Waiting {
            waits: self,
            number,
        }
    }

    /// The oldest of each host.
    pub fn oldest(&self) -> Vec<Wait> {
        let mut oldest: Vec<Wait> = Vec::new();
        for wait in self.lock().requests.values() {
            if oldest.iter().all(|known| known.host != wait.host) {
                oldest.push(wait.clone());
            }
        }
        oldest
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.waits.lock().requests.remove(&self.number);
    }
}
