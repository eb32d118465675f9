//! A project's schedule: set, show and remove. Lines use Quartz's syntax, in the server's time zone.

use chrono::{DateTime, Utc};

use super::line::line_check;
use crate::quartz::Expression;
use crate::service::projects::lookup::{ProjectName, project_find, project_find_locked};
use crate::service::{App, Caller, Error};
use crate::store::DbConnection;
use crate::store::base::clock::clock;
use crate::store::runs::run::SYNC_BUNCH;
use crate::store::schedules::schedule::{
    FROM_EVER, NewSchedule, Schedule, schedule_by_label, schedule_end, schedule_put,
};
use crate::time_zone::server_zone;

/// Number of fire times shown.
const SHOWN: usize = 5;
/// The prefix of the job labels of projects' own schedules.
const LABEL_BEGIN: &str = "image-registry-sync-";

/// A schedule, for output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScheduleView {
    /// The cron line; "" if there is none.
    pub cron_expr: String,
    /// When it fires next.
    pub next_fire_times: Vec<DateTime<Utc>>,
    /// The line in words.
    pub description: String,
    /// Why the scheduler disabled it.
    pub disabled_reason: Option<String>,
}

/// Sets a project's schedule, or removes it with "". A refused line changes nothing.
pub async fn schedule_set(
    app: &App,
    caller: &Caller,
    label: String,
    cron_expr: String,
) -> Result<(), Error> {
    let (org, rules) = (caller.org_id(), app.schedule_rules);
    app.db
        .transaction(move |conn| {
            let project = project_find_locked(conn, org, &ProjectName::Label(label))?;
            let job_label = job_label(project.id);
            let text = cron_expr.trim();
            if text.is_empty() {
                schedule_end(conn, Some(org), &job_label)?;
                return Ok(());
            }
            let now = clock(conn)?;
            let line = line_check(&rules, text, (FROM_EVER, None), now)?;
            let new = NewSchedule {
                org_id: Some(org),
                job_label: &job_label,
                bunch: SYNC_BUNCH,
                project_id: Some(project.id),
                cron_expr: &line.text,
                data: &project_data(project.id),
                active_from: FROM_EVER,
                active_till: None,
                next_fire: Some(line.fire),
                due_time: Some(line.due),
            };
            schedule_put(conn, &new)?;
            Ok(())
        })
        .await
}

/// A project's schedule.
pub async fn schedule_get(
    app: &App,
    caller: &Caller,
    label: String,
) -> Result<ScheduleView, Error> {
    let org = caller.org_id();
    let found = app
        .db
        .call(move |conn| {
            let project = project_find(conn, org, &ProjectName::Label(label))?;
            let now = clock(conn)?;
            Ok::<_, Error>(project_schedule(conn, org, project.id)?.map(|found| (found, now)))
        })
        .await?;
    let Some((schedule, now)) = found else {
        return Ok(ScheduleView::default());
    };
    let mut view = ScheduleView {
        disabled_reason: schedule.disabled_reason,
        cron_expr: schedule.cron_expr,
        ..ScheduleView::default()
    };
    let Ok(line) = Expression::parse(&view.cron_expr) else {
        return Ok(view);
    };
    view.description = line.describe();
    if view.disabled_reason.is_none() {
        let begin = now.max(schedule.active_from).and_utc();
        let first = line.next_after(&begin.with_timezone(&server_zone()));
        let times = std::iter::successors(first, |last| line.next_after(last));
        view.next_fire_times = times
            .map(|time| time.to_utc())
            .take_while(|time| schedule.active_till.is_none_or(|t| *time < t.and_utc()))
            .take(SHOWN)
            .collect();
    }
    Ok(view)
}

/// A project's own schedule, unless it has ended.
pub(in crate::service) fn project_schedule(
    conn: &mut DbConnection,
    org: i64,
    project_id: i64,
) -> Result<Option<Schedule>, Error> {
    let now = clock(conn)?;
    let found = schedule_by_label(conn, Some(org), &job_label(project_id))?;
    Ok(found.filter(|schedule| schedule.is_active(now)))
}

/// The job label of a project's own schedule.
pub(in crate::service) fn job_label(project_id: i64) -> String {
    format!("{LABEL_BEGIN}{project_id}")
}

/// The id of the project whose own schedule has this label.
pub(super) fn label_project(job_label: &str) -> Option<i64> {
    let id = job_label.strip_prefix(LABEL_BEGIN)?.parse().ok()?;
    (self::job_label(id) == job_label).then_some(id)
}

/// The stored parameters of a project's schedule.
pub(super) fn project_data(project_id: i64) -> String {
    format!(r#"{{"project_id":"{project_id}"}}"#)
}
