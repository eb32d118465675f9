//! Uyuni's job runner API: bunches, their schedules, and their runs. An organisation has those of its
//! projects; the whole server has those of housekeeping.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::StreamExt as _;

use super::line::line_check;
use super::recalculate::schedules_recalculate;
use super::schedule::{label_project, project_data};
use crate::service::error::shortened;
use crate::service::label::label_check;
use crate::service::paging::{Rows, Slice, rows};
use crate::service::projects::lookup::{ProjectName, project_find_locked};
use crate::service::{App, Caller, Error};
use crate::store::base::clock::clock;
use crate::store::runs::listing::{bunch_run_list, schedule_run_list};
use crate::store::runs::log::{LogLevel, LogLine, log_list};
use crate::store::runs::run::{Run, RunStatus, run_get};
use crate::store::schedules::schedule::{
    Bunch, FROM_EVER, NewSchedule, Schedule, ScheduleFilter, bunch_list, schedule_by_id,
    schedule_by_label, schedule_end, schedule_list, schedule_put,
};
use crate::store::{DbConnection, Moment};
use crate::time_zone::server_zone;

/// The longest job label, in characters.
const LABEL_LIMIT: usize = 50;
/// The parameter that names the project.
const PROJECT_KEY: &str = "project_id";

/// The owner of bunches, schedules and runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The caller's organisation.
    Org,
    /// The whole server.
    Server,
}

impl Owner {
    fn org_id(self, caller: &Caller) -> Option<i64> {
        (self == Owner::Org).then(|| caller.org_id())
    }
}

/// Which schedules to list.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// That of this job label.
    pub job_label: Option<String>,
    /// Those of this bunch.
    pub bunch: Option<String>,
    /// Those that haven't ended.
    pub active: bool,
}

/// A schedule to create.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// The bunch's name.
    pub bunch: String,
    /// Generated if `None`.
    pub job_label: Option<String>,
    /// Start and end time; a one-time run only has the first.
    pub active: (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    /// `None`: once.
    pub cron_expr: Option<String>,
    /// The bunch's parameters.
    pub params: BTreeMap<String, String>,
}

/// A run's log, for output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogPart {
    /// The normal log: `debug` and `info`.
    Output,
    /// The error log: `warn` and `error`.
    Error,
}

/// The bunches.
pub async fn bunches(app: &App, owner: Owner) -> Result<Vec<Bunch>, Error> {
    let all = app.db.run(bunch_list).await?;
    let theirs = |bunch: &Bunch| bunch.org_bunch == (owner == Owner::Org);
    Ok(all.into_iter().filter(theirs).collect())
}

/// One bunch.
pub async fn bunch(app: &App, owner: Owner, name: String) -> Result<Bunch, Error> {
    let all = bunches(app, owner).await?;
    bunch_of(all, &name)
}

fn bunch_of(all: Vec<Bunch>, name: &str) -> Result<Bunch, Error> {
    let names: Vec<String> = all
        .iter()
        .map(|bunch| format!("`{}`", bunch.name))
        .collect();
    let found = all.into_iter().find(|bunch| bunch.name == name);
    found.ok_or_else(|| {
        let names = names.join(", ");
        Error::NotFound(format!(
            "there is no bunch `{}`; available: {names}",
            shortened(name)
        ))
    })
}

/// Schedules, by id.
pub async fn schedules(
    app: &App,
    caller: &Caller,
    owner: Owner,
    wanted: JobFilter,
    slice: Slice,
) -> Result<Rows<Schedule>, Error> {
    let org = owner.org_id(caller);
    if let Some(name) = &wanted.bunch {
        bunch(app, owner, name.clone()).await?;
    }
    if let Some(label) = wanted.job_label {
        let found = app.db.run(move |conn| schedule_by_label(conn, org, &label));
        return Ok(Rows::of(slice.of(found.await?)));
    }
    rows(app, slice, move |conn| {
        let active_at = wanted.active.then_some(clock(conn)?);
        let read = move |conn: &mut DbConnection, after, count| {
            let filter = ScheduleFilter {
                bunch: wanted.bunch.as_deref(),
                active_at,
            };
            let page = schedule_list(conn, org, filter, after, count)?;
            Ok((page.last().map(|row| row.id), page))
        };
        Ok((0, read))
    })
    .await
}

/// One schedule.
pub async fn schedule(
    app: &App,
    caller: &Caller,
    owner: Owner,
    id: i64,
) -> Result<Schedule, Error> {
    let org = owner.org_id(caller);
    app.db.call(move |conn| schedule_find(conn, org, id)).await
}

