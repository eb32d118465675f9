//! What of old runs is kept.

use std::time::Instant;

use chrono::TimeDelta;

use crate::service::Error;
use crate::store::house_run::{Removed, history_list, history_remove, schedules_remove};
use crate::store::run::clock;
use crate::store::synced_tag::synced_forget_unused;
use crate::store::{Db, Moment};

/// Rows that one transaction removes: some milliseconds, for which others wait.
const BATCH: usize = 1000;

/// A run is removed when it is neither young enough nor among the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryRules {
    /// Days that every run is kept.
    pub days: i64,
    /// Runs of a project, and of a bunch of house-keeping, that are kept however old they are.
    pub runs: i64,
}

impl Default for HistoryRules {
    fn default() -> Self {
        Self { days: 30, runs: 50 }
    }
}

/// Removes what is too old, and says how much that was.
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
                .run(move |conn| history_remove(conn, &of, before, rules.runs, BATCH))
                .await?;
            runs += gone.runs;
            if gone == Removed::default() {
                break;
            }
            // Others have their turn for as long.
            tokio::time::sleep(began.elapsed()).await;
        }
    }
    while db.run(|conn| synced_forget_unused(conn, BATCH)).await? > 0 {}
    let schedules = db.run(move |conn| schedules_remove(conn, before)).await?;
    Ok(format!(
        "{runs} runs removed that were older than {} days and not among the last {}; {schedules} \
         schedules removed that were over",
        rules.days, rules.runs
    ))
}
