//! All of a run at once, for auditors.

use super::Answer;
use super::wire::Run;
use super::wire::evidence::Evidence;
use crate::api::error::code;
use crate::api::{Context, List, LongText, NamespaceBuilder, param};
use crate::service::runs::evidence;
use crate::sync::evidence::EvidenceHead;

pub(super) fn define(ns: &mut NamespaceBuilder<'_>) {
    let about = "Show the evidence of a run in one document: what was asked, and the result of each tag with its digests.";
    ns.method(
        "getRunEvidence",
        about,
        [param("runId", "id of the run")],
        get_evidence,
    )
    .faults([code::NOT_FOUND])
    .returns("the evidence; `complete` says whether all results are there")
    .read_only();
    let about = "Show the results of a run as CSV (RFC 4180), with a line of names first. A cell that a spreadsheet would take for a formula has a `'` in front.";
    ns.method(
        "getRunEvidenceCsv",
        about,
        [param("runId", "id of the run")],
        get_csv,
    )
    .faults([code::NOT_FOUND])
    .returns("the CSV text")
    .read_only();
}

async fn get_evidence(context: Context, id: i32) -> Answer<Evidence> {
    let (app, caller) = (context.app(), context.caller());
    let (evidence, results) = evidence::run_evidence(app, caller, id.into()).await?;
    let totals = evidence.run.totals.into();
    let run = Run::from(evidence.run).waiting_for(evidence.waits_for);
    Ok(Evidence {
        head: EvidenceHead::new(run, evidence.asked, totals, evidence.is_complete),
        results: List::of_rows(results, |record| record),
    })
}

async fn get_csv(context: Context, id: i32) -> Answer<LongText> {
    let (app, caller) = (context.app(), context.caller());
    let lines = evidence::run_evidence_csv(app, caller, id.into()).await?;
    Ok(LongText::of_rows(lines))
}
