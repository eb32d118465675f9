//! One run: from the stored project to its final status.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::service::Error;
use crate::service::job::{Job, job_load};
use crate::store::Db;
use crate::store::run::{Run, RunStatus};
use crate::store::run_log::LogLevel;
use crate::sync::progress::Reporter;
use crate::sync::{Engine, RunEnd, Totals};

use super::recorder::{Recorder, Recording};

/// Events that may wait for the database before the engine does.
const EVENTS: usize = 1000;

/// As [`execute`]; a panic of ours ends the run as failed instead of leaving it running for ever.
pub(super) async fn execute_guarded(db: Db, run: Run, stop: CancellationToken) {
    let mut recorder = Recorder::new(db.clone(), &run);
    if tokio::spawn(execute(db, run, stop)).await.is_err() {
        let reason = "an internal error ended the run; the server's log says more";
        recorder.log(LogLevel::Error, reason.to_owned());
        recorder
            .finish(RunStatus::Failed, reason, &Totals::default())
            .await;
    }
}

/// Executes a claimed run and writes down what comes of it. `stop` ends it early.
async fn execute(db: Db, run: Run, stop: CancellationToken) {
    let job = match (run.org_id, run.project_id) {
        (Some(org), Some(project)) => job_load(&db, org, project).await,
        _ => Err(Error::NotFound("the run has no project".into())),
    };
    let mut recorder = Recorder::new(db, &run);
    match job {
        Ok(job) => work(recorder, job, stop).await,
        Err(error) => {
            let reason = error.to_string();
            recorder.log(LogLevel::Error, reason.clone());
            recorder
                .finish(RunStatus::Failed, &reason, &Totals::default())
                .await;
        }
    }
}

async fn work(mut recorder: Recorder, job: Job, stop: CancellationToken) {
    recorder.log(
        LogLevel::Info,
        format!(
            "`{}` to `{}`: {} items",
            job.source,
            job.target.address(),
            job.spec.items.len()
        ),
    );
    let (sender, events) = mpsc::channel(EVENTS);
    let reporter = Reporter::new(sender);
    let cancel = stop.child_token();
    let bytes = reporter.bytes();
    let engine = Engine::new(job.target, job.spec);
    let recording = recorder.record(events, job.pair, &bytes, &cancel);
    let (end, recording) = tokio::join!(engine.run(reporter, cancel.clone()), recording);
    match recording {
        // Somebody else holds the run now, or it was deleted: nothing more to write.
        Recording::LeaseLost => tracing::warn!("a run was given up: its lease is lost"),
        Recording::Complete { cancel_requested } => {
            let (status, message) = verdict(&end, cancel_requested, stop.is_cancelled());
            let level = match status {
                RunStatus::Finished => LogLevel::Info,
                RunStatus::Interrupted => LogLevel::Warn,
                _ => LogLevel::Error,
            };
            recorder.log(level, message.clone());
            recorder.finish(status, &message, &end.totals).await;
        }
    }
}

fn verdict(end: &RunEnd, cancel_requested: bool, stopped: bool) -> (RunStatus, String) {
    let counts = format!("{} tags selected: {}", end.totals.selected, end.totals);
    if end.cancelled {
        let why = match (cancel_requested, stopped) {
            (true, _) => "cancelled",
            (false, true) => "the worker was stopped",
            (false, false) => "interrupted",
        };
        return (
            RunStatus::Interrupted,
            format!("{why}; until then {counts}"),
        );
    }
    match &end.unreachable {
        Some(error) => (RunStatus::Failed, format!("{error}; {counts}")),
        None if end.totals.failed > 0 => (RunStatus::Failed, counts),
        None => (RunStatus::Finished, counts),
    }
}