fn schedule_find(conn: &mut DbConnection, org: Option<i64>, id: i64) -> Result<Schedule, Error> {
    schedule_by_id(conn, org, id)?
        .ok_or_else(|| Error::NotFound(format!("there is no schedule with the id {id}")))
}

/// Runs of a schedule, latest fire time first.
pub async fn schedule_runs(
    app: &App,
    caller: &Caller,
    owner: Owner,
    id: i64,
    slice: Slice,
) -> Result<Rows<Run>, Error> {
    let org = owner.org_id(caller);
    let first = slice.offset();
    rows(app, slice.without_offset(), move |conn| {
        schedule_find(conn, org, id)?;
        let read = move |conn: &mut DbConnection, offset, count| {
            let page = schedule_run_list(conn, id, offset, count)?;
            let found = i64::try_from(page.len()).unwrap_or(i64::MAX);
            Ok(((found > 0).then(|| offset.saturating_add(found)), page))
        };
        Ok((first, read))
    })
    .await
}

/// Runs of a housekeeping bunch, latest first.
pub async fn bunch_runs(app: &App, name: String, slice: Slice) -> Result<Rows<Run>, Error> {
    bunch(app, Owner::Server, name.clone()).await?;
    rows(app, slice, move |_| {
        let read = move |conn: &mut DbConnection, before, count| {
            let page = bunch_run_list(conn, &name, before, count)?;
            Ok((page.last().map(|run| run.id), page))
        };
        Ok((i64::MAX, read))
    })
    .await
}

/// Creates a schedule, and returns when it fires first.
pub async fn job_schedule(
    app: &App,
    caller: &Caller,
    owner: Owner,
    new: NewJob,
) -> Result<DateTime<Utc>, Error> {
    let (org, rules) = (owner.org_id(caller), app.schedule_rules);
    let found = bunch(app, owner, new.bunch.clone()).await?;
    if let Some(label) = &new.job_label {
        label_check("jobLabel", label, LABEL_LIMIT)?;
    }
    let first = app
        .db
        .transaction(move |conn| {
            let project_id = params_read(conn, org, &found, &new)?;
            let now = clock(conn)?;
            let job_label = match &new.job_label {
                Some(label) => label_free(conn, org, label, project_id, now)?,
                None => label_make(conn, org, &new.bunch)?,
            };
            let (from, till) = new.active;
            let from = from.map_or(FROM_EVER, |time| time.naive_utc());
            let till = till.map(|time| time.naive_utc());
            let (cron_expr, fire, due) = match &new.cron_expr {
                None => (String::new(), from.max(now), from.max(now)),
                Some(text) => {
                    let line = line_check(&rules, text.trim(), (from, till), now)?;
                    (line.text, line.fire, line.due)
                }
            };
            let data = project_id.map_or_else(|| "{}".to_owned(), project_data);
            let row = NewSchedule {
                org_id: org,
                job_label: &job_label,
                bunch: &new.bunch,
                project_id,
                cron_expr: &cron_expr,
                data: &data,
                active_from: from,
                active_till: till,
                next_fire: Some(fire),
                due_time: Some(due),
            };
            schedule_put(conn, &row)?;
            Ok::<_, Error>(fire)
        })
        .await?;
    Ok(first.and_utc())
}

/// The project named by the parameters, locked; `None` if the bunch has none.
fn params_read(
    conn: &mut DbConnection,
    org: Option<i64>,
    bunch: &Bunch,
    new: &NewJob,
) -> Result<Option<i64>, Error> {
    let unknown: Vec<String> = new
        .params
        .keys()
        .filter(|key| org.is_none() || *key != PROJECT_KEY)
        .map(|key| shortened(key))
        .collect();
    if !unknown.is_empty() {
        return Err(Error::UnknownKeys(unknown));
    }
    let Some(org) = org else { return Ok(None) };
    let field = format!("params.{PROJECT_KEY}");
    let text = new.params.get(PROJECT_KEY).ok_or_else(|| {
        let message = format!("missing; `{}` needs the id of a project", bunch.name);
        Error::invalid(&field, message)
    })?;
    let id: i64 = text.trim().parse().map_err(|_| {
        let message = format!("`{}`: expected the id of a project", shortened(text));
        Error::invalid(&field, message)
    })?;
    let project = project_find_locked(conn, org, &ProjectName::Id(id))?;
    if !project.enabled && new.cron_expr.is_none() {
        let message = format!(
            "the project `{}` is disabled; enable it first",
            project.label
        );
        return Err(Error::invalid(&field, message));
    }
    Ok(Some(project.id))
}

