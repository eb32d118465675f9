//! The structs; the same members on both wires, and members without a value are omitted.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::api::value::Timestamp;
use crate::store::Moment;
use crate::store::runs::run::{Run as RunRow, RunStatus};
use crate::store::schedules::schedule::{Bunch as BunchRow, Schedule as ScheduleRow};

/// A bunch.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Bunch {
    name: String,
    description: String,
    /// Its tasks, in order.
    templates: Vec<Template>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Template {
    /// Name of the task.
    name: String,
}

impl From<BunchRow> for Bunch {
    fn from(row: BunchRow) -> Bunch {
        let templates = row.tasks.into_iter().map(|name| Template { name });
        Bunch {
            name: row.name,
            description: row.description,
            templates: templates.collect(),
        }
    }
}

/// A schedule.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Schedule {
    id: i64,
    job_label: String,
    bunch: String,
    /// 1970-01-01 if no start was given.
    active_from: Timestamp,
    /// If in the past, the schedule has ended.
    active_till: Option<Timestamp>,
    /// Omitted if it runs once.
    cron_expr: Option<String>,
    /// The bunch's parameters: `project_id`; empty for housekeeping.
    data_map: BTreeMap<String, String>,
    /// Why the scheduler disabled the schedule.
    disabled_reason: Option<String>,
}

impl From<ScheduleRow> for Schedule {
    fn from(row: ScheduleRow) -> Schedule {
        Schedule {
            id: row.id,
            job_label: row.job_label,
            bunch: row.bunch,
            active_from: utc(row.active_from),
            active_till: row.active_till.map(utc),
            cron_expr: Some(row.cron_expr).filter(|line| !line.is_empty()),
            // The scheduler uses the columns; what others wrote here is only shown.
            data_map: serde_json::from_str(&row.data).unwrap_or_default(),
            disabled_reason: row.disabled_reason,
        }
    }
}

/// A run.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Run {
    id: i64,
    /// Omitted if the run was started manually, or its schedule was removed.
    schedule_id: Option<i64>,
    task: String,
    start_time: Option<Timestamp>,
    end_time: Option<Timestamp>,
    /// READY, RUNNING, FINISHED, FAILED, SKIPPED or INTERRUPTED.
    status: String,
    /// Whether it has started and so has a log.
    #[serde(rename = "stdOutputPath")]
    std_output_path: bool,
    /// Whether it failed and so has an error log.
    #[serde(rename = "stdErrorPath")]
    std_error_path: bool,
}

impl From<RunRow> for Run {
    fn from(row: RunRow) -> Run {
        Run {
            id: row.id,
            schedule_id: row.schedule_id,
            task: row.task,
            start_time: row.start_time.map(utc),
            end_time: row.end_time.map(utc),
            status: row.status.to_string(),
            std_output_path: row.start_time.is_some(),
            std_error_path: matches!(row.status, RunStatus::Failed | RunStatus::Interrupted),
        }
    }
}

fn utc(time: Moment) -> Timestamp {
    Timestamp(time.and_utc())
}
