//! Intents in the database. The tags of a part that are written at once share transactions.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex as AsyncMutex;

use crate::store::projects::write_intent::{IntentRow, intent_list, intents_put, intents_remove};
use crate::store::projects::written_tag::{DeleteRight, WrittenKey, written_forget};
use crate::store::{Db, DbConnection};
use crate::sync::TagOutcome;
use crate::sync::intents::{Intents, LeftIntent};
use crate::taskomatic::DATABASE_PAUSE;
use crate::taskomatic::workers::records::written_key;

/// The name under which an outcome's previous image is kept: it isn't the project's any more.
fn kept_key(expected: &TagOutcome) -> Option<WrittenKey> {
    Some(WrittenKey {
        tag: expected.backup.clone()?,
        ..written_key(expected)?
    })
}

/// The intents of one part.
#[derive(Debug)]
pub(in crate::taskomatic::workers) struct DatabaseIntents {
    db: Db,
    right: DeleteRight,
    target_repository: String,
    queue: Mutex<Queue>,
    turn: AsyncMutex<()>,
}

/// Rows to write, by the order in which they came.
#[derive(Debug, Default)]
struct Queue {
    next: u64,
    rows: BTreeMap<u64, (IntentRow, Option<WrittenKey>)>,
    /// What rows have replaced, until it is taken.
    replaced: BTreeMap<u64, IntentRow>,
}

/// The row of an outcome; `None` without a tag.
pub(in crate::taskomatic::workers) fn intent_row(expected: &TagOutcome) -> Option<IntentRow> {
    let WrittenKey { place, tag } = written_key(expected)?;
    Some(IntentRow {
        place,
        tag,
        expected: serde_json::to_string(expected).ok()?,
    })
}

/// The outcome of a row.
fn expected_of(row: &IntentRow) -> Option<TagOutcome> {
    serde_json::from_str(&row.expected)
        .inspect_err(|error| {
            tracing::warn!(%error, tag = row.tag, "another version's intent is unreadable");
        })
        .ok()
}

/// A registry that still works on a request after this time has lost it.
pub(in crate::taskomatic::workers) const MAY_COME: TimeDelta = TimeDelta::hours(1);

impl DatabaseIntents {
    pub(in crate::taskomatic::workers) fn new(
        db: Db,
        right: DeleteRight,
        target_repository: String,
    ) -> Self {
        Self {
            db,
            right,
            target_repository,
            queue: Mutex::default(),
            turn: AsyncMutex::default(),
        }
    }

    /// Waits as long as the database is unavailable; the run's end ends that too.
    async fn write(
        &self,
        row: IntentRow,
        kept: Option<WrittenKey>,
    ) -> Result<Option<IntentRow>, String> {
        let mine = self.queue().add(row, kept);
        let _turn = self.turn.lock().await;
        loop {
            let some = self.queue().rows.clone();
            if !some.contains_key(&mine) {
                // It was written, perhaps with another one's turn.
                return Ok(self.queue().replaced.remove(&mine));
            }
            let ids: Vec<_> = some.keys().copied().collect();
            let (rows, kept): (Vec<_>, Vec<_>) = some.into_values().unzip();
            let (lease, project_id) = (self.right.lease, self.right.project_id);
            let put = move |conn: &mut DbConnection| {
                conn.write(|conn| {
                    let replaced = intents_put(conn, lease, project_id, &rows)?;
                    let mut kept = kept.iter().flatten();
                    kept.try_for_each(|key| written_forget(conn, project_id, key))?;
                    Ok(replaced)
                })
            };
            match self.db.run(put).await {
                Ok(replaced) => self.queue().end(&ids, &replaced),
                Err(error) if error.is_passing() => {
                    tracing::warn!(%error, "can't record what will be written yet");
                    tokio::time::sleep(DATABASE_PAUSE).await;
                }
                Err(error) => {
                    self.queue().remove(&[mine]);
                    return Err(error.to_string());
                }
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self, host: &str) -> Result<Vec<LeftIntent>, String> {
        let (project_id, place) = (
            self.right.project_id,
            format!("{host}/{}", self.target_repository),
        );
        let rows = self
            .db
            .run(move |conn| intent_list(conn, project_id, &place));
        let rows = rows.await.map_err(|error| error.to_string())?;
        let left = |(row, age): (IntentRow, TimeDelta)| {
            Some(LeftIntent {
                expected: expected_of(&row)?,
                is_recent: age < MAY_COME,
            })
        };
        Ok(rows.into_iter().filter_map(left).collect())
    }
}

impl Queue {
    fn add(&mut self, row: IntentRow, kept: Option<WrittenKey>) -> u64 {
        self.next += 1;
        self.rows.insert(self.next, (row, kept));
        self.next
    }

    /// These rows are written, and have replaced those.
    fn end(&mut self, ids: &[u64], replaced: &[IntentRow]) {
        for id in ids {
            let Some((row, _)) = self.rows.remove(id) else {
                continue;
            };
            let earlier = replaced.iter().find(|earlier| earlier.key() == row.key());
            if let Some(earlier) = earlier {
                self.replaced.insert(*id, earlier.clone());
            }
        }
    }

    fn remove(&mut self, ids: &[u64]) {
        self.rows.retain(|id, _| !ids.contains(id));
    }
}

impl Intents for DatabaseIntents {
    fn keep(&self, expected: TagOutcome) -> BoxFuture<'_, Result<Option<TagOutcome>, String>> {
        async move {
            let Some(row) = intent_row(&expected) else {
                return Ok(None);
            };
            let replaced = self.write(row, kept_key(&expected)).await?;
            Ok(replaced.as_ref().and_then(expected_of))
        }
        .boxed()
    }

    fn left<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<LeftIntent>, String>> {
        self.read(host).boxed()
    }

    fn discard<'a>(&'a self, expected: &'a TagOutcome) -> BoxFuture<'a, Result<(), String>> {
        async move {
            let Some(key) = written_key(expected) else {
                return Ok(());
            };
            let project_id = self.right.project_id;
            let dropped = self
                .db
                .run(move |conn| conn.write(|conn| intents_remove(conn, project_id, &[key])));
            dropped.await.map_err(|error| error.to_string())
        }
        .boxed()
    }
}
