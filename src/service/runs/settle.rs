//! The end of a run, after its last part has ended.

use crate::store::runs::log::{LogLevel, log_now};
use crate::store::runs::part::{PartStatus, part_messages, part_says, parts_left};
use crate::store::runs::queue::run_end;
use crate::store::runs::run::{Run, RunStatus, RunTotals, run_lock};
use crate::store::{DbConnection, Error};
use crate::sync::outcome;
use crate::sync::{Moved, Totals};
use crate::text::{NAME, SENTENCE, counted, readable};

/// Number of parts whose messages are considered for the run's message.
const PARTS_HEARD: i64 = 20;
/// Maximum number of different messages in the run's message.
const MESSAGES_SHOWN: usize = 3;

/// The message of a part that selected nothing, if that matters. A run fails if none of its parts
/// selected anything, and one of them has this message.
pub const NOTHING: &str = outcome::NOTHING;

/// Ends the run if it is in progress and none of its parts is waiting or running. To be called in
/// the transaction that ends a part.
pub fn run_settle(conn: &mut DbConnection, run_id: i64) -> Result<Option<RunStatus>, Error> {
    let Some(run) = run_lock(conn, run_id)?.filter(|run| run.status == RunStatus::Running) else {
        return Ok(None);
    };
    if parts_left(conn, run_id)? {
        return Ok(None);
    }
    let interrupted = part_messages(conn, run_id, PartStatus::Interrupted, PARTS_HEARD)?;
    let failed = part_messages(conn, run_id, PartStatus::Failed, PARTS_HEARD)?;
    let counts = counts_text(&run.totals);
    let (status, level, message) = if !interrupted.is_empty() {
        let until_then = counts.map(|counts| format!("until then {counts}"));
        let message = joined(interrupted, until_then);
        (RunStatus::Interrupted, LogLevel::Warn, message)
    } else if !failed.is_empty() {
        let message = joined(failed, counts);
        (RunStatus::Failed, LogLevel::Error, message)
    } else if run.totals.selected == 0 && part_says(conn, run_id, PartStatus::Finished, NOTHING)? {
        (RunStatus::Failed, LogLevel::Error, NOTHING.to_owned())
    } else {
        let message = counts.unwrap_or_else(|| "0 tags selected".to_owned());
        (RunStatus::Finished, LogLevel::Info, message)
    };
    log_now(conn, run_id, level, message.clone())?;
    run_end(conn, run_id, status, &message)?;
    run_log(&run, status, &message);
    Ok(Some(status))
}

/// Logs how a run ended; outside the span of its last part, which names the same run.
fn run_log(run: &Run, status: RunStatus, message: &str) {
    let (project, message) = (
        readable(&run.project_label, NAME),
        readable(message, SENTENCE),
    );
    if status == RunStatus::Failed {
        tracing::warn!(parent: None, run = run.id, %project, %status, "the run has ended: {message}");
    } else {
        tracing::info!(parent: None, run = run.id, %project, %status, "the run has ended: {message}");
    }
}

/// Each message once, with a limit; then the counts.
fn joined(messages: Vec<String>, counts: Option<String>) -> String {
    let mut shown: Vec<String> = Vec::new();
    for message in messages {
        if !message.is_empty() && !shown.contains(&message) && shown.len() < MESSAGES_SHOWN {
            shown.push(message);
        }
    }
    shown.extend(counts);
    shown.join("; ")
}

/// A summary of what was done; `None` if there was nothing to do.
fn counts_text(totals: &RunTotals) -> Option<String> {
    let number = |count: i64| u64::try_from(count).unwrap_or(0);
    let totals = Totals {
        selected: number(totals.selected),
        copied: number(totals.copied),
        updated: number(totals.updated),
        skipped: number(totals.skipped),
        deleted: number(totals.deleted),
        blocked: number(totals.blocked),
        failed: number(totals.failed),
        warnings: number(totals.warnings),
        // The parts say that.
        empty: 0,
        moved: Moved {
            bytes: number(totals.bytes),
            blobs_copied: number(totals.blobs_copied),
            blobs_mounted: number(totals.blobs_mounted),
        },
    };
    (totals != Totals::default())
        .then(|| format!("{} selected: {totals}", counted(totals.selected, "tag")))
}
