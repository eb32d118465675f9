//! Results of runs.

use super::wire::{LogLine, Run};
use super::{Answer, LABEL, LIMIT, OFFSET, PAGE};
use crate::api::error::code;
use crate::api::{Context, List, NamespaceBuilder, param};
use crate::service::paging::Slice;
use crate::service::runs::history;
use crate::sync::evidence::TagRecord;

pub(super) fn define(ns: &mut NamespaceBuilder<'_>) {
    history(ns);
    results(ns);
}

fn history(ns: &mut NamespaceBuilder<'_>) {
    const LATEST_FIRST: &str = "runs, latest first";
    ns.method(
        "getRun",
        "Show a run.",
        [param("runId", "id of the run")],
        get_run,
    )
    .faults([code::NOT_FOUND])
    .returns("the run")
    .read_only();
    let params = [
        param("label", LABEL),
        param("limit", LIMIT).optional(),
        param(
            "beforeId",
            "list only runs before the one with this id; 0 for the latest",
        )
        .optional(),
    ];
    ns.method("listRuns", "List a project's runs.", params, list_runs)
        .faults([code::NOT_FOUND])
        .returns(LATEST_FIRST)
        .read_only();
}

async fn get_run(context: Context, id: i32) -> Answer<Run> {
    let (run, waits_for) = history::run_details(context.app(), context.caller(), id.into()).await?;
    Ok(Run::from(run).waiting_for(waits_for))
}

async fn list_runs(
    context: Context,
    label: String,
    limit: Option<i32>,
    before: Option<i32>,
) -> Answer<List<Run>> {
    let (limit, before) = (limit.map(i64::from), before.map(i64::from));
    let (app, caller) = (context.app(), context.caller());
    let runs = history::run_history(app, caller, label, limit, before).await?;
    Ok(List::of_rows(runs, Run::from))
}

fn results(ns: &mut NamespaceBuilder<'_>) {
    const DOC: &str = "List the result of each tag of a run.";
    const IN_ORDER: &str = "results, in the order in which tags finished";
    let id = param("runId", "id of the run");
    let status = param("status", "`done`, `failed` or `blocked`; \"\" for all");
    let [limit, offset] = PAGE;
    ns.method(
        "listRunResults",
        DOC,
        [id, status.optional(), limit, offset],
        list_results,
    )
    .faults([code::NOT_FOUND])
    .returns(IN_ORDER)
    .read_only();
    let (offset, limit) = (
        param("offset", OFFSET).optional(),
        param("limit", LIMIT).with_previous(),
    );
    ns.method("getRunLog", "Show a run's log.", [id, offset, limit], log)
        .faults([code::NOT_FOUND])
        .returns("lines, by number")
        .read_only();
}

async fn list_results(
    context: Context,
    id: i32,
    status: Option<String>,
    limit: Option<i32>,
    offset: Option<i32>,
) -> Answer<List<TagRecord>> {
    let slice = Slice::optional(limit, offset)?;
    let (app, caller) = (context.app(), context.caller());
    let results = history::run_results(app, caller, id.into(), status, slice).await?;
    Ok(List::of_rows(results, |record| record))
}

async fn log(
    context: Context,
    id: i32,
    offset: Option<i32>,
    limit: Option<i32>,
) -> Answer<List<LogLine>> {
    let slice = Slice::optional(limit, offset)?;
    let (app, caller) = (context.app(), context.caller());
    let lines = history::run_log(app, caller, id.into(), slice).await?;
    Ok(List::of_rows(lines, LogLine::from))
}
