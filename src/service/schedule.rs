//! When a project runs by itself: set, shown and removed. Lines are Quartz's, in the server's zone.

use chrono::{DateTime, Utc};

use super::project::{ProjectName, project_find, project_find_locked};
use super::{App, Caller, Error};
use crate::store::schedule::{NewSchedule, schedule_by_label, schedule_delete, schedule_put};
use crate::taskomatic::quartz::Expression;
use crate::time_zone::server_zone;

/// The bunch that runs a project.
const BUNCH: &str = "image-registry-sync-bunch";
/// Fire times that are shown.
const SHOWN: usize = 5;
/// Characters of a refused line that are repeated.
const LINE_SHOWN: usize = 120;

/// A schedule as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScheduleView {
    /// The line; "" where there is none.
    pub cron_expr: String,
    /// When it fires next.
    pub next_fire_times: Vec<DateTime<Utc>>,
    /// The line in words.
    pub description: String,
}

/// Sets a project's schedule, or removes it with "". A refused line changes nothing.
pub async fn schedule_set(
    app: &App,
    caller: &Caller,
    label: String,
    cron_expr: String,
) -> Result<(), Error> {
    let org = caller.org_id();
    let line = match cron_expr.trim() {
        "" => None,
        text => Some(line_parse(text)?),
    };
    app.db
        .transaction(move |conn| {
            let project = project_find_locked(conn, org, &ProjectName::Label(label))?;
            let job_label = job_label(project.id);
            let Some((line, next)) = line else {
                schedule_delete(conn, org, &job_label)?;
                return Ok(());
            };
            let new = NewSchedule {
                org_id: org,
                job_label: &job_label,
                bunch: BUNCH,
                project_id: project.id,
                cron_expr: &line.to_string(),
                data: &format!(r#"{{"project_id":"{}"}}"#, project.id),
                next_fire: next.naive_utc(),
            };
            Ok(schedule_put(conn, &new)?)
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
            Ok::<_, Error>(schedule_by_label(conn, org, &job_label(project.id))?)
        })
        .await?;
    let Some(schedule) = found else {
        return Ok(ScheduleView::default());
    };
    let line = Expression::parse(&schedule.cron_expr).map_err(Error::unexpected)?;
    let first = line.next_after(&Utc::now().with_timezone(&server_zone()));
    let times = std::iter::successors(first, |last| line.next_after(last));
    Ok(ScheduleView {
        cron_expr: schedule.cron_expr,
        next_fire_times: times.take(SHOWN).map(|time| time.to_utc()).collect(),
        description: line.describe(),
    })
}

/// The job label of a project's own schedule.
pub(super) fn job_label(project_id: i64) -> String {
    format!("image-registry-sync-{project_id}")
}

/// A line and when it fires first.
fn line_parse(text: &str) -> Result<(Expression, DateTime<Utc>), Error> {
    let refused = |why: &dyn std::fmt::Display| {
        let shown: String = text.chars().take(LINE_SHOWN).collect();
        Error::Refused(format!("Cron trigger: {shown}: {why}"))
    };
    let line = Expression::parse(text).map_err(|error| refused(&error))?;
    let next = line.next_after(&Utc::now().with_timezone(&server_zone()));
    let next = next.ok_or_else(|| refused(&"it never fires"))?;
    Ok((line, next.to_utc()))
}
