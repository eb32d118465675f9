//! `registrysync plan`: what `registrysync sync` would do, printed or saved.

use crate::sync::Plan;
use crate::sync::kept::part::left_out;

use super::job::{OneShotJob, job};
use super::plan_file::PlanDraft;
use crate::cli::error::{CliError, INTERRUPTED};
use crate::cli::interrupts::interrupted;
use crate::cli::output::{self, talk_line};
use crate::cli::sync_args::PlanArguments;

pub(in crate::cli) async fn run(arguments: PlanArguments) -> Result<u8, CliError> {
    let job = job(&arguments.copy).await?;
    let draft = arguments
        .save
        .as_deref()
        .map(PlanDraft::begin)
        .transpose()?;
    let shown = show(&job, arguments.copy.json).await;
    if let (Some(draft), Err(_)) = (&draft, &shown) {
        talk_line(&format!("`{}` isn't saved", draft.path().display()));
    }
    let (code, plan) = shown?;
    if let (Some(draft), Some(plan)) = (draft, plan) {
        let path = draft.path().display().to_string();
        if let Some(left_out) = left_out("the plan", plan.failed, plan.blocked) {
            talk_line(&format!("warning: {left_out}"));
        }
        let does = plan.copy + plan.update > 0;
        draft.finish(job, plan, arguments.copy)?;
        talk_line(&if does {
            format!("saved; to run exactly this: registrysync sync --plan {path}")
        } else {
            "saved; it has nothing to copy".to_owned()
        });
    }
    Ok(code)
}

/// Prints a plan; `None` if that was interrupted. Returns the exit code too.
pub(super) async fn show(job: &OneShotJob, json: bool) -> Result<(u8, Option<Plan>), CliError> {
    let mut plan = tokio::select! {
        plan = job.engine.plan() => plan,
        () = interrupted() => return Ok((INTERRUPTED, None)),
    };
    plan.costs.source_requests += job.catalogue_requests;
    output::plan(&plan, json);
    match &plan.unreachable {
        Some(error) if plan.copy + plan.update + plan.skip == 0 => {
            Err(CliError::Unreachable(error.clone()))
        }
        _ => Ok((u8::from(plan.is_bad()), Some(plan))),
    }
}
