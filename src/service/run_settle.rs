//! The end of a run, when the last of its parts has ended.

use crate::store::part::{PartStatus, part_messages, parts_left};
use crate::store::run::{Run, RunStatus, RunTotals, run_end, run_lock};
use crate::store::run_log::{LogLevel, log_now};
use crate::store::{DbConnection, Error};
use crate::sync::{Moved, Totals};
use crate::text::{NAME, SENTENCE, readable};

/// Parts whose messages are looked at for the run's.
const PARTS_HEARD: i64 = 20;
/// Different messages that the run's is made of.
const MESSAGES_SHOWN: usize = 3;

/// Ends the run if it is under way and no part of it waits or is worked on. To be called in the
/// transaction that ends a part.
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
        let message = format!("{}; until then {counts}", joined(interrupted));
        (RunStatus::Interrupted, LogLevel::Warn, message)
    } else if !failed.is_empty() {
        let why = joined(failed);
        let message = if why.is_empty() {
            counts
        } else {
            format!("{why}; {counts}")
        };
        (RunStatus::Failed, LogLevel::Error, message)
    } else if counted(&run.totals).is_nothing() {
        let message = format!("no item selects anything; {counts}");
        (RunStatus::Failed, LogLevel::Error, message)
    } else {
        (RunStatus::Finished, LogLevel::Info, counts)
    };
    log_now(conn, run_id, level, message.clone())?;
    run_end(conn, run_id, status, &message)?;
    run_log(&run, status, &message);
    Ok(Some(status))
}

/// Tells the log of the process how a run ended.
fn run_log(run: &Run, status: RunStatus, message: &str) {
    let (project, message) = (
        readable(&run.project_label, NAME),
        readable(message, SENTENCE),
    );
    if status == RunStatus::Failed {
        tracing::warn!(run = run.id, %project, %status, "the run has ended: {message}");
    } else {
        tracing::info!(run = run.id, %project, %status, "the run has ended: {message}");
    }
}

/// Each message once, and not all of them where they are many.
fn joined(messages: Vec<String>) -> String {
    let mut shown: Vec<String> = Vec::new();
    for message in messages {
        if !message.is_empty() && !shown.contains(&message) && shown.len() < MESSAGES_SHOWN {
            shown.push(message);
        }
    }
    shown.join("; ")
}

fn counts_text(totals: &RunTotals) -> String {
    let counted = counted(totals);
    format!("{} tags selected: {counted}", counted.selected)
}

fn counted(totals: &RunTotals) -> Totals {
    let number = |count: i64| u64::try_from(count).unwrap_or(0);
    Totals {
        selected: number(totals.selected),
        copied: number(totals.copied),
        updated: number(totals.updated),
        skipped: number(totals.skipped),
        blocked: number(totals.blocked),
        failed: number(totals.failed),
        warnings: number(totals.warnings),
        moved: Moved {
            bytes: number(totals.bytes),
            blobs_copied: number(totals.blobs_copied),
            blobs_mounted: number(totals.blobs_mounted),
        },
    }
}
