//! Writes down what an engine tells: results, log, totals, what is now at the target. In batches,
//! once a second, so that a run of 100 000 tags costs hundreds of transactions, not as many.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::Receiver;

use crate::service::runs::settle::run_settle;
use crate::store::projects::synced_tag::{StorePair, SyncedKey, SyncedState, synced_upsert};
use crate::store::runs::lease::part_release;
use crate::store::runs::log::{LogLevel, NewLogLine};
use crate::store::runs::part::{Lease, Part, PartStatus, part_totals};
use crate::store::runs::progress::{log_append, part_end, part_progress};
use crate::store::runs::result::{NewRunResult, RecordedTag, result_put, results_resume};
use crate::store::runs::run::RunTotals;
use crate::store::{Db, DbConnection, Error};
use crate::sync::progress::Event;
use crate::sync::{Action, Status, TagOutcome, Totals};
use crate::text::{SENTENCE, counted, readable};

use super::holds::Hold;
use super::records::{count, number, outcome_line, result, run_totals, synced, tag_count};

const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// Outcomes that are written before the second is over.
const FLUSH_AT: usize = 1000;
/// Outcomes and lines kept while the database takes none; then no more events are taken, and the
/// engine waits.
const HELD_AT: usize = 10 * FLUSH_AT;
/// So often in a row the database must refuse something, for no reason that passes, before it is
/// given up.
const REFUSALS: usize = 3;

/// How the recording of a part ended.
pub(super) enum Recording {
    /// All events came.
    Complete,
    /// The part isn't ours any more.
    LeaseLost,
    /// The database refuses what came, and the engine was ended.
    Refused(Error),
}

/// The writer of one part.
pub(super) struct Recorder {
    db: Db,
    hold: Arc<Hold>,
    /// Where its items go, for the log.
    place: String,
    totals: Totals,
    /// What the database has of that.
    written: RunTotals,
    /// What earlier workers recorded as done, and this one hasn't come across yet.
    earlier: HashMap<(String, String), RecordedTag>,
    batch: Batch,
}

/// What waits for the next write.
#[derive(Clone, Default)]
struct Batch {
    results: Vec<NewRunResult>,
    lines: Vec<NewLogLine>,
    /// By source repository; in order, so that no two writers wait for each other.
    synced: BTreeMap<String, HashMap<SyncedKey, SyncedState>>,
}

impl Recorder {
    pub(in crate::taskomatic) fn new(db: Db, hold: &Arc<Hold>) -> Self {
        Self {
            db,
            hold: Arc::clone(hold),
            place: String::new(),
            totals: Totals::default(),
            written: RunTotals::default(),
            earlier: HashMap::new(),
            batch: Batch::default(),
        }
    }

    /// Goes on from what earlier workers recorded of the part.
    pub(super) async fn resume(&mut self, part: &Part, worker: &str) -> Result<(), Error> {
        self.place.clone_from(&part.target_repository);
        // Nobody had it before.
        if part.fence == 1 {
            return Ok(());
        }
        let lease = self.hold.lease;
        let resumed = self.db.run(move |conn| {
            conn.write(|conn| {
                let recorded = results_resume(conn, lease)?;
                Ok((recorded, part_totals(conn, lease.part_id)?))
            })
        });
        let (recorded, written) = resumed.await?;
        self.totals = Totals::default();
        self.totals.moved.blobs_copied = count(written.blobs_copied);
        self.totals.moved.blobs_mounted = count(written.blobs_mounted);
        for tag in &recorded {
            self.totals.moved.bytes += count(tag.bytes);
            *tag_count(&mut self.totals, tag.action) += 1;
        }
        self.written = written;
        let text = format!(
            "`{}`: taken over by `{worker}` with {} done",
            self.place,
            counted(recorded.len() as u64, "tag")
        );
        tracing::info!(attempt = part.attempt, tags = recorded.len(), "taken over");
        self.log(LogLevel::Info, text);
        self.earlier = recorded
            .into_iter()
            .map(|tag| ((tag.repository.clone(), tag.tag.clone()), tag))
            .collect();
        Ok(())
    }

    pub(in crate::taskomatic) fn log(&mut self, level: LogLevel, message: String) {
        self.batch.lines.push(NewLogLine::now(level, message));
    }

    /// Tags that failed.
    pub(in crate::taskomatic) fn failed(&self) -> u64 {
        self.totals.failed
    }

