//! `registrysync plan`: what `registrysync sync` would do, printed or saved.

use crate::sync::{Engine, Plan};

use super::job::job;
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
    let (code, plan) = show(&job.engine, arguments.copy.json).await?;
    if let (Some(draft), Some(plan)) = (draft, plan) {
        let path = draft.path().display().to_string();
        draft.finish(job, plan, arguments.copy)?;
        talk_line(&format!(
            "saved; to run exactly this: registrysync sync --plan {path}"
        ));
    }
    Ok(code)
}

/// Prints a plan; `None` if that was interrupted. Returns the exit code too.
pub(super) async fn show(engine: &Engine, json: bool) -> Result<(u8, Option<Plan>), CliError> {
    let plan = tokio::select! {
        plan = engine.plan() => plan,
        () = interrupted() => return Ok((INTERRUPTED, None)),
    };
    output::plan(&plan, json);
    match &plan.unreachable {
        Some(error) if plan.copy + plan.update + plan.skip == 0 => {
            Err(CliError::Unreachable(error.clone()))
        }
        _ => {
            let is_nothing = plan.actions.is_empty() && plan.empty > 0;
            Ok((u8::from(plan.blocked > 0 || is_nothing), Some(plan)))
        }
    }
}
