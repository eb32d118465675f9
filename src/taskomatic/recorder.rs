//! Writes down what an engine tells: results, log, totals, what is now at the target. In batches,
//! once a second, so that a run of 100 000 tags costs hundreds of transactions, not as many.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use crate::store::run::{Lease, Run, RunStatus, RunTotals, run_finish, run_progress};
use crate::store::run_log::{LogLevel, NewLogLine, log_append};
use crate::store::run_result::{NewRunResult, ResultAction, ResultStatus, result_insert};
use crate::store::synced_tag::{StorePair, SyncedKey, SyncedState, synced_upsert};
use crate::store::{Db, DbConnection, Error, now};
use crate::sync::progress::Event;
use crate::sync::{Action, Status, TagOutcome, Totals};

use super::worker::LEASE;

const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// Outcomes that are written before the second is over.
const FLUSH_AT: usize = 1000;
/// Outcomes kept while the database takes none; then no more events are taken, and the engine waits.
const HELD_AT: usize = 10 * FLUSH_AT;
/// How often a final write is tried while the database is away; with the second between tries it
/// outlasts a restart of PostgreSQL.
const FINAL_TRIES: u32 = 60;

/// How the recording of a run ended.
pub(super) enum Recording {
    /// All events came.
    Complete {
        /// Whether somebody asked for the run's end.
        cancel_requested: bool,
    },
    /// The run isn't ours any more.
    LeaseLost,
}

/// The writer of one run.
pub(super) struct Recorder {
    db: Db,
    lease: Lease,
    totals: Totals,
    batch: Batch,
}

/// What waits for the next write.
#[derive(Clone, Default)]
struct Batch {
    results: Vec<NewRunResult>,
    lines: Vec<NewLogLine>,
    /// By source repository.
    synced: HashMap<String, HashMap<SyncedKey, SyncedState>>,
}

impl Recorder {
    pub(super) fn new(db: Db, run: &Run) -> Self {
        Self {
            db,
            lease: run.lease(),
            totals: Totals::default(),
            batch: Batch::default(),
        }
    }

    pub(super) fn log(&mut self, level: LogLevel, message: String) {
        self.batch.lines.push(NewLogLine {
            time: now(),
            level,
            message,
        });
    }

    /// Takes events until the engine has told all; cancels it when that is asked for, or when the
    /// lease is lost.
    pub(super) async fn record(
        &mut self,
        mut events: Receiver<Event>,
        pair: StorePair,
        bytes: &Arc<AtomicU64>,
        cancel: &CancellationToken,
    ) -> Recording {
        let mut tick = tokio::time::interval(FLUSH_EVERY);
        let mut cancel_requested = false;
        let mut lost = false;
        loop {
            let due = tokio::select! {
                event = events.recv(), if lost || self.batch.results.len() < HELD_AT => match event {
                    Some(event) => self.take(event),
                    None => break,
                },
                _ = tick.tick() => true,
            };
            if lost {
                self.batch = Batch::default();
            }
            if !due || lost {
                continue;
            }
            match self.flush(pair, bytes.load(Ordering::Relaxed)).await {
                Ok(requested) => cancel_requested |= requested,
                Err(Error::FenceLost { .. }) => lost = true,
                // Kept, and tried again with the next ones.
                Err(error) => tracing::warn!(%error, "a run's progress can't be written"),
            }
            if cancel_requested || lost {
                cancel.cancel();
            }
        }
        if lost {
            return Recording::LeaseLost;
        }
        match self.flush_finally(pair).await {
            Err(Error::FenceLost { .. }) => Recording::LeaseLost,
            _ => Recording::Complete { cancel_requested },
        }
    }

    /// Whether so much has come together that it should be written now.
    fn take(&mut self, event: Event) -> bool {
        match event {
            Event::Selected { tags } => {
                self.totals.selected = tags;
                self.log(LogLevel::Info, format!("{tags} tags are selected"));
            }
            Event::Warning(text) => self.log(LogLevel::Warn, text),
            Event::Finished(outcome) => {
                self.totals.add(&outcome);
                if let Some((level, line)) = outcome_line(&outcome) {
                    self.log(level, line);
                }
                if let Some((key, state)) = synced(&outcome) {
                    let repository = self.batch.synced.entry(outcome.repository.clone());
                    repository.or_default().insert(key, state);
                }
                self.batch.results.push(result(*outcome));
            }
        }
        self.batch.results.len() >= FLUSH_AT
    }

    /// Writes what has come together, and renews the lease. Ok: whether a cancel is asked for.
    async fn flush(&mut self, pair: StorePair, bytes: u64) -> Result<bool, Error> {
        let (lease, batch) = (self.lease, self.batch.clone());
        let totals = RunTotals {
            bytes: number(bytes),
            ..run_totals(&self.totals)
        };
        let requested = self
            .db
            .run(move |conn| {
                conn.write(|conn| {
                    batch.write(conn, lease, pair)?;
                    run_progress(conn, lease, &totals, LEASE)
                })
            })
            .await?;
        self.batch = Batch::default();
        Ok(requested)
    }

    async fn flush_finally(&mut self, pair: StorePair) -> Result<(), Error> {
        let bytes = self.totals.moved.bytes;
        for _ in 1..FINAL_TRIES {
            match self.flush(pair, bytes).await {
                Ok(_) => return Ok(()),
                Err(error @ Error::FenceLost { .. }) => return Err(error),
                Err(error) => tracing::warn!(%error, "a run's results can't be written"),
            }
            tokio::time::sleep(FLUSH_EVERY).await;
        }
        self.flush(pair, bytes).await.map(|_| ())
    }

