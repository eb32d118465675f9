//! Limits the number of simultaneous event streams, and ends all of them when the server stops.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// Maximum number of simultaneous streams.
const STREAMS: usize = 256;
/// Streams at once of one account, so that it can't keep the others out.
const STREAMS_OF_ACCOUNT: usize = 32;

/// State shared by all streams.
#[derive(Clone, Debug)]
pub(in crate::surface) struct Streams {
    /// How many each account has open.
    open: Arc<Mutex<HashMap<i64, usize>>>,
    pub(super) stop: CancellationToken,
}

/// The place of one stream, until dropped.
#[derive(Debug)]
pub(super) struct StreamPlace {
    streams: Streams,
    account_id: i64,
}

impl Streams {
    /// With streams that end at `stop`.
    pub(in crate::surface) fn new(stop: CancellationToken) -> Streams {
        Streams {
            open: Arc::default(),
            stop,
        }
    }

    /// `None` if too many are open.
    pub(super) fn place(&self, account_id: i64) -> Option<StreamPlace> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = open.values().sum();
        let own = open.get(&account_id).copied().unwrap_or_default();
        if all >= STREAMS || own >= STREAMS_OF_ACCOUNT {
            return None;
        }
        open.insert(account_id, own + 1);
        Some(StreamPlace {
            streams: self.clone(),
            account_id,
        })
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let open = self.streams.open.lock();
        let mut open = open.unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.account_id) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.account_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{STREAMS, STREAMS_OF_ACCOUNT, Streams};
    use tokio_util::sync::CancellationToken;

    #[test]
    fn an_account_has_its_share_and_places_are_given_back() {
        let streams = Streams::new(CancellationToken::new());
        let accounts = i64::try_from(STREAMS / STREAMS_OF_ACCOUNT).expect("a small number");
        let places = (0..accounts).map(|account| {
            let own = (0..STREAMS_OF_ACCOUNT).map(|_| streams.place(account).expect("a place"));
            let own: Vec<_> = own.collect();
            assert!(streams.place(account).is_none(), "{account}");
            own
        });
        let places: Vec<_> = places.collect();
        assert!(streams.place(accounts).is_none(), "all are taken");
        drop(places);
        assert!(streams.place(accounts).is_some() && streams.place(0).is_some());
        assert!(streams.open.lock().expect("unpoisoned").is_empty());
    }
}
