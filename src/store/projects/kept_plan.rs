//! Plans that are kept for some days. A plan is written in pages, and becomes visible once it is
//! complete; one that is no longer wanted expires at once, and is removed in steps.

use std::time::Duration;

use chrono::TimeDelta;
use diesel::prelude::*;

use crate::store::base::clock::clock;
use crate::store::runs::run::RunStatus;
use crate::store::schema::{kept_action, kept_plan, tasko_run};
use crate::store::{DbConnection, Error, Moment};

/// How long a plan may take that is never completed.
const UNFINISHED: Duration = Duration::from_hours(24);
/// Plans removed by one step.
const PLANS: i64 = 20;

/// A plan as stored.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = kept_plan)]
#[allow(missing_docs)] // the fields are the columns
pub struct KeptPlan {
    pub id: i64,
    pub project_id: i64,
    pub project_version: i64,
    pub source_address: String,
    pub target_address: String,
    pub items_digest: String,
    pub created: Moment,
    pub expires: Moment,
    pub created_by: String,
    pub actions: i64,
    pub run_actions: i64,
    /// JSON.
    pub totals: String,
    /// JSON.
    pub warnings: String,
}

/// A plan to keep.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = kept_plan)]
#[allow(missing_docs)]
pub struct NewKeptPlan<'a> {
    pub org_id: i64,
    pub project_id: i64,
    pub project_version: i64,
    pub source_address: &'a str,
    pub target_address: &'a str,
    pub items_digest: &'a str,
    pub created_by: &'a str,
}

/// What is known of a plan once it is complete.
#[derive(Clone, Debug, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = kept_plan)]
#[allow(missing_docs)]
pub struct PlanResult {
    pub actions: i64,
    pub run_actions: i64,
    pub totals: String,
    pub warnings: String,
}

/// Begins a plan, which nobody sees yet; returns its id.
pub fn plan_begin(conn: &mut DbConnection, new: &NewKeptPlan<'_>) -> Result<i64, Error> {
    conn.write(|conn| {
        let now = clock(conn)?;
        let row = (
            new,
            kept_plan::created.eq(now),
            kept_plan::expires.eq(later(now, UNFINISHED)),
            kept_plan::complete.eq(false),
            kept_plan::actions.eq(0),
            kept_plan::run_actions.eq(0),
            kept_plan::totals.eq("{}"),
            kept_plan::warnings.eq("[]"),
        );
        let insert = diesel::insert_into(kept_plan::table)
            .values(row)
            .returning(kept_plan::id);
        Ok(on_backend!(conn, c => insert.get_result(c))?)
    })
}

/// Completes a plan, which is kept for `time`; `false` if it is gone.
pub fn plan_complete(
    conn: &mut DbConnection,
    id: i64,
    result: &PlanResult,
    time: Duration,
) -> Result<bool, Error> {
    let now = clock(conn)?;
    let completed = diesel::update(kept_plan::table.find(id))
        .set((
            result,
            kept_plan::created.eq(now),
            kept_plan::expires.eq(later(now, time)),
            kept_plan::complete.eq(true),
        ))
        .execute(conn)?;
    Ok(completed == 1)
}

fn later(now: Moment, time: Duration) -> Moment {
    let time = TimeDelta::from_std(time).ok();
    time.and_then(|time| now.checked_add_signed(time))
        .unwrap_or(Moment::MAX)
}

/// A complete plan of an organisation.
pub fn plan_get(conn: &mut DbConnection, org_id: i64, id: i64) -> Result<Option<KeptPlan>, Error> {
    Ok(kept_plan::table
        .find(id)
        .filter(kept_plan::org_id.eq(org_id))
        .filter(kept_plan::complete.eq(true))
        .select(KeptPlan::as_select())
        .first(conn)
        .optional()?)
}

/// When a plan was made; of one that is gone, the earliest time there is.
pub fn plan_made(conn: &mut DbConnection, id: i64) -> Result<Moment, Error> {
    let made = kept_plan::table.find(id).select(kept_plan::created);
    Ok(made.first(conn).optional()?.unwrap_or(Moment::MIN))
}

