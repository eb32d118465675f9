//! Numbers for dashboards.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Answer, LABEL};
use crate::api::error::code;
use crate::api::value::ByteCount;
use crate::api::{Context, NamespaceBuilder, param};
use crate::service::trail::statistics;
use crate::store::runs::run::RunStatus;
use crate::store::trail::statistics::Day;

pub(super) fn define(ns: &mut NamespaceBuilder<'_>) {
    ns.method(
        "getStatistics",
        "Show statistics of the organisation and of its runs in the last 30 days.",
        [],
        get_statistics,
    )
    .returns("the statistics")
    .read_only();
    ns.method(
        "getStatistics",
        "Show statistics of a project's runs in the last 30 days.",
        [param("label", LABEL)],
        get_project_statistics,
    )
    .faults([code::NOT_FOUND])
    .returns("the statistics")
    .read_only();
}

#[derive(Serialize, JsonSchema)]
struct Statistics {
    /// Number of image stores.
    stores: i64,
    projects: i64,
    /// Number of runs by status.
    runs: Runs,
    /// The last 30 days in UTC, ending today.
    days: Vec<DayAnswer>,
}

#[derive(Serialize, JsonSchema)]
struct ProjectStatistics {
    /// Number of runs by status.
    runs: Runs,
    /// The last 30 days in UTC, ending today.
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

/// Statistics of the runs that ended on one day.
#[derive(Serialize, JsonSchema)]
struct DayAnswer {
    /// `yyyy-mm-dd`
    date: String,
    /// Number of runs that ended.
    runs: i64,
    /// Number of those that failed.
    failed: i64,
    /// Number of tags copied or updated.
    tags: i64,
    bytes: ByteCount,
}

impl From<Day> for DayAnswer {
    fn from(day: Day) -> DayAnswer {
        DayAnswer {
            date: day.date,
            runs: day.runs,
            failed: day.failed,
            tags: day.tags,
            bytes: ByteCount(u64::try_from(day.bytes).unwrap_or_default()),
        }
    }
}

impl From<HashMap<RunStatus, i64>> for Runs {
    fn from(counted: HashMap<RunStatus, i64>) -> Runs {
        let runs = |status| counted.get(&status).copied().unwrap_or_default();
        Runs {
            ready: runs(RunStatus::Ready),
            running: runs(RunStatus::Running),
            finished: runs(RunStatus::Finished),
            failed: runs(RunStatus::Failed),
            skipped: runs(RunStatus::Skipped),
            interrupted: runs(RunStatus::Interrupted),
        }
    }
}

async fn get_statistics(context: Context) -> Answer<Statistics> {
    let (counts, found) = statistics::statistics(context.app(), context.caller()).await?;
    Ok(Statistics {
        stores: counts.stores,
        projects: counts.projects,
        runs: found.runs.into(),
        days: found.days.into_iter().map(DayAnswer::from).collect(),
    })
}

async fn get_project_statistics(context: Context, label: String) -> Answer<ProjectStatistics> {
    let (app, caller) = (context.app(), context.caller());
    let found = statistics::project_statistics(app, caller, label).await?;
    Ok(ProjectStatistics {
        runs: found.runs.into(),
        days: found.days.into_iter().map(DayAnswer::from).collect(),
    })
}
