//! When projects run automatically.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Answer, LABEL};
use crate::api::error::code;
use crate::api::value::{Done, Timestamp};
use crate::api::{Context, NamespaceBuilder, param};
use crate::service::schedules::schedule::{self, ScheduleView};
use crate::time_zone::server_zone;

pub(super) fn define(ns: &mut NamespaceBuilder<'_>) {
    let label = param("label", LABEL);
    ns.method(
        "setSchedule",
        "Set a project's schedule, in the server's time zone.",
        [
            label,
            param(
                "cronExpr",
                "Quartz cron line: second minute hour day-of-month month day-of-week [year], one \
                 day field `?`; \"\" removes the schedule",
            ),
        ],
        set_schedule,
    )
    .faults([code::NOT_FOUND]);
    ns.method(
        "getSchedule",
        "Show a project's schedule, and when it fires next.",
        [label],
        get_schedule,
    )
    .faults([code::NOT_FOUND])
    .returns("the schedule; if there is none, `cron_expr` is \"\" and there are no fire times")
    .read_only();
}

#[derive(Serialize, JsonSchema)]
struct Schedule {
    /// The cron line as it was set; "" if there is none.
    cron_expr: String,
    /// The next five fire times, or fewer if there are no more.
    next_fire_times: Vec<Timestamp>,
    /// The line in words.
    description: String,
    /// The schedule's time zone, such as `Europe/Berlin`.
    time_zone: String,
    /// Why the scheduler disabled the schedule. Set it again to enable it.
    disabled_reason: Option<String>,
}

impl From<ScheduleView> for Schedule {
    fn from(view: ScheduleView) -> Schedule {
        let times = view.next_fire_times.into_iter();
        Schedule {
            cron_expr: view.cron_expr,
            next_fire_times: times.map(Timestamp).collect(),
            description: view.description,
            time_zone: server_zone().name().to_owned(),
            disabled_reason: view.disabled_reason,
        }
    }
}

async fn set_schedule(context: Context, label: String, cron_expr: String) -> Answer<Done> {
    schedule::schedule_set(context.app(), context.caller(), label, cron_expr).await?;
    Ok(Done)
}

async fn get_schedule(context: Context, label: String) -> Answer<Schedule> {
    let found = schedule::schedule_get(context.app(), context.caller(), label).await?;
    Ok(found.into())
}
