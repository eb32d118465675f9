//! Plans that are kept, to be looked at and run later.

use super::wire::plan::{KeptPlan, KeptPlanHead};
use super::{Answer, LABEL, PAGE};
use crate::api::error::code;
use crate::api::value::Done;
use crate::api::{Context, List, NamespaceBuilder, param};
use crate::service::paging::Slice;
use crate::service::runs::plans::{make, show};

pub(super) fn define(ns: &mut NamespaceBuilder<'_>) {
    let id = || param("planId", "id of the plan");
    let [limit, offset] = PAGE;
    let about = "Plan a project as `plan` does, and keep the plan for 7 days, so that `run` can do exactly what it says. The latest 20 plans of a project are kept.";
    ns.method("createPlan", about, [param("label", LABEL)], create_plan)
        .faults([code::NOT_FOUND])
        .returns("the plan with its actions");
    ns.method(
        "getPlan",
        "Show a kept plan.",
        [id(), limit, offset],
        get_plan,
    )
    .faults([code::NOT_FOUND])
    .returns("the plan with its actions")
    .read_only();
    ns.method(
        "listPlans",
        "List the kept plans of a project, without their actions.",
        [param("label", LABEL), limit, offset],
        list_plans,
    )
    .faults([code::NOT_FOUND])
    .returns("plans, latest first")
    .read_only();
    ns.method(
        "deletePlan",
        "Delete a kept plan. Refused while a run of it is waiting or in progress.",
        [id()],
        delete_plan,
    )
    .faults([code::NOT_FOUND]);
}

async fn create_plan(context: Context, label: String) -> Answer<KeptPlan> {
    let (view, actions) = make::plan_create(context.app(), context.caller(), label).await?;
    Ok(KeptPlan::of(view, actions))
}

async fn get_plan(
    context: Context,
    id: i32,
    limit: Option<i32>,
    offset: Option<i32>,
) -> Answer<KeptPlan> {
    let slice = Slice::optional(limit, offset)?;
    let (app, caller) = (context.app(), context.caller());
    let (view, actions) = show::plan_show(app, caller, id.into(), slice).await?;
    Ok(KeptPlan::of(view, actions))
}

async fn list_plans(
    context: Context,
    label: String,
    limit: Option<i32>,
    offset: Option<i32>,
) -> Answer<List<KeptPlanHead>> {
    let slice = Slice::optional(limit, offset)?;
    let (app, caller) = (context.app(), context.caller());
    let plans = show::plans_list(app, caller, label, slice).await?;
    Ok(List::of_rows(plans, KeptPlanHead::from))
}

async fn delete_plan(context: Context, id: i32) -> Answer<Done> {
    show::plan_delete(context.app(), context.caller(), id.into()).await?;
    Ok(Done)
}
