//! What became of runs.

use super::wire::{LogLine, Run, RunResult};
use super::{Answer, LABEL, LIMIT, OFFSET};
use crate::api::{Context, List, Namespace, param};
use crate::service::paging::Slice;
use crate::service::runs::history;

pub(super) fn define(ns: &mut Namespace) {
    history(ns);
    results(ns);
}

fn history(ns: &mut Namespace) {
    const LATEST_FIRST: &str = "runs, latest first";
    ns.method(
        "getRun",
        "Show a run.",
        [param("runId", "id of the run")],
        get_run,
    )
    .returns("the run")
    .read_only();
    let label = param("label", LABEL);
    let limit = param("limit", LIMIT);
    ns.method("listRuns", "List a project's runs.", [label], list_runs)
        .returns(LATEST_FIRST)
        .read_only();
    ns.method(
        "listRuns",
        "List a project's latest runs.",
        [label, limit],
        list_runs_limit,
    )
    .returns(LATEST_FIRST)
    .read_only();
    ns.method(
        "listRuns",
        "List a project's runs before another.",
        [
            label,
            limit,
            param("beforeId", "id of a run; 0: the latest runs"),
        ],
        list_runs_before,
    )
    .returns(LATEST_FIRST)
    .read_only();
}

async fn get_run(context: Context, id: i32) -> Answer<Run> {
    let (run, waits_for) = history::run_details(context.app(), context.caller(), id.into()).await?;
    Ok(Run::from(run).waiting_for(waits_for))
}

async fn list_runs(context: Context, label: String) -> Answer<List<Run>> {
    runs_of(&context, label, None, None).await
}

async fn list_runs_limit(context: Context, label: String, limit: i32) -> Answer<List<Run>> {
    runs_of(&context, label, Some(limit.into()), None).await
}

async fn list_runs_before(
    context: Context,
    label: String,
    limit: i32,
    before: i32,
) -> Answer<List<Run>> {
    runs_of(&context, label, Some(limit.into()), Some(before.into())).await
}

async fn runs_of(
    context: &Context,
    label: String,
    limit: Option<i64>,
    before: Option<i64>,
) -> Answer<List<Run>> {
    let (app, caller) = (context.app(), context.caller());
    let runs = history::run_history(app, caller, label, limit, before).await?;
    Ok(List::of_rows(runs, Run::from))
}

fn results(ns: &mut Namespace) {
    const DOC: &str = "List what came of each tag of a run.";
    const IN_ORDER: &str = "results, in the order in which they came";
    let id = param("runId", "id of the run");
    let status = param("status", "`done`, `failed` or `blocked`; \"\" for all");
    let (limit, offset) = (param("limit", LIMIT), param("offset", OFFSET));
    ns.method("listRunResults", DOC, [id], list_results)
        .returns(IN_ORDER)
        .read_only();
    ns.method("listRunResults", DOC, [id, status], list_results_status)
        .returns(IN_ORDER)
        .read_only();
    ns.method(
        "listRunResults",
        DOC,
        [id, status, limit, offset],
        list_results_slice,
    )
    .returns(IN_ORDER)
    .read_only();
    ns.method("getRunLog", "Show a run's log.", [id], log)
        .returns("lines, by number")
        .read_only();
    ns.method(
        "getRunLog",
        "Show a part of a run's log.",
        [id, offset, limit],
        log_slice,
    )
    .returns("lines, by number")
    .read_only();
}

async fn list_results(context: Context, id: i32) -> Answer<List<RunResult>> {
    results_of(&context, id, None, Slice::ALL).await
}

async fn list_results_status(context: Context, id: i32, status: String) -> Answer<List<RunResult>> {
    results_of(&context, id, Some(status), Slice::ALL).await
}

async fn list_results_slice(
    context: Context,
    id: i32,
    status: String,
    limit: i32,
    offset: i32,
) -> Answer<List<RunResult>> {
    let slice = Slice::new(limit.into(), offset.into())?;
    results_of(&context, id, Some(status), slice).await
}

async fn results_of(
    context: &Context,
    id: i32,
    status: Option<String>,
    slice: Slice,
) -> Answer<List<RunResult>> {
    let (app, caller) = (context.app(), context.caller());
    let results = history::run_results(app, caller, id.into(), status, slice).await?;
    Ok(List::of_rows(results, RunResult::from))
}

async fn log(context: Context, id: i32) -> Answer<List<LogLine>> {
    log_of(&context, id, Slice::ALL).await
}

async fn log_slice(context: Context, id: i32, offset: i32, limit: i32) -> Answer<List<LogLine>> {
    log_of(&context, id, Slice::new(limit.into(), offset.into())?).await
}

async fn log_of(context: &Context, id: i32, slice: Slice) -> Answer<List<LogLine>> {
    let (app, caller) = (context.app(), context.caller());
    let lines = history::run_log(app, caller, id.into(), slice).await?;
    Ok(List::of_rows(lines, LogLine::from))
}
