//! Selects what a free slot works on next: a part of the run with the fewest parts in progress, so that
//! no project starves another; of several such runs, the oldest.

use std::collections::HashMap;
use std::time::Duration;

use crate::service::Error;
use crate::service::runs::evidence::run_asked_keep;
use crate::service::runs::job::parts::parts_plan;
use crate::service::runs::limits::{RunLimits, barred};
use crate::store::DbConnection;
use crate::store::runs::lease::{claim_lock, part_claim};
use crate::store::runs::log::{LogLevel, log_now};
use crate::store::runs::part::{Part, parts_running};
use crate::store::runs::queue::{run_begin, run_end, run_waiting, runs_open};
use crate::store::runs::run::{Run, RunStatus};
use crate::text::{NAME, SENTENCE, readable};

/// The message of a run whose project was disabled before its turn.
const DISABLED: &str = "the project was disabled before the run started";

/// The message of a run that has nothing to copy.
const EMPTY: &str = "the project has no items, so nothing was copied";

/// A part to work on, and its run.
#[derive(Debug)]
pub struct Claimed {
    /// The run.
    pub run: Run,
    /// The part.
    pub part: Part,
}

/// Gives the next part to `worker`; `None` if nothing is waiting that may be started. Runs in a
/// write transaction.
pub fn claim(
    conn: &mut DbConnection,
    worker: &str,
    lease_time: Duration,
    limits: RunLimits,
) -> Result<Option<Claimed>, Error> {
    claim_lock(conn)?;
    let running = parts_running(conn)?;
    let barred = barred(conn, &running, limits)?;
    let mut counts: HashMap<i64, usize> = HashMap::new();
    for part in &running {
        *counts.entry(part.run_id).or_default() += 1;
    }
    let mut open = runs_open(conn, &barred)?;
    loop {
        let waiting = run_waiting(conn, &barred)?;
        let open_key = |run: &Run| (counts.get(&run.id).copied().unwrap_or(0), run.id);
        let next = open.iter().min_by_key(|run| open_key(run));
        match (waiting, next) {
            (Some(run), next) if next.is_none_or(|open| (0, run.id) < open_key(open)) => {
                run_start(conn, &run, worker)?;
                // Now it is among the open ones, unless it had nothing to do.
                open = runs_open(conn, &barred)?;
            }
            (_, None) => return Ok(None),
            (_, Some(next)) => {
                let run = next.clone();
                match part_claim(conn, run.id, worker, lease_time)? {
                    Some(part) => return Ok(Some(Claimed { run, part })),
                    // It was cancelled meanwhile.
                    None => open.retain(|open| open.id != run.id),
                }
            }
        }
    }
}

/// Starts a run, or ends it if that isn't possible.
fn run_start(conn: &mut DbConnection, run: &Run, worker: &str) -> Result<(), Error> {
    let (parts, about, end) = match parts_plan(conn, run) {
        Ok(Some(parts))
            if parts.places.is_empty() && run.retry_of.is_none() && run.plan_id.is_none() =>
        {
            let (about, end) = (format!("{}: {EMPTY}", parts.ends), RunStatus::Failed);
            (Some(parts), about, Some((end, LogLevel::Error)))
        }
        // The failed tags are no longer in the project, or the plan has nothing to copy.
        Ok(Some(parts)) if parts.places.is_empty() => {
            let nothing = match &parts.left_out {
                Some(left_out) => format!("nothing to copy or to delete; {left_out}"),
                None => "0 tags selected".to_owned(),
            };
            let (about, end) = (format!("{}; {nothing}", parts.about), RunStatus::Finished);
            (Some(parts), about, Some((end, LogLevel::Info)))
        }
        Ok(Some(parts)) => {
            let about = parts.about.clone();
            (Some(parts), about, None)
        }
        Ok(None) => {
            let end = (RunStatus::Skipped, LogLevel::Warn);
            (None, DISABLED.to_owned(), Some(end))
        }
        Err(error) if error.is_passing() => return Err(error),
        Err(error) => {
            let end = (RunStatus::Failed, LogLevel::Error);
            (None, error.to_string(), Some(end))
        }
    };
    let places = parts.as_ref().map_or(&[][..], |parts| &parts.places);
    if !run_begin(conn, run.id, worker, places)? {
        return Ok(());
    }
    if let Some(parts) = &parts {
        run_asked_keep(conn, run, &parts.asked)?;
    }
    if let Some(warning) = parts.as_ref().and_then(|parts| parts.warning.as_ref()) {
        log_now(conn, run.id, LogLevel::Warn, warning.clone())?;
    }
    let mut level = LogLevel::Info;
    if let Some((status, of_end)) = end {
        run_end(conn, run.id, status, &about)?;
        level = of_end;
    }
    run_log(run, &about, level);
    Ok(log_now(conn, run.id, level, about)?)
}

/// Logs the start of a run, or why it doesn't start.
fn run_log(run: &Run, message: &str, level: LogLevel) {
    let (project, message) = (
        readable(&run.project_label, NAME),
        readable(message, SENTENCE),
    );
    let trigger = run.trigger_kind;
    if level == LogLevel::Info {
        tracing::info!(run = run.id, %project, %trigger, "starting run: {message}");
    } else {
        tracing::warn!(run = run.id, %project, %trigger, "the run can't start: {message}");
    }
}
