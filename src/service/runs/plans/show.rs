//! Kept plans: one with its actions, those of a project, and the end of one.

use super::totals::{PlanTotals, warnings_of};
use crate::service::batches::{STEP, in_steps};
use crate::service::paging::{Rows, Slice, rows};
use crate::service::projects::lookup::{ProjectName, project_find};
use crate::service::{App, Caller, Error};
use crate::store::projects::kept_action::{ActionRow, action_list};
use crate::store::projects::kept_plan::{
    KeptPlan, plan_get, plan_hide, plan_list, plan_run, plans_remove,
};
use crate::store::projects::project::{project_by_id, project_lock};
use crate::store::{Db, DbConnection};

/// A kept plan without its actions.
#[derive(Clone, Debug)]
pub struct PlanView {
    /// Its row.
    pub plan: KeptPlan,
    /// The label of its project.
    pub project_label: String,
    /// Its totals.
    pub totals: PlanTotals,
    /// Its warnings.
    pub warnings: Vec<String>,
}

impl PlanView {
    fn of(plan: KeptPlan, project_label: String) -> Result<Self, Error> {
        Ok(Self {
            project_label,
            totals: PlanTotals::of(&plan)?,
            warnings: warnings_of(&plan)?,
            plan,
        })
    }
}

/// A plan, and its actions in order.
pub async fn plan_show(
    app: &App,
    caller: &Caller,
    id: i64,
    slice: Slice,
) -> Result<(PlanView, Rows<ActionRow>), Error> {
    let org = caller.org_id();
    let read = app.db.call(move |conn| {
        let plan = plan_find(conn, org, id)?;
        let project = project_by_id(conn, org, plan.project_id)?.ok_or_else(|| no_plan(id))?;
        PlanView::of(plan, project.label)
    });
    let view = read.await?;
    let actions = rows(app, slice, move |conn| {
        plan_find(conn, org, id)?;
        let read = move |conn: &mut DbConnection, after, count| {
            let page = action_list(conn, id, after, count)?;
            Ok((page.last().map(|action| action.number), page))
        };
        Ok((0, read))
    });
    Ok((view, actions.await?))
}

/// The plans of a project, the latest first.
pub async fn plans_list(
    app: &App,
    caller: &Caller,
    label: String,
    slice: Slice,
) -> Result<Rows<PlanView>, Error> {
    let org = caller.org_id();
    rows(app, slice, move |conn| {
        let project = project_find(conn, org, &ProjectName::Label(label))?;
        let read = move |conn: &mut DbConnection, before, count| {
            let page = plan_list(conn, project.id, before, count)?;
            let last = page.last().map(|plan| plan.id);
            let views = page
                .into_iter()
                .map(|plan| PlanView::of(plan, project.label.clone()));
            Ok((last, views.collect::<Result<_, _>>()?))
        };
        Ok((i64::MAX, read))
    })
    .await
}

/// Deletes a plan, unless a run of it waits or is in progress.
pub async fn plan_delete(app: &App, caller: &Caller, id: i64) -> Result<(), Error> {
    let org = caller.org_id();
    app.db
        .transaction(move |conn| {
            let plan = plan_find(conn, org, id)?;
            // No run of it can be queued meanwhile.
            project_lock(conn, org, plan.project_id)?;
            match plan_run(conn, id)? {
                Some((run, waits)) => {
                    let does = if waits {
                        "is waiting"
                    } else {
                        "is in progress"
                    };
                    let message =
                        format!("run {run} of plan {id} {does}; wait for it, or cancel it");
                    Err(Error::invalid("planId", message))
                }
                None => Ok(plan_hide(conn, id)?),
            }
        })
        .await?;
    plans_clean(&app.db).await;
    Ok(())
}

/// Removes the rows of hidden and expired plans. What is left, housekeeping removes.
pub(super) async fn plans_clean(db: &Db) {
    if let Err(error) = in_steps(db, |conn| plans_remove(conn, STEP)).await {
        tracing::warn!(%error, "can't remove all rows of old plans yet");
    }
}

fn plan_find(conn: &mut DbConnection, org: i64, id: i64) -> Result<KeptPlan, Error> {
    plan_get(conn, org, id)?.ok_or_else(|| no_plan(id))
}

fn no_plan(id: i64) -> Error {
    Error::NotFound(format!("there is no plan with the id {id}"))
}
