//! One part of a run: from the stored project to its final status.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::service::Error;
use crate::service::runs::settle::NOTHING;
use crate::store::Db;
use crate::store::projects::written_tag::DeleteRight;
use crate::store::runs::part::PartStatus;
use crate::sync::progress::Reporter;
use crate::sync::{RunEnd, RunStop};
use crate::taskomatic::DATABASE_PAUSE;
use crate::text::{NAME, readable};

use super::claim::Claimed;
use super::holds::{Held, Hold, Holds};
use super::recorder::{Recorder, Recording};
use super::records::RecordedFor;
use super::rights::delete_gate::DatabaseGate;
use super::rights::write_intents::DatabaseIntents;
use super::shares::Shares;

/// Number of events buffered before the engine waits for the database.
const EVENTS: usize = 1000;
/// The message of a part whose run was cancelled.
const CANCELLED: &str = "cancelled";
/// The message for an internal error.
const INTERNAL: &str = "it ended with an internal error; see the server's log";

/// What all parts of this process need.
#[derive(Clone)]
pub(super) struct WorkContext {
    pub(in crate::taskomatic) db: Db,
    pub(in crate::taskomatic) worker: String,
    pub(in crate::taskomatic) shares: Shares,
    pub(in crate::taskomatic) holds: Holds,
    /// Begin nothing more.
    pub(super) drain: CancellationToken,
}

impl WorkContext {
    /// Why a part is released.
    fn stopped(&self) -> String {
        format!("its worker `{}` was stopped", self.worker)
    }
}

/// Works on a claimed part, and records the result. A panic ends the part as failed instead of
/// leaving it running until its lease expires.
pub(super) async fn execute(place: WorkContext, claimed: Claimed, held: Held) {
    let span = tracing::info_span!(
        "part",
        run = claimed.run.id,
        part = claimed.part.number,
        project = %readable(&claimed.run.project_label, NAME),
    );
    let watched = async {
        let begun = work(place.clone(), claimed, Arc::clone(&held)).in_current_span();
        if tokio::spawn(begun)
            .await
            .is_err_and(|failure| failure.is_panic())
        {
            Recorder::new(place.db, &held).fail(INTERNAL).await;
        }
    };
    watched.instrument(span).await;
}

async fn work(place: WorkContext, Claimed { run, part }: Claimed, hold: Arc<Hold>) {
    let target = readable(&part.target_repository, NAME);
    tracing::info!(attempt = part.attempt, "starting part, target `{target}`");
    let mut recorder = Recorder::new(place.db.clone(), &hold);
    let share = loop {
        let loaded = async {
            let share = place.shares.get(&place.db, &place.worker, &run).await?;
            recorder.resume(&part, &place.worker).await?;
            Ok::<_, Error>(share)
        };
        match loaded.await {
            Ok(share) => break share,
            Err(error) if error.is_passing() => {
                tracing::warn!(%error, "can't load the run yet");
                if hold.is_cancel_requested() {
                    return recorder.finish(PartStatus::Interrupted, CANCELLED).await;
                }
                if hold.cancel.is_cancelled() || place.drain.is_cancelled() {
                    return recorder.release(&place.stopped()).await;
                }
                tokio::time::sleep(DATABASE_PAUSE).await;
            }
            Err(error) => return recorder.fail(&error.to_string()).await,
        }
    };
    let (Some(share), Some((org_id, project_id))) = (share.get(), run.project()) else {
        return recorder.finish(PartStatus::Finished, "").await;
    };
    // `None`: its items were removed or moved since the run started.
    let engine = share.engines.get(&part.target_repository);
    let (sender, events) = mpsc::channel(EVENTS);
    let reporter = Reporter::new(sender);
    let right = DeleteRight {
        lease: hold.lease,
        org_id,
        project_id,
        modified: share.modified,
    };
    let db = place.db.clone();
    let intents = DatabaseIntents::new(db.clone(), right, part.target_repository.clone());
    let halt = RunStop {
        cancel: hold.cancel.clone(),
        drain: place.drain.clone(),
        gate: Some(Arc::new(DatabaseGate { db, right })),
        intents: Some(Arc::new(intents)),
        earlier: recorder.earlier_work(),
    };
    let bytes = reporter.bytes();
    let of = RecordedFor {
        pair: share.pair,
        project_id,
    };
    let recording = recorder.record(events, of, &bytes);
    let work = async {
        if let Some(engine) = engine {
            return engine.run(reporter, halt).await;
        }
        share.engine.settle(&reporter, &halt).await;
        drop(reporter);
        RunEnd::default()
    };
    let (end, recording) = tokio::join!(work, recording);
    match recording {
        // Another worker holds it now, or it was deleted: nothing more to write.
        _ if hold.is_lost() => return tracing::warn!("given up, its lease was lost"),
        Recording::LeaseLost => return tracing::warn!("given up, its lease was lost"),
        Recording::Refused(error) => return recorder.refused(&error).await,
        Recording::Complete => {}
    }
    let verdict = verdict(&end, recorder.failed(), hold.is_cancel_requested());
    if let Some((status, message)) = verdict {
        recorder.finish(status, &message).await;
    } else {
        recorder.release(&place.stopped()).await;
    }
}

/// The result of a part; `None`: it hasn't finished.
fn verdict(end: &RunEnd, failed: u64, cancel_requested: bool) -> Option<(PartStatus, String)> {
    if end.cancelled && cancel_requested {
        return Some((PartStatus::Interrupted, CANCELLED.to_owned()));
    }
    if end.cancelled || end.drained {
        return None;
    }
    Some(match &end.unreachable {
        _ if end.totals.is_nothing() => (PartStatus::Finished, NOTHING.to_owned()),
        _ if failed == 0 => (PartStatus::Finished, String::new()),
        Some(error) => (PartStatus::Failed, error.clone()),
        None => (PartStatus::Failed, String::new()),
    })
}