/// The label, unless an active schedule has it.
fn label_free(
    conn: &mut DbConnection,
    org: Option<i64>,
    label: &str,
    project_id: Option<i64>,
    now: Moment,
) -> Result<String, Error> {
    if let Some(project) = label_project(label)
        && project_id != Some(project)
    {
        let message = format!("`{label}` is reserved for the project with the id {project}");
        return Err(Error::invalid("jobLabel", message));
    }
    let old = schedule_by_label(conn, org, label)?;
    if old.is_some_and(|old| old.is_active(now)) {
        let message = format!("jobLabel already in use: `{label}`");
        return Err(Error::Exists(message));
    }
    Ok(label.to_owned())
}

/// An unused label.
fn label_make(conn: &mut DbConnection, org: Option<i64>, bunch: &str) -> Result<String, Error> {
    loop {
        let mut random = [0_u8; 4];
        getrandom::fill(&mut random).map_err(Error::unexpected)?;
        let label = format!("single-{bunch}-{}", hex::encode(random));
        let label: String = label.chars().take(LABEL_LIMIT).collect();
        if schedule_by_label(conn, org, &label)?.is_none() {
            return Ok(label);
        }
    }
}

/// Ends schedules, and returns how many there were. A run in progress continues.
pub async fn unschedule(
    app: &App,
    caller: &Caller,
    owner: Owner,
    job_labels: Vec<String>,
) -> Result<usize, Error> {
    let org = owner.org_id(caller);
    app.db
        .transaction(move |conn| {
            let mut ended = 0;
            for label in &job_labels {
                ended += usize::from(schedule_end(conn, org, label)?);
            }
            Ok(ended)
        })
        .await
}

/// Recalculates every schedule's next time from now; fires that are due but not yet handled are
/// skipped.
pub async fn schedules_reinitialize(app: &App) -> Result<(), Error> {
    let rules = app.schedule_rules;
    app.db
        .run(move |conn| schedules_recalculate(conn, rules, server_zone()))
        .await?;
    Ok(())
}

/// The last `bytes` of a run's log as text, or all of it: read twice instead of kept in memory.
pub async fn run_log_text(
    app: &App,
    caller: &Caller,
    owner: Owner,
    id: i64,
    part: LogPart,
    bytes: Option<usize>,
) -> Result<Rows<String>, Error> {
    let org = owner.org_id(caller);
    let run = app.db.call(move |conn| {
        run_get(conn, org, id)?
            .ok_or_else(|| Error::NotFound(format!("there is no run with the id {id}")))
    });
    let run = run.await?;
    let (mut length, mut is_empty) = (0, true);
    // A skipped run has no log, only a reason.
    let was_skipped = run.status == RunStatus::Skipped && part == LogPart::Output;
    if bytes.is_some() || was_skipped {
        let mut pages = log_rows(app, org, id).await?.pages();
        while let Some(page) = pages.next().await {
            let page = page?;
            is_empty &= page.is_empty();
            let wanted = page.iter().filter(|line| line_part(line.level) == part);
            length += wanted.map(|line| line_text(line).len()).sum::<usize>();
        }
    }
    if was_skipped && is_empty {
        let text = format!("{}\n", run.message);
        let skip = bytes.map_or(0, |bytes| text.len().saturating_sub(bytes));
        return Ok(Rows::of(vec![without_first(text, skip)]));
    }
    let mut skip = bytes.map_or(0, |bytes| length.saturating_sub(bytes));
    let lines = log_rows(app, org, id).await?;
    Ok(lines.map(move |line| {
        let text = (line_part(line.level) == part).then(|| line_text(&line))?;
        let skipped = skip.min(text.len());
        skip -= skipped;
        Some(without_first(text, skipped))
    }))
}

async fn log_rows(app: &App, org: Option<i64>, id: i64) -> Result<Rows<LogLine>, Error> {
    rows(app, Slice::ALL, move |_| {
        let read = move |conn: &mut DbConnection, after, count| {
            let page = log_list(conn, org, id, after, count)?;
            Ok((page.last().map(|line| line.seq), page))
        };
        Ok((0, read))
    })
    .await
}

/// `text` without its first `bytes`, and without the rest of a character that starts there.
fn without_first(mut text: String, bytes: usize) -> String {
    let begin = (bytes..=text.len()).find(|at| text.is_char_boundary(*at));
    text.split_off(begin.unwrap_or(text.len()))
}

fn line_part(level: LogLevel) -> LogPart {
    match level {
        LogLevel::Debug | LogLevel::Info => LogPart::Output,
        LogLevel::Warn | LogLevel::Error => LogPart::Error,
    }
}

fn line_text(line: &LogLine) -> String {
    let time = line.time.format("%Y-%m-%dT%H:%M:%SZ");
    format!("{time} {} {}\n", line.level, line.message)
}
