//! The methods that plan and start runs.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Answer;
use super::wire::plan::PlanAnswer;
use crate::api::NamespaceBuilder;
use crate::api::error::code;
use crate::api::value::Done;
use crate::api::{Context, param};
use crate::service::runs::cancel;
use crate::service::runs::start::{self, RunStart};

/// Adds the methods.
pub(super) fn define(ns: &mut NamespaceBuilder<'_>) {
    let label = || param("label", "label of the project");
    let about = "Show what a run of a project would do, without writing anything.";
    ns.method("plan", about, [label()], plan)
        .faults([code::NOT_FOUND])
        .returns("actions and totals")
        .read_only();
    let about = "Start a run of a project and return immediately. Refused while another one is waiting or running.";
    let options = param(
        "options",
        "`queue`: wait for the project's run in progress, or return the id of the run that is \
         already waiting; `retry`: id of an earlier run, \
         to retry only its failed tags; `plan`: id of a kept plan, to copy exactly its tags by \
         their digests; `force`: permit deletes beyond `prune_limit`, and after an empty listing or \
         selection",
    )
    .optional();
    ns.method("run", about, [label(), options], run)
        .faults([code::NOT_FOUND])
        .returns("id of the run");
    let about = "Cancel a run. A waiting run ends at once, a running one within seconds, even during a blob transfer. Copied tags stay.";
    ns.method(
        "cancelRun",
        about,
        [param("runId", "id of the run")],
        cancel_run,
    )
    .faults([code::NOT_FOUND]);
}

async fn cancel_run(context: Context, id: i32) -> Answer<Done> {
    cancel::run_cancel(context.app(), context.caller(), id.into()).await?;
    Ok(Done)
}

async fn plan(context: Context, label: String) -> Answer<PlanAnswer> {
    let plan = start::project_plan(context.app(), context.caller(), label).await?;
    Ok(plan.into())
}

/// How a run is started.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RunOptions {
    queue: Option<bool>,
    retry: Option<i32>,
    plan: Option<i32>,
    force: Option<bool>,
}

async fn run(context: Context, label: String, options: Option<RunOptions>) -> Answer<i64> {
    let options = options.unwrap_or_default();
    let start = RunStart {
        queue: options.queue.unwrap_or(false),
        retry_of: options.retry.map(i64::from),
        plan: options.plan.map(i64::from),
        force: options.force.unwrap_or(false),
    };
    Ok(start::run_start(context.app(), context.caller(), label, start).await?)
}