    /// Ends the run.
    pub(super) async fn finish(&mut self, status: RunStatus, message: &str, totals: &Totals) {
        for _ in 0..FINAL_TRIES {
            let (lease, lines) = (self.lease, self.batch.lines.clone());
            let (message, totals) = (message.to_owned(), run_totals(totals));
            let ended = self
                .db
                .run(move |conn| {
                    conn.write(|conn| {
                        log_append(conn, lease, &lines)?;
                        run_finish(conn, lease, status, &message, &totals)
                    })
                })
                .await;
            match ended {
                Ok(()) => return,
                Err(error @ Error::FenceLost { .. }) => {
                    tracing::warn!(%error, "a run was given up");
                    return;
                }
                Err(error) => tracing::warn!(%error, "a run's end can't be written"),
            }
            tokio::time::sleep(FLUSH_EVERY).await;
        }
    }
}

impl Batch {
    fn write(&self, conn: &mut DbConnection, lease: Lease, pair: StorePair) -> Result<(), Error> {
        if !self.lines.is_empty() {
            log_append(conn, lease, &self.lines)?;
        }
        if !self.results.is_empty() {
            result_insert(conn, lease, &self.results)?;
        }
        for (repository, tags) in &self.synced {
            synced_upsert(conn, pair, repository, tags)?;
        }
        Ok(())
    }
}

/// What a log says of a tag; nothing where nothing was to be done.
fn outcome_line(outcome: &TagOutcome) -> Option<(LogLevel, String)> {
    let name = match outcome.tag.as_str() {
        "" => format!("`{}`", outcome.repository),
        tag if tag.contains(':') => format!("`{}@{tag}`", outcome.repository),
        tag => format!("`{}:{tag}`", outcome.repository),
    };
    let moved = outcome.moved;
    Some(match (outcome.status, outcome.action) {
        (Status::Failed, _) => {
            let error = outcome.error.as_deref().unwrap_or_default();
            (LogLevel::Error, format!("{name} failed: {error}"))
        }
        (Status::Blocked, _) | (_, Action::Blocked) => (
            LogLevel::Warn,
            format!("{name} is blocked: {}", outcome.reason),
        ),
        (_, Action::Copy | Action::Update) => {
            let verb = if outcome.action == Action::Copy {
                "copied"
            } else {
                "updated"
            };
            let line = format!(
                "{name} {verb} to `{}`: {} bytes in {} blobs sent, {} blobs mounted, {} ms",
                outcome.target,
                moved.bytes,
                moved.blobs_copied,
                moved.blobs_mounted,
                outcome.duration.as_millis(),
            );
            (LogLevel::Info, line)
        }
        // The usual case, 100 000 times a night; its result is stored.
        (_, Action::Skip) if outcome.target_digest.is_some() => return None,
        (_, Action::Skip) => (
            LogLevel::Info,
            format!("{name} left out: {}", outcome.reason),
        ),
    })
}

fn result(outcome: TagOutcome) -> NewRunResult {
    let digest = |digest: Option<crate::oci::Digest>| digest.map(String::from);
    let error = match outcome.status {
        Status::Blocked => Some(outcome.reason),
        _ => outcome.error,
    };
    NewRunResult {
        repository: outcome.repository,
        tag: outcome.tag,
        target: outcome.target,
        action: match outcome.action {
            Action::Copy => ResultAction::Copy,
            Action::Update => ResultAction::Update,
            Action::Skip => ResultAction::Skip,
            Action::Blocked => ResultAction::Blocked,
        },
        status: match outcome.status {
            Status::Done => ResultStatus::Done,
            Status::Failed => ResultStatus::Failed,
            Status::Blocked => ResultStatus::Blocked,
        },
        source_digest: digest(outcome.source_digest),
        target_digest: digest(outcome.target_digest),
        previous_digest: digest(outcome.previous_digest),
        bytes: number(outcome.moved.bytes),
        duration_ms: i64::try_from(outcome.duration.as_millis()).unwrap_or(i64::MAX),
        error,
    }
}

/// What is known of the target afterwards: for tags that were written, and for indexes made
/// smaller, whose digest tells nothing of the source's.
fn synced(outcome: &TagOutcome) -> Option<(SyncedKey, SyncedState)> {
    let written = matches!(outcome.action, Action::Copy | Action::Update);
    let worth_knowing =
        outcome.status == Status::Done && (written || !outcome.platforms.is_empty());
    let (source, target) = match (&outcome.source_digest, &outcome.target_digest) {
        (Some(source), Some(target)) if worth_knowing => (source, target),
        _ => return None,
    };
    let key = SyncedKey {
        tag: outcome.tag.clone(),
        target_repository: outcome.target_repository.clone(),
        target_tag: outcome.tag.clone(),
    };
    let state = SyncedState {
        source_digest: source.to_string(),
        target_digest: target.to_string(),
        platforms: outcome.platforms.clone(),
        verified_at: now(),
    };
    Some((key, state))
}

fn run_totals(totals: &Totals) -> RunTotals {
    RunTotals {
        selected: number(totals.selected),
        copied: number(totals.copied),
        updated: number(totals.updated),
        skipped: number(totals.skipped),
        deleted: 0,
        blocked: number(totals.blocked),
        failed: number(totals.failed),
        bytes: number(totals.moved.bytes),
        blobs_copied: number(totals.moved.blobs_copied),
        blobs_mounted: number(totals.moved.blobs_mounted),
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