    /// Takes events until the engine has told all; ends the engine when the lease is lost.
    pub(super) async fn record(
        &mut self,
        mut events: Receiver<Event>,
        pair: StorePair,
        bytes: &Arc<AtomicU64>,
    ) -> Recording {
        let mut tick = tokio::time::interval(FLUSH_EVERY);
        let before = self.totals.moved.bytes;
        let mut refusals = Vec::new();
        loop {
            let over = self.hold.is_lost() || refusals.len() >= REFUSALS;
            let due = tokio::select! {
                event = events.recv(), if over || self.batch.len() < HELD_AT => match event {
                    Some(event) => self.take(event),
                    None => break,
                },
                _ = tick.tick() => true,
            };
            if over {
                self.batch = Batch::default();
            }
            if !due || over {
                continue;
            }
            match self
                .flush(pair, before + bytes.load(Ordering::Relaxed))
                .await
            {
                Ok(()) => refusals.clear(),
                Err(Error::FenceLost { .. }) => self.hold.lose(),
                // Kept, and tried again with the next ones.
                Err(error) if error.is_passing() => {
                    tracing::warn!(%error, "a run's progress can't be written yet");
                }
                Err(error) => {
                    refusals.push(error);
                    if refusals.len() >= REFUSALS {
                        self.hold.cancel.cancel();
                    }
                }
            }
        }
        if self.hold.is_lost() {
            return Recording::LeaseLost;
        }
        match refusals.pop() {
            Some(error) if refusals.len() + 1 >= REFUSALS => Recording::Refused(error),
            _ => self.flush_finally(pair).await,
        }
    }

    /// Whether so much has come together that it should be written now.
    fn take(&mut self, event: Event) -> bool {
        match event {
            Event::Selected { tags } => {
                self.totals.selected = tags;
                let are = if tags == 1 { "is" } else { "are" };
                let text = format!("`{}`: {} {are} selected", self.place, counted(tags, "tag"));
                self.log(LogLevel::Info, text);
            }
            Event::Warning(text) | Event::Empty(text) => {
                self.totals.warnings += 1;
                self.log(LogLevel::Warn, text);
            }
            Event::Finished(outcome) => self.take_outcome(*outcome),
        }
        self.batch.results.len() >= FLUSH_AT
    }

    fn take_outcome(&mut self, outcome: TagOutcome) {
        let key = (outcome.repository.clone(), outcome.tag.clone());
        if let Some(earlier) = self.earlier.remove(&key) {
            // It is as an earlier worker left it, and that one recorded what it did.
            if outcome.status == Status::Done && outcome.action == Action::Skip {
                return;
            }
            self.totals.moved.bytes -= count(earlier.bytes).min(self.totals.moved.bytes);
            *tag_count(&mut self.totals, earlier.action) -= 1;
        }
        self.totals.add(&outcome);
        if let Some((level, line)) = outcome_line(&outcome) {
            self.log(level, line);
        }
        if let Some((key, state)) = synced(&outcome) {
            let repository = self.batch.synced.entry(outcome.repository.clone());
            repository.or_default().insert(key, state);
        }
        self.batch.results.push(result(outcome));
    }

    /// Writes what has come together.
    async fn flush(&mut self, pair: StorePair, bytes: u64) -> Result<(), Error> {
        let totals = RunTotals {
            bytes: number(bytes),
            ..run_totals(&self.totals)
        };
        if totals == self.written && self.batch.is_empty() {
            return Ok(());
        }
        let (lease, batch) = (self.hold.lease, self.batch.clone());
        self.db
            .run(move |conn| {
                conn.write(|conn| {
                    batch.write(conn, lease, pair)?;
                    part_progress(conn, lease, &totals)
                })
            })
            .await?;
        self.written = totals;
        self.batch = Batch::default();
        Ok(())
    }

    /// Tries for as long as the lease is held: the database may be away for hours.
    async fn flush_finally(&mut self, pair: StorePair) -> Recording {
        let bytes = self.totals.moved.bytes;
        let mut refusals = 0;
        loop {
            match self.flush(pair, bytes).await {
                Ok(()) => return Recording::Complete,
                Err(Error::FenceLost { .. }) => return Recording::LeaseLost,
                Err(error) if error.is_passing() => {
                    tracing::warn!(%error, "a run's results can't be written yet");
                }
                Err(error) => {
                    refusals += 1;
                    if refusals >= REFUSALS {
                        return Recording::Refused(error);
                    }
                }
            }
            tokio::time::sleep(FLUSH_EVERY).await;
            if self.hold.is_lost() {
                return Recording::LeaseLost;
            }
        }
    }

