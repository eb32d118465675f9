//! Numbers for dashboards.

use crate::store::runs::run::RunStatus;
use crate::store::schema::{image_store, sync_project, tasko_run};
use crate::store::{DbConnection, Error, Moment};
use diesel::dsl::{count_star, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use std::collections::HashMap;

/// Whose runs to count.
#[derive(Clone, Copy, Debug)]
pub enum Scope {
    /// An organisation's.
    Org(i64),
    /// A project's; the caller has checked whose it is.
    Project(i64),
}

/// Statistics of an organisation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Image stores.
    pub stores: i64,
    /// Projects.
    pub projects: i64,
}

/// Statistics of the runs that ended on one day, UTC.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct Day {
    /// `yyyy-mm-dd`
    pub date: String,
    /// Runs that ended.
    pub runs: i64,
    /// Number of those that failed.
    pub failed: i64,
    /// Number of tags copied or updated.
    pub tags: i64,
    /// Bytes sent.
    pub bytes: i64,
}

/// Counts what an organisation has.
pub fn counts(conn: &mut DbConnection, org_id: i64) -> Result<Counts, Error> {
    Ok(Counts {
        stores: image_store::table
            .filter(image_store::org_id.eq(org_id))
            .count()
            .get_result(conn)?,
        projects: sync_project::table
            .filter(sync_project::org_id.eq(org_id))
            .count()
            .get_result(conn)?,
    })
}

/// Counts runs by their status.
pub fn run_counts(conn: &mut DbConnection, scope: Scope) -> Result<HashMap<RunStatus, i64>, Error> {
    macro_rules! counted {
        ($runs:expr) => {
            $runs
                .group_by(tasko_run::status)
                .select((tasko_run::status, count_star()))
                .load(conn)?
        };
    }
    let runs: Vec<(RunStatus, i64)> = match scope {
        Scope::Org(id) => counted!(tasko_run::table.filter(tasko_run::org_id.eq(id))),
        Scope::Project(id) => counted!(tasko_run::table.filter(tasko_run::project_id.eq(id))),
    };
    Ok(runs.into_iter().collect())
}

/// The days since `from` on which a run ended, in order.
pub fn days(conn: &mut DbConnection, scope: Scope, from: Moment) -> Result<Vec<Day>, Error> {
    let date = || sql::<Text>("CAST(date(end_time) AS TEXT)");
    let columns = (
        date(),
        sql::<BigInt>("CAST(COUNT(*) AS BIGINT)"),
        sql::<BigInt>("CAST(SUM(CASE WHEN status = 'FAILED' THEN 1 ELSE 0 END) AS BIGINT)"),
        sql::<BigInt>("CAST(SUM(copied + updated) AS BIGINT)"),
        sql::<BigInt>("CAST(SUM(bytes) AS BIGINT)"),
    );
    macro_rules! by_day {
        ($runs:expr) => {
            $runs
                .filter(tasko_run::end_time.ge(from))
                .group_by(date())
                .select(columns)
                .load(conn)?
        };
    }
    let mut days: Vec<Day> = match scope {
        Scope::Org(id) => by_day!(tasko_run::table.filter(tasko_run::org_id.eq(id))),
        Scope::Project(id) => by_day!(tasko_run::table.filter(tasko_run::project_id.eq(id))),
    };
    days.sort_by(|one, other| one.date.cmp(&other.date));
    Ok(days)
}
