//! Numbers for dashboards.

use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use crate::api::value::ByteCount;
use crate::api::{Context, Namespace};
use crate::service::statistics;
use crate::store::run::RunStatus;
use crate::store::statistics::Day;

pub(super) fn define(ns: &mut Namespace) {
    ns.method(
        "getStatistics",
        "Show how much the organisation has, and what its runs did in the last 30 days.",
        [],
        get_statistics,
    )
    .returns("the numbers")
    .read_only();
}

#[derive(Serialize, JsonSchema)]
struct Statistics {
    /// Image stores.
    stores: i64,
    projects: i64,
    /// Runs by status.
    runs: Runs,
    /// The last 30 days, UTC, today last.
    days: Vec<DayAnswer>,
}

#[derive(Serialize, JsonSchema)]
struct Runs {
    ready: i64,
    running: i64,
    finished: i64,
    failed: i64,
    skipped: i64,
    interrupted: i64,
}

/// What the runs did that ended on one day.
#[derive(Serialize, JsonSchema)]
struct DayAnswer {
    /// `yyyy-mm-dd`
    date: String,
    /// Runs that ended.
    runs: i64,
    /// Tags copied or updated.
    tags: i64,
    bytes: ByteCount,
}

impl From<Day> for DayAnswer {
    fn from(day: Day) -> DayAnswer {
        DayAnswer {
            date: day.date,
            runs: day.runs,
            tags: day.tags,
            bytes: ByteCount(u64::try_from(day.bytes).unwrap_or_default()),
        }
    }
}

async fn get_statistics(context: Context) -> Answer<Statistics> {
    let found = statistics::statistics(context.app(), context.caller()).await?;
    let counts = found.counts;
    let runs = |status| counts.runs.get(&status).copied().unwrap_or_default();
    Ok(Statistics {
        stores: counts.stores,
        projects: counts.projects,
        runs: Runs {
            ready: runs(RunStatus::Ready),
            running: runs(RunStatus::Running),
            finished: runs(RunStatus::Finished),
            failed: runs(RunStatus::Failed),
            skipped: runs(RunStatus::Skipped),
            interrupted: runs(RunStatus::Interrupted),
        },
        days: found.days.into_iter().map(DayAnswer::from).collect(),
    })
}
