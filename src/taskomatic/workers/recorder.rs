//! Records an engine's events: results, log, totals, what is now at the target. In batches, once a
//! second, so that a run of 100 000 tags costs hundreds of transactions, not 100 000.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::Receiver;

use crate::service::runs::settle::run_settle;
use crate::store::projects::written_tag::WrittenKey;
use crate::store::runs::lease::part_release;
use crate::store::runs::log::{LogLevel, NewLogLine};
use crate::store::runs::part::{Part, PartStatus, part_totals};
use crate::store::runs::progress::{log_append, part_end, part_progress};
use crate::store::runs::result::{RecordedTag, ResultAction, results_resume};
use crate::store::runs::run::RunTotals;
use crate::store::{Db, DbConnection, Error};
use crate::sync::course::EarlierWork;
use crate::sync::progress::Event;
use crate::sync::{Status, TagOutcome, Totals};
use crate::text::{SENTENCE, counted, readable};

use super::holds::Hold;
use super::records::{
    Batch, RecordedFor, count, number, outcome_line, recorded, run_totals, since, tag_count,
};
use super::rights::write_intents::intent_row;

const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// Number of outcomes that are written before the second is over.
const FLUSH_AT: usize = 1000;
/// Maximum number of outcomes and lines kept while the database is unavailable; then no more events
/// are taken, and the engine waits.
const HELD_AT: usize = 10 * FLUSH_AT;
/// Number of consecutive permanent rejections by the database before the part is given up.
const REFUSALS: usize = 3;

/// How recording a part ended.
pub(super) enum Recording {
    /// All events came.
    Complete,
    /// The part was taken over.
    LeaseLost,
    /// The database rejects the results, and the engine was stopped.
    Refused(Error),
}

/// The recorder of one part.
pub(super) struct Recorder {
    db: Db,
    hold: Arc<Hold>,
    /// The target place, for the log.
    place: String,
    totals: Totals,
    /// The totals in the database.
    written: RunTotals,
    /// What earlier workers recorded as done, and this one hasn't reached yet.
    earlier: HashMap<(String, String, String), RecordedTag>,
    batch: Batch,
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

    /// Continues from what earlier workers recorded of the part.
    pub(super) async fn resume(&mut self, part: &Part, worker: &str) -> Result<(), Error> {
        self.place.clone_from(&part.target_repository);
        // It had no earlier worker.
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
        self.earlier = recorded.into_iter().map(|tag| (tag.key(), tag)).collect();
        Ok(())
    }

    pub(in crate::taskomatic) fn log(&mut self, level: LogLevel, message: String) {
        self.batch.lines.push(NewLogLine::now(level, message));
    }

    /// What earlier workers recorded as done.
    pub(super) fn earlier_work(&self) -> EarlierWork {
        let of = |action| {
            self.earlier
                .values()
                .filter(move |tag| tag.action == action)
        };
        let added = of(ResultAction::Copy).filter_map(|tag| tag.target.rsplit_once(':'));
        EarlierWork {
            added: added.map(|(_, tag)| tag.to_owned()).collect(),
            deleted: of(ResultAction::Delete).count(),
            recovered: Vec::new(),
        }
    }

    /// Tags that failed.
    pub(in crate::taskomatic) fn failed(&self) -> u64 {
        self.totals.failed
    }

