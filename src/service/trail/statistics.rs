//! Numbers for dashboards.

use std::collections::HashMap;

use chrono::{Days, NaiveDate, Utc};

use crate::service::projects::lookup::{ProjectName, project_find};
use crate::service::{App, Caller, Error};
use crate::store::DbConnection;
use crate::store::runs::run::RunStatus;
use crate::store::trail::statistics::{Counts, Day, Scope, counts, days, run_counts};

/// Number of days covered, including today.
const DAYS: u64 = 30;

/// Statistics of runs.
#[derive(Clone, Debug)]
pub struct RunStatistics {
    /// Runs by status.
    pub runs: HashMap<RunStatus, i64>,
    /// One entry for each of the last 30 days, UTC, ending today.
    pub days: Vec<Day>,
}

/// The statistics of the caller's organisation.
pub async fn statistics(app: &App, caller: &Caller) -> Result<(Counts, RunStatistics), Error> {
    let org_id = caller.org_id();
    app.db
        .call(move |conn| Ok((counts(conn, org_id)?, of_runs(conn, Scope::Org(org_id))?)))
        .await
}

/// The statistics of one project.
pub async fn project_statistics(
    app: &App,
    caller: &Caller,
    label: String,
) -> Result<RunStatistics, Error> {
    let org_id = caller.org_id();
    app.db
        .call(move |conn| {
            let project = project_find(conn, org_id, &ProjectName::Label(label))?;
            of_runs(conn, Scope::Project(project.id))
        })
        .await
}

fn of_runs(conn: &mut DbConnection, scope: Scope) -> Result<RunStatistics, Error> {
    let today = Utc::now().date_naive();
    let first = today.checked_sub_days(Days::new(DAYS - 1)).unwrap_or(today);
    let found = days(conn, scope, first.into())?;
    Ok(RunStatistics {
        runs: run_counts(conn, scope)?,
        days: gaps_filled(found, first, today),
    })
}

/// Every day from `first` to `last`, including days without data.
fn gaps_filled(found: Vec<Day>, first: NaiveDate, last: NaiveDate) -> Vec<Day> {
    let mut found = found.into_iter().peekable();
    let days = first.iter_days().take_while(|day| *day <= last);
    days.map(|day| {
        let date = day.to_string();
        found.next_if(|day| day.date == date).unwrap_or(Day {
            date,
            runs: 0,
            failed: 0,
            tags: 0,
            bytes: 0,
        })
    })
    .collect()
}
