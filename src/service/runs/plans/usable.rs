//! Whether a kept plan may be run now.

use super::origin::PlanOrigin;
use super::totals::PlanTotals;
use crate::service::Error;
use crate::store::DbConnection;
use crate::store::base::clock::clock;
use crate::store::projects::kept_plan::{KeptPlan, plan_get, plan_run};
use crate::store::projects::project::Project;

const FIELD: &str = "plan";

/// A plan of the project. Err: it is gone, or the project isn't what it was when the plan was made.
pub(in crate::service::runs) fn plan_find(
    conn: &mut DbConnection,
    project: &Project,
    id: i64,
) -> Result<KeptPlan, Error> {
    let label = &project.label;
    let plan = plan_get(conn, project.org_id, id)?.ok_or_else(|| {
        let message = format!("there is no plan {id}: it was deleted, or removed after it expired");
        Error::NotFound(message)
    })?;
    if plan.project_id != project.id {
        let message = format!("plan {id} isn't one of the project `{label}`; list its plans");
        return Err(Error::invalid(FIELD, message));
    }
    match PlanOrigin::of(conn, project)?.change_since(&PlanOrigin::of_plan(&plan)) {
        Some(change) => Err(Error::invalid(
            FIELD,
            format!(
                "the project `{label}` has changed since plan {id} was made: {change}; make a new plan"
            ),
        )),
        None => Ok(plan),
    }
}

/// Refuses a plan that can't be run now. The project is locked.
pub(in crate::service::runs) fn plan_check(
    conn: &mut DbConnection,
    project: &Project,
    id: i64,
) -> Result<(), Error> {
    let plan = plan_find(conn, project, id)?;
    if plan.expires <= clock(conn)? {
        let expired = plan.expires.and_utc().format("%Y-%m-%dT%H:%M:%SZ");
        let message = format!("plan {id} expired at {expired}; make a new plan");
        return Err(Error::invalid(FIELD, message));
    }
    if let Some(why) = PlanTotals::of(&plan)?.nothing_why() {
        let message = format!("plan {id} has nothing to copy or to delete: {why}; make a new plan");
        return Err(Error::invalid(FIELD, message));
    }
    match plan_run(conn, id)? {
        Some((run, true)) => {
            let message = format!("run {run} of plan {id} is already waiting");
            Err(Error::invalid(FIELD, message))
        }
        _ => Ok(()),
    }
}