    /// Ends the part, and with the last one the run.
    pub(super) async fn finish(&mut self, status: PartStatus, message: &str) {
        let (lease, text) = (self.hold.lease, message.to_owned());
        let totals = run_totals(&self.totals);
        let written = self.last_write(move |conn| {
            part_end(conn, lease, status, &text, &totals)?;
            run_settle(conn, lease.run_id).map(drop)
        });
        match written.await {
            Ok(()) => part_log(status, message),
            Err(error) => self.refused(&error).await,
        }
    }

    /// Ends the part as failed though not all that was done may be written; what is stays.
    pub(in crate::taskomatic) async fn fail(&mut self, message: &str) {
        let (lease, text) = (self.hold.lease, message.to_owned());
        self.log(LogLevel::Error, message.to_owned());
        let written = self.last_write(move |conn| {
            let totals = part_totals(conn, lease.part_id)?;
            part_end(conn, lease, PartStatus::Failed, &text, &totals)?;
            run_settle(conn, lease.run_id).map(drop)
        });
        match written.await {
            Ok(()) => part_log(PartStatus::Failed, message),
            // Its lease runs out, and it is offered again.
            Err(error) => tracing::error!(%error, "a part's end can't be written: it is given up"),
        }
    }

    /// Ends the part as failed, since the database refuses what is to be written of it.
    pub(super) async fn refused(&mut self, error: &Error) {
        tracing::error!(%error, "what came of a part can't be written");
        self.batch = Batch::default();
        self.fail(
            "not all that was done could be written down: the database refuses it; the server's \
             log says why",
        )
        .await;
    }

    /// Gives the part back, for another worker or a later process to go on with.
    pub(super) async fn release(&mut self, why: &str) {
        let (lease, text) = (self.hold.lease, why.to_owned());
        let written = self.last_write(move |conn| part_release(conn, lease, &text));
        match written.await {
            Ok(()) => tracing::info!("given back: {why}"),
            Err(error) => tracing::error!(%error, "a part can't be given back: its lease runs out"),
        }
    }

    /// Tries for as long as the lease is held. Err: the database refuses it.
    async fn last_write<F>(&mut self, write: F) -> Result<(), Error>
    where
        F: Fn(&mut DbConnection) -> Result<(), Error> + Clone + Send + 'static,
    {
        let mut refusals = 0;
        while !self.hold.is_lost() {
            let (lease, lines, write) = (self.hold.lease, self.batch.lines.clone(), write.clone());
            let written = self.db.run(move |conn| {
                conn.write(|conn| {
                    log_append(conn, lease, &lines)?;
                    write(conn)
                })
            });
            match written.await {
                Ok(()) => return Ok(()),
                Err(Error::FenceLost { .. }) => self.hold.lose(),
                Err(error) if error.is_passing() => {
                    tracing::warn!(%error, "a part's end can't be written yet");
                    tokio::time::sleep(FLUSH_EVERY).await;
                }
                Err(error) => {
                    refusals += 1;
                    if refusals >= REFUSALS {
                        return Err(error);
                    }
                    tokio::time::sleep(FLUSH_EVERY).await;
                }
            }
        }
        tracing::warn!("given up, its lease is lost");
        Ok(())
    }
}

/// Tells the log of the process how a part ended.
fn part_log(status: PartStatus, message: &str) {
    let message = match readable(message, SENTENCE) {
        message if message.is_empty() => message,
        message => format!(": {message}"),
    };
    if status == PartStatus::Failed {
        tracing::warn!(%status, "the part has ended{message}");
    } else {
        tracing::info!(%status, "the part has ended{message}");
    }
}

impl Batch {
    /// How much is held, not counting what is only remembered.
    fn len(&self) -> usize {
        self.results.len() + self.lines.len()
    }

    fn is_empty(&self) -> bool {
        self.results.is_empty() && self.lines.is_empty() && self.synced.is_empty()
    }

    fn write(&self, conn: &mut DbConnection, lease: Lease, pair: StorePair) -> Result<(), Error> {
        if !self.lines.is_empty() {
            log_append(conn, lease, &self.lines)?;
        }
        if !self.results.is_empty() {
            result_put(conn, lease, &self.results)?;
        }
        for (repository, tags) in &self.synced {
            synced_upsert(conn, pair, repository, tags)?;
        }
        Ok(())
    }
}