    /// Takes events until the engine is done; stops the engine if the lease is lost.
    pub(super) async fn record(
        &mut self,
        mut events: Receiver<Event>,
        of: RecordedFor,
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
            match self.flush(of, before + bytes.load(Ordering::Relaxed)).await {
                Ok(()) => refusals.clear(),
                Err(Error::FenceLost { .. }) => self.hold.lose(),
                // Kept, and retried with the next ones.
                Err(error) if error.is_passing() => {
                    tracing::warn!(%error, "can't write a run's progress yet");
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
            _ => self.flush_finally(of).await,
        }
    }

    /// Whether there is enough to write now.
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
            Event::Note(text) => self.log(LogLevel::Info, text),
            Event::Forgotten { place, tags } => {
                let keys = tags.into_iter().map(|tag| WrittenKey {
                    place: place.clone(),
                    tag,
                });
                self.batch.forgotten.extend(keys);
            }
            Event::Recovered(expected) => {
                let tag = recorded(&expected);
                self.batch.recovered.extend(intent_row(&expected));
                self.take_outcome(expected.recovered());
                self.earlier.insert(tag.key(), tag);
            }
            Event::Finished(outcome) => self.take_outcome(*outcome),
        }
        self.batch.results.len() >= FLUSH_AT
    }

    fn take_outcome(&mut self, mut outcome: TagOutcome) {
        let (repository, tag) = (outcome.repository.clone(), outcome.tag.clone());
        let key = (repository, tag, outcome.target.clone());
        if let Some(earlier) = self.earlier.remove(&key) {
            let is_done = outcome.status == Status::Done;
            // It is as an earlier worker left and recorded it, or nothing more could be done.
            if !outcome.is_written && (earlier.is_change() || is_done) && !outcome.is_deleted() {
                self.take_rest(&outcome);
                return;
            }
            self.totals.moved.bytes -= count(earlier.bytes).min(self.totals.moved.bytes);
            *tag_count(&mut self.totals, earlier.action) -= 1;
            if earlier.is_change() {
                outcome = since(&earlier, outcome);
            }
        }
        self.totals.add(&outcome);
        if let Some((level, line)) = outcome_line(&outcome) {
            self.log(level, line);
        }
        self.batch.add(outcome);
    }

    /// What came after a tag that an earlier worker had done: its referrers, or a failure.
    fn take_rest(&mut self, outcome: &TagOutcome) {
        self.totals.moved += outcome.moved;
        if (outcome.referrers.written > 0 || outcome.status != Status::Done)
            && let Some((level, line)) = outcome_line(outcome)
        {
            self.log(level, line);
        }
    }

    /// Writes the collected events.
    async fn flush(&mut self, of: RecordedFor, bytes: u64) -> Result<(), Error> {
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
                    batch.write(conn, lease, of)?;
                    part_progress(conn, lease, &totals)
                })
            })
            .await?;
        self.written = totals;
        self.batch = Batch::default();
        Ok(())
    }

    /// Retries as long as the lease is held: the database may be unavailable for hours.
    async fn flush_finally(&mut self, of: RecordedFor) -> Recording {
        let bytes = self.totals.moved.bytes;
        let mut refusals = 0;
        loop {
            match self.flush(of, bytes).await {
                Ok(()) => return Recording::Complete,
                Err(Error::FenceLost { .. }) => return Recording::LeaseLost,
                Err(error) if error.is_passing() => {
                    tracing::warn!(%error, "can't write a run's results yet");
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

    /// Ends the part as failed although not all results could be written; recorded ones are kept.
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
            // Its lease will expire, and it is offered again.
            Err(error) => tracing::error!(%error, "can't write a part's end: giving it up"),
        }
    }

    /// Ends the part as failed, since the database rejects its results.
    pub(super) async fn refused(&mut self, error: &Error) {
        tracing::error!(%error, "can't write the result of a part");
        self.batch = Batch::default();
        self.fail(
            "the database rejected some of the results; see the server's \
             log",
        )
        .await;
    }

    /// Releases the part, for another worker or a later process to continue.
    pub(super) async fn release(&mut self, why: &str) {
        let (lease, text) = (self.hold.lease, why.to_owned());
        let written = self.last_write(move |conn| part_release(conn, lease, &text));
        match written.await {
            Ok(()) => tracing::info!("released: {why}"),
            Err(error) => tracing::error!(%error, "can't release a part: its lease will expire"),
        }
    }

    /// Retries as long as the lease is held. Err: the database rejects it.
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
                    tracing::warn!(%error, "can't write a part's end yet");
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
        tracing::warn!("given up, its lease was lost");
        Ok(())
    }
}

/// Logs how a part ended.
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
