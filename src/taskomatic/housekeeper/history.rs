//! How long old runs are kept.

use std::time::Instant;

use chrono::TimeDelta;

use crate::service::Error;
use crate::service::batches::{STEP, in_steps};
use crate::store::base::clock::clock;
use crate::store::projects::kept_plan::plans_remove;
use crate::store::projects::synced_tag::synced_forget_unused;
use crate::store::runs::housekeeping::{Removed, history_list, history_remove, schedules_remove};
use crate::store::trail::audit::audit_remove;
use crate::store::{Db, Moment};

/// Events removed by one statement.
const EVENTS: i64 = 1000;

/// A run is removed if it is neither young enough nor among the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryRules {
    /// Days that every run is kept.
    pub days: i64,
    /// Number of latest runs of a project, or of a housekeeping bunch, that are kept however old
    /// they are.
    pub runs: i64,
    /// Days that audit events are kept; 0: forever.
    pub audit_days: i64,
}

impl Default for HistoryRules {
    fn default() -> Self {
        Self {
            days: 30,
            runs: 50,
            audit_days: 400,
        }
    }
}

/// Removes what is too old, and summarises it.
pub(super) async fn history_clean(db: &Db, rules: HistoryRules) -> Result<String, Error> {
    let (before, all) = db
        .run(move |conn| {
            let now = clock(conn)?;
            let days = TimeDelta::try_days(rules.days).unwrap_or(TimeDelta::MAX);
            let before = now.checked_sub_signed(days).unwrap_or(Moment::MIN);
            Ok((before, history_list(conn, before)?))
        })
        .await?;
    let mut runs = 0;
    for of in all {
        loop {
            let (of, began) = (of.clone(), Instant::now());
            let gone = db
                .run(move |conn| history_remove(conn, &of, before, rules.runs, STEP))
                .await?;
            runs += gone.runs;
            if gone == Removed::default() {
                break;
            }
            // Pauses for as long, so that others get their turn.
            tokio::time::sleep(began.elapsed()).await;
        }
    }
    in_steps(db, |conn| synced_forget_unused(conn, STEP)).await?;
    in_steps(db, |conn| plans_remove(conn, STEP)).await?;
    let schedules = db.run(move |conn| schedules_remove(conn, before)).await?;
    let events = audit_clean(db, rules.audit_days).await?;
    Ok(format!(
        "{runs} runs removed that were older than {} days and not among the latest {}; {schedules} \
         ended schedules removed; {events} audit events removed",
        rules.days, rules.runs
    ))
}

/// Removes events that are older than `days`, and returns how many.
async fn audit_clean(db: &Db, days: i64) -> Result<usize, Error> {
    if days == 0 {
        return Ok(0);
    }
    let age = TimeDelta::try_days(days).unwrap_or(TimeDelta::MAX);
    in_steps(db, move |conn| {
        let before = clock(conn)?.checked_sub_signed(age).unwrap_or(Moment::MIN);
        audit_remove(conn, before, EVENTS)
    })
    .await
}
