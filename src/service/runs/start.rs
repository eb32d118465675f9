//! Requests for work: a plan, at once; a run, through the queue.

use super::job::load::job_load;
use super::plans::limit::bounded;
use super::plans::usable::plan_check;
use super::retry::retry_check;
use crate::service::projects::lookup::{ProjectName, project_find};
use crate::service::{App, Caller, Error};
use crate::store::projects::project::project_lock;
use crate::store::runs::queue::{Enqueued, NewRun, run_enqueue, run_queued};
use crate::store::runs::run::RunTrigger;
use crate::sync::{Engine, Plan};

/// What a run of the project would do, without writing anything.
pub async fn project_plan(app: &App, caller: &Caller, label: String) -> Result<Plan, Error> {
    let org = caller.org_id();
    let project = app
        .db
        .call(move |conn| project_find(conn, org, &ProjectName::Label(label)))
        .await?;
    let _turn = app.plan_turns.begin(caller)?;
    let made = Box::pin(async {
        let job = job_load(&app.db, org, project.id).await?;
        let mut plan = Engine::new(job.target, job.spec).plan().await;
        plan_reached(&plan)?;
        job.catalogue.add_to(&mut plan);
        Ok::<_, Error>(plan)
    });
    bounded(&app.db, &project, made).await
}

/// Refuses a plan that says nothing, because a registry couldn't be reached.
pub(super) fn plan_reached(plan: &Plan) -> Result<(), Error> {
    match &plan.unreachable {
        Some(error) if plan.copy + plan.update + plan.skip == 0 => Err(Error::invalid(
            "label",
            format!("the project can't be planned: {error}"),
        )),
        _ => Ok(()),
    }
}

/// How a run is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunStart {
    /// Queue behind a running run of the project instead of being refused; if one of the same kind
    /// is already waiting, return that one.
    pub queue: bool,
    /// Only retry what failed in this run of the project.
    pub retry_of: Option<i64>,
    /// Copy what this kept plan of the project says, and nothing else.
    pub plan: Option<i64>,
    /// Permit deletes beyond `prune_limit`, and after an empty listing or selection.
    pub force: bool,
}

/// Queues a run and returns its id.
pub async fn run_start(
    app: &App,
    caller: &Caller,
    label: String,
    start: RunStart,
) -> Result<i64, Error> {
    let org = caller.org_id();
    let id = app
        .db
        .transaction(move |conn| {
            let project = project_find(conn, org, &ProjectName::Label(label.clone()))?;
            if !project.enabled {
                let message = format!("the project `{label}` is disabled; enable it first");
                return Err(Error::invalid("label", message));
            }
            if let Some(id) = start.retry_of {
                if start.force {
                    let message = "it permits deletes, but a retry deletes nothing; omit one of `force` and `retry`";
                    return Err(Error::invalid("force", message));
                }
                retry_check(conn, &project, id)?;
            }
            if let Some(id) = start.plan {
                if start.force {
                    let message = "it can't be combined with `plan`: what a plan deletes was decided when it was made";
                    return Err(Error::invalid("force", message));
                }
                if start.retry_of.is_some() {
                    let message = "it can't be combined with `retry`: a plan is run as a whole";
                    return Err(Error::invalid("plan", message));
                }
                project_lock(conn, org, project.id)?;
                plan_check(conn, &project, id)?;
            }
            let trigger = match start.retry_of {
                Some(_) => RunTrigger::Retry,
                None => RunTrigger::Manual,
            };
            let run = NewRun {
                org_id: org,
                project_id: project.id,
                project_label: &project.label,
                trigger,
                retry_of: start.retry_of,
                plan_id: start.plan,
                force: start.force,
            };
            // A waiting run already does what this one would.
            if start.queue && project_lock(conn, org, project.id)?
                && let Some(id) = run_queued(conn, &run)?
            {
                return Ok(id);
            }
            match run_enqueue(conn, &run, start.queue)? {
                Enqueued::Run(id) => Ok(id),
                Enqueued::Busy(id) => Err(Error::invalid(
                    "label",
                    format!("run {id} of `{label}` is already waiting or in progress; to run it once more after that, set `queue` (`--queue`)"),
                )),
                Enqueued::NoProject => Err(Error::NotFound(format!("project `{label}` was deleted"))),
            }
        })
        .await?;
    app.queue_wake.notify_one();
    Ok(id)
}
