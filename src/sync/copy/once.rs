//! Work that is done once, whoever needs it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::sync::error::SyncError;
use crate::sync::outcome::Moved;

/// Work that is done once for each key.
pub(super) struct Once<K> {
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
    /// Later ones get the first one's failure, or nothing moved.
    pub(in crate::sync) async fn get(
        &self,
        key: K,
        work: impl Future<Output = Result<Moved, SyncError>>,
    ) -> Result<Moved, SyncError> {
        let mut moved = Moved::default();
        let result = self
            .cell(key)
            .get_or_init(|| async { work.await.map(|done| moved = done) })
            .await
            .clone();
        result.map(|()| moved)
    }

    /// `None`: it was done already. A failure of `work` is the caller's alone: it may come from
    /// something that only the caller asked for, and the next one does the work again.
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