/// At most `limit` complete plans of a project with an id below `before`, the latest first.
pub fn plan_list(
    conn: &mut DbConnection,
    project_id: i64,
    before: i64,
    limit: i64,
) -> Result<Vec<KeptPlan>, Error> {
    Ok(kept_plan::table
        .filter(kept_plan::project_id.eq(project_id))
        .filter(kept_plan::complete.eq(true))
        .filter(kept_plan::id.lt(before))
        .order(kept_plan::id.desc())
        .limit(limit)
        .select(KeptPlan::as_select())
        .load(conn)?)
}

/// The ids of a project's complete plans, the oldest first.
pub fn plan_ids(conn: &mut DbConnection, project_id: i64) -> Result<Vec<i64>, Error> {
    Ok(kept_plan::table
        .filter(kept_plan::project_id.eq(project_id))
        .filter(kept_plan::complete.eq(true))
        .order(kept_plan::id)
        .select(kept_plan::id)
        .load(conn)?)
}

/// The first run of a plan that waits or is in progress, and whether it waits.
pub fn plan_run(conn: &mut DbConnection, id: i64) -> Result<Option<(i64, bool)>, Error> {
    let active = tasko_run::status
        .eq(RunStatus::Ready)
        .or(tasko_run::status.eq(RunStatus::Running));
    let runs: Vec<(i64, RunStatus)> = tasko_run::table
        .filter(tasko_run::plan_id.eq(id))
        .filter(active)
        .order(tasko_run::id)
        .select((tasko_run::id, tasko_run::status))
        .load(conn)?;
    let waits = |(id, status): &(i64, RunStatus)| (*id, *status == RunStatus::Ready);
    let waiting = runs.iter().map(waits).find(|(_, waits)| *waits);
    Ok(waiting.or_else(|| runs.first().map(waits)))
}

/// Hides a plan, for [`plans_remove`] to remove.
pub fn plan_hide(conn: &mut DbConnection, id: i64) -> Result<(), Error> {
    let now = clock(conn)?;
    diesel::update(kept_plan::table.find(id))
        .set((kept_plan::complete.eq(false), kept_plan::expires.eq(now)))
        .execute(conn)?;
    Ok(())
}

/// Removes plans that have expired and aren't used by a run: at most `rows` of their actions, and the
/// plans that have none left. One step of many; returns how many rows.
pub fn plans_remove(conn: &mut DbConnection, rows: usize) -> Result<usize, Error> {
    let active = tasko_run::table
        .filter(tasko_run::plan_id.eq(kept_plan::id.nullable()))
        .filter(
            tasko_run::status
                .eq(RunStatus::Ready)
                .or(tasko_run::status.eq(RunStatus::Running)),
        );
    let old: Vec<i64> = kept_plan::table
        .filter(kept_plan::expires.le(clock(conn)?))
        .filter(diesel::dsl::not(diesel::dsl::exists(active)))
        .order(kept_plan::expires)
        .limit(PLANS)
        .select(kept_plan::id)
        .load(conn)?;
    plans_empty(conn, &old, rows)
}

/// The same with all plans of a project, which is being removed.
pub fn plans_remove_of(
    conn: &mut DbConnection,
    project_id: i64,
    rows: usize,
) -> Result<usize, Error> {
    let all: Vec<i64> = kept_plan::table
        .filter(kept_plan::project_id.eq(project_id))
        .order(kept_plan::id)
        .limit(PLANS)
        .select(kept_plan::id)
        .load(conn)?;
    plans_empty(conn, &all, rows)
}

fn plans_empty(conn: &mut DbConnection, plans: &[i64], rows: usize) -> Result<usize, Error> {
    let mut gone = 0;
    for plan in plans {
        let left = rows.saturating_sub(gone);
        let actions: Vec<i64> = kept_action::table
            .filter(kept_action::plan_id.eq(plan))
            .order(kept_action::number)
            .limit(i64::try_from(left).unwrap_or(i64::MAX))
            .select(kept_action::number)
            .load(conn)?;
        if let Some(last) = actions.last() {
            let these = kept_action::table
                .filter(kept_action::plan_id.eq(plan))
                .filter(kept_action::number.le(*last));
            gone += diesel::delete(these).execute(conn)?;
        }
        if gone >= rows {
            break;
        }
        gone += diesel::delete(kept_plan::table.find(plan)).execute(conn)?;
    }
    Ok(gone)
}
