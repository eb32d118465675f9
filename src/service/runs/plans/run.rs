//! What a run of a kept plan does: its actions, read from the database page by page.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::oci::{Digest, Endpoint};
use crate::store::projects::kept_action::{
    ActionRow, copy_count, copy_list, delete_list, digest_list, source_of,
};
use crate::store::projects::kept_plan::plan_made;
use crate::store::{Db, Error};
use crate::sync::Engine;
use crate::sync::kept::deletes::PlannedDeletes;
use crate::sync::kept::part::{KeptActions, KeptPage, KeptPart};
use crate::sync::kept::record::ActionRecord;

/// Actions read at once.
const PAGE: i64 = 1000;
/// Pause before the database is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// A run of a kept plan.
#[derive(Clone, Debug)]
pub struct KeptRun {
    /// The plan.
    pub plan_id: i64,
    /// The target repositories of its copies and deletes.
    pub places: Vec<String>,
    /// What of the plan isn't done.
    pub left_out: Option<String>,
    /// The source registry.
    pub source: Endpoint,
}

impl KeptRun {
    /// An engine for each target repository.
    pub fn engines(self, db: &Db, engine: &Engine) -> Vec<(String, Engine)> {
        let name: Arc<str> = format!("plan {}", self.plan_id).into();
        let actions: Arc<dyn KeptActions> = Arc::new(StoredActions {
            db: db.clone(),
            plan_id: self.plan_id,
            source: self.source,
        });
        let mut left_out = self.left_out;
        let part = |place: String| {
            let part = KeptPart {
                name: Arc::clone(&name),
                place: place.clone(),
                actions: Arc::clone(&actions),
                warning: left_out.take(),
            };
            (place, engine.with_kept(part))
        };
        self.places.into_iter().map(part).collect()
    }
}

/// The actions of a plan in the database.
struct StoredActions {
    db: Db,
    plan_id: i64,
    source: Endpoint,
}

impl KeptActions for StoredActions {
    fn page<'a>(
        &'a self,
        place: &'a str,
        after: Option<i64>,
    ) -> BoxFuture<'a, Result<KeptPage, String>> {
        let all = async move {
            let read = || self.rows(place, after);
            let (rows, all) = waiting(read).await?;
            self.page_of(rows, all)
        };
        all.boxed()
    }

    fn source_of<'a>(
        &'a self,
        place: &'a str,
        tag: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>, String>> {
        let id = self.plan_id;
        let read = move || {
            let (place, tag) = (place.to_owned(), tag.to_owned());
            self.db.run(move |conn| source_of(conn, id, &place, &tag))
        };
        waiting(read).boxed()
    }

    fn deletes<'a>(&'a self, place: &'a str) -> BoxFuture<'a, Result<PlannedDeletes, String>> {
        let id = self.plan_id;
        let all = async move {
            let read = || {
                let place = place.to_owned();
                self.db.run(move |conn| {
                    Ok((
                        delete_list(conn, id, &place)?,
                        digest_list(conn, id, &place)?,
                        plan_made(conn, id)?,
                    ))
                })
            };
            let (rows, digests, made) = waiting(read).await?;
            let read = |row: ActionRow| {
                let number = row.number;
                let delete = ActionRecord::from(row).delete();
                delete.map_err(|error| format!("action {number}: {error}"))
            };
            Ok(PlannedDeletes {
                all: rows.into_iter().map(read).collect::<Result<_, _>>()?,
                pinned: digests
                    .iter()
                    .filter_map(|text| Digest::parse(text).ok())
                    .collect(),
                made,
            })
        };
        all.boxed()
    }

    fn source(&self) -> Option<&Endpoint> {
        Some(&self.source)
    }
}

/// Waits for a database that is away: the engine's end is what ends the waiting.
async fn waiting<T, F>(read: impl Fn() -> F) -> Result<T, String>
where
    F: Future<Output = Result<T, Error>>,
{
    loop {
        match read().await {
            Ok(done) => return Ok(done),
            Err(error) if error.is_passing() => {
                tracing::warn!(%error, "can't read a plan yet");
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

impl StoredActions {
    async fn rows(&self, place: &str, after: Option<i64>) -> Result<(Vec<ActionRow>, i64), Error> {
        let (id, place) = (self.plan_id, place.to_owned());
        self.db
            .run(move |conn| {
                let all = match after {
                    None => copy_count(conn, id, &place)?,
                    Some(_) => 0,
                };
                Ok((copy_list(conn, id, &place, after.unwrap_or(0), PAGE)?, all))
            })
            .await
    }

    fn page_of(&self, rows: Vec<ActionRow>, all: i64) -> Result<KeptPage, String> {
        let is_full = i64::try_from(rows.len()).is_ok_and(|count| count >= PAGE);
        let last = rows.last().map(|row| row.number).filter(|_| is_full);
        let read = |row: ActionRow| {
            let number = row.number;
            let action = ActionRecord::from(row).read(&self.source);
            action.map_err(|error| format!("action {number}: {error}"))
        };
        Ok(KeptPage {
            actions: rows.into_iter().map(read).collect::<Result<_, _>>()?,
            last,
            all: u64::try_from(all).unwrap_or_default(),
        })
    }
}

impl From<ActionRow> for ActionRecord {
    fn from(row: ActionRow) -> Self {
        Self {
            repository: row.repository,
            tag: row.tag,
            source: row.source,
            target: row.target,
            target_repository: row.target_repository,
            target_tag: row.target_tag,
            action: row.action,
            reason: row.reason,
            platforms: row.platforms,
            source_digest: row.source_digest,
            digest: row.digest,
            previous_digest: row.previous_digest,
            size: row.size.map(|size| u64::try_from(size).unwrap_or_default()),
            error: row.error,
        }
    }
}
