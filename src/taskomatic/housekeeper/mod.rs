//! Housekeeping: executes the runs that belong to no project, one at a time.
//!
//! - this file: claims a run, writes its log, renews its lease.
//! - [`history`]: how long old runs are kept.
//! - What it runs besides: expired sessions, and `service::runs::verify`, which checks the targets.

pub mod history;

use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::service::runs::verify::targets_verify;
use crate::service::{Error as ServiceError, RunLogger};
use crate::store::access::session::session_delete_expired;
use crate::store::runs::housekeeping::{
    HousekeepingLease, housekeeping_claim, housekeeping_end, housekeeping_progress,
    housekeeping_release,
};
use crate::store::runs::log::{LogLevel, NewLogLine};
use crate::store::runs::run::RunStatus;
use crate::store::{Db, Error};
use crate::taskomatic::POLL;
use crate::text::{SENTENCE, readable};

use history::{HistoryRules, history_clean};

/// Duration of a claim without a heartbeat.
const LEASE: Duration = Duration::from_mins(1);
/// How often the log is written and the lease renewed.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// Number of log lines buffered before the work waits for the database.
const LINES: usize = 1000;

/// Executes housekeeping runs.
#[derive(Debug)]
pub struct Housekeeper {
    db: Db,
    worker: String,
    history: HistoryRules,
}

/// How a run ended.
enum End {
    Done(Result<String, ServiceError>),
    Stopped,
    Lost,
}

impl Housekeeper {
    /// One on `db`, with the name of this process's worker.
    pub fn new(db: Db, worker: String, history: HistoryRules) -> Self {
        Self {
            db,
            worker,
            history,
        }
    }

    /// Works until `stop`; a run in progress is then released.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.claim().await {
                Ok(Some(house)) => {
                    let span = tracing::info_span!(
                        "housekeeping",
                        run = house.run_id,
                        bunch = house.bunch
                    );
                    self.work(house, &stop).instrument(span).await;
                    continue;
                }
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "can't claim housekeeping"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    async fn claim(&self) -> Result<Option<HousekeepingLease>, Error> {
        let worker = self.worker.clone();
        self.db
            .run(move |conn| housekeeping_claim(conn, &worker, LEASE))
            .await
    }

    async fn work(&self, house: HousekeepingLease, stop: &CancellationToken) {
        let (sender, lines) = mpsc::channel(LINES);
        let (db, history, bunch) = (self.db.clone(), self.history, house.bunch.clone());
        // In its own task: a panic ends only this run.
        let task = async move { task(&db, history, &bunch, RunLogger::new(sender)).await };
        let work = tokio::spawn(task.in_current_span());
        let abort = work.abort_handle();
        let end = self.keep(&house, lines, work, stop).await;
        abort.abort();
        let ended = match end {
            End::Lost => return tracing::warn!("housekeeping was taken over"),
            End::Stopped => {
                self.db
                    .run(move |conn| housekeeping_release(conn, &house))
                    .await
            }
            End::Done(result) => {
                let (status, message) = match result {
                    Ok(message) => (RunStatus::Finished, message),
                    Err(error) => (RunStatus::Failed, error.to_string()),
                };
                let said = readable(&message, SENTENCE);
                if status == RunStatus::Failed {
                    tracing::warn!("housekeeping failed: {said}");
                } else {
                    tracing::info!("housekeeping has ended: {said}");
                }
                self.db
                    .run(move |conn| housekeeping_end(conn, &house, status, &message))
                    .await
            }
        };
        if let Err(error) = ended {
            // Its lease expires, and it is repeated.
            tracing::error!(%error, "can't write the end of housekeeping");
        }
    }

    /// Writes the log and renews the lease during the work.
    async fn keep(
        &self,
        house: &HousekeepingLease,
        mut lines: Receiver<NewLogLine>,
        mut work: tokio::task::JoinHandle<Result<String, ServiceError>>,
        stop: &CancellationToken,
    ) -> End {
        let mut batch = Vec::new();
        let mut tick = tokio::time::interval(FLUSH_EVERY);
        let done = loop {
            tokio::select! {
                () = stop.cancelled() => return End::Stopped,
                Some(line) = lines.recv(), if batch.len() < LINES => batch.push(line),
                _ = tick.tick() => match self.flush(house, &mut batch).await {
                    Ok(true) => {}
                    Ok(false) => return End::Lost,
                    Err(error) => tracing::warn!(%error, "can't write a log"),
                },
                done = &mut work => break done,
            }
        };
        let done = done.unwrap_or_else(|failure| Err(ServiceError::unexpected(failure)));
        while let Ok(line) = lines.try_recv() {
            batch.push(line);
        }
        let last = match &done {
            Ok(message) => NewLogLine::now(LogLevel::Info, message.clone()),
            Err(error) => NewLogLine::now(LogLevel::Error, error.to_string()),
        };
        batch.push(last);
        match self.flush(house, &mut batch).await {
            Ok(false) => End::Lost,
            _ => End::Done(done),
        }
    }

    async fn flush(
        &self,
        house: &HousekeepingLease,
        batch: &mut Vec<NewLogLine>,
    ) -> Result<bool, Error> {
        let (house, lines) = (house.clone(), batch.clone());
        let held = self
            .db
            .run(move |conn| housekeeping_progress(conn, &house, &lines, LEASE))
            .await?;
        batch.clear();
        Ok(held)
    }
}

async fn task(
    db: &Db,
    history: HistoryRules,
    bunch: &str,
    tell: RunLogger,
) -> Result<String, ServiceError> {
    match bunch {
        "session-cleanup-bunch" => {
            let gone = db.run(session_delete_expired).await?;
            Ok(format!("{gone} expired sessions removed"))
        }
        "run-history-cleanup-bunch" => history_clean(db, history).await,
        "target-verify-bunch" => targets_verify(db, &tell).await,
        other => Err(ServiceError::NotFound(format!(
            "this version doesn't know the bunch `{other}`"
        ))),
    }
}
