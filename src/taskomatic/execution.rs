//! One part of a run: from the stored project to its final status.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::service::Error;
use crate::store::Db;
use crate::store::part::PartStatus;
use crate::store::run_log::LogLevel;
use crate::sync::progress::Reporter;
use crate::sync::{Halt, RunEnd};

use super::claim::Claimed;
use super::held::{Hold, Holds};
use super::recorder::{Recorder, Recording};
use super::shares::Shares;

/// Events that may wait for the database before the engine does.
const EVENTS: usize = 1000;
/// The pause before a database that can't be reached is asked again.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);

/// What all parts need that this process works on.
#[derive(Clone)]
pub(super) struct Workplace {
    pub(super) db: Db,
    pub(super) worker: String,
    pub(super) shares: Shares,
    pub(super) holds: Holds,
    /// Begin nothing more.
    pub(super) drain: CancellationToken,
}

/// Works on a claimed part, and writes down what comes of it. A panic of ours ends the part as
/// failed instead of leaving it running until its lease is over.
pub(super) async fn execute(place: Workplace, claimed: Claimed) {
    let hold = place.holds.add(claimed.part.lease());
    let work = tokio::spawn(work(place.clone(), claimed, Arc::clone(&hold)));
    if work.await.is_err_and(|failure| failure.is_panic()) {
        let reason = "an internal error ended it; the server's log says more";
        let mut recorder = Recorder::new(place.db, &hold);
        recorder.log(LogLevel::Error, reason.to_owned());
        recorder.finish(PartStatus::Failed, reason).await;
    }
    place.holds.remove(&hold);
}

async fn work(place: Workplace, Claimed { run, part }: Claimed, hold: Arc<Hold>) {
    let mut recorder = Recorder::new(place.db.clone(), &hold);
    let share = loop {
        let loaded = async {
            let share = place.shares.get(&place.db, &run).await?;
            recorder.resume(&part, &place.worker).await?;
            Ok::<_, Error>(share)
        };
        match loaded.await {
            Ok(share) => break share,
            Err(error @ Error::Unavailable(_)) => {
                tracing::warn!(%error, "run {} can't be loaded", run.id);
                if hold.cancel.is_cancelled() || place.drain.is_cancelled() {
                    return;
                }
                tokio::time::sleep(DATABASE_PAUSE).await;
            }
            Err(error) => {
                let reason = error.to_string();
                recorder.log(LogLevel::Error, reason.clone());
                return recorder.finish(PartStatus::Failed, &reason).await;
            }
        }
    };
    let engine = share.get().and_then(|share| {
        let engine = share.engines.get(&part.target_repository)?;
        Some((share, engine))
    });
    let Some((share, engine)) = engine else {
        // Its items were removed or moved since the run began.
        return recorder.finish(PartStatus::Finished, "").await;
    };
    let (sender, events) = mpsc::channel(EVENTS);
    let reporter = Reporter::new(sender);
    let halt = Halt {
        cancel: hold.cancel.clone(),
        drain: place.drain.clone(),
    };
    let bytes = reporter.bytes();
    let recording = recorder.record(events, share.pair, &bytes, &hold);
    let (end, recording) = tokio::join!(engine.run(reporter, halt), recording);
    if matches!(recording, Recording::LeaseLost) || hold.is_lost() {
        // Somebody else holds it now, or it was deleted: nothing more to write.
        tracing::warn!(
            "run {}, `{}`: given up, its lease is lost",
            run.id,
            part.target_repository
        );
        return;
    }
    let verdict = verdict(&end, recorder.failed(), hold.is_cancel_requested());
    if let Some((status, message)) = verdict {
        recorder.finish(status, &message).await;
    } else {
        let why = format!("its worker `{}` was stopped", place.worker);
        recorder.release(&why).await;
    }
}

/// What came of a part; `None`: it isn't at its end.
fn verdict(end: &RunEnd, failed: u64, cancel_requested: bool) -> Option<(PartStatus, String)> {
    if end.cancelled && cancel_requested {
        return Some((PartStatus::Interrupted, "cancelled".to_owned()));
    }
    if end.cancelled || end.drained {
        return None;
    }
    Some(match &end.unreachable {
        _ if failed == 0 => (PartStatus::Finished, String::new()),
        Some(error) => (PartStatus::Failed, error.clone()),
        None => (PartStatus::Failed, String::new()),
    })
}
