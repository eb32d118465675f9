//! Work that is done only once for all callers.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::sync::error::SyncError;
use crate::sync::outcome::Moved;

/// Work that is done once per key.
pub(in crate::sync) struct Once<K> {
    cells: Mutex<HashMap<K, Arc<Cell>>>,
}

type Cell = OnceCell<Result<(), SyncError>>;

impl<K> Default for Once<K> {
    fn default() -> Self {
        Self {
            cells: Mutex::default(),
        }
    }
}

impl<K: Eq + Hash> Once<K> {
    /// Later callers get the first one's failure, or an empty result.
    pub(in crate::sync) async fn get<T: Default>(
        &self,
        key: K,
        work: impl Future<Output = Result<T, SyncError>>,
    ) -> Result<T, SyncError> {
        let mut own = T::default();
        let result = self
            .cell(key)
            .get_or_init(|| async { work.await.map(|done| own = done) })
            .await
            .clone();
        result.map(|()| own)
    }

    /// `None`: it was already done. A failure of `work` only affects its caller: its cause may be
    /// specific to that caller, and the next one repeats the work.
    pub(in crate::sync) async fn first(
        &self,
        key: K,
        work: impl Future<Output = Result<Moved, SyncError>>,
    ) -> Result<Option<Moved>, SyncError> {
        let mut moved = None;
        let cell = self.cell(key);
        let work = || async {
            moved = Some(work.await?);
            Ok::<_, SyncError>(Ok(()))
        };
        cell.get_or_try_init(work).await?;
        Ok(moved)
    }

    fn cell(&self, key: K) -> Arc<Cell> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cells.entry(key).or_default())
    }
}
