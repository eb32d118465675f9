//! Runs that retry what failed in an earlier one.

use crate::service::Error;
use crate::store::DbConnection;
use crate::store::projects::project::Project;
use crate::store::runs::result::results_failed;
use crate::store::runs::run::{Run, RunTrigger, run_get};
use crate::sync::input::spec::OnlyTags;

/// What to retry.
pub(super) struct Retry {
    /// The earlier run.
    pub(super) run_id: i64,
    /// What failed in it.
    pub(in crate::service) tags: OnlyTags,
}

/// What `run` retries; `None` if it isn't a retry.
pub(super) fn retry_of(conn: &mut DbConnection, run: &Run) -> Result<Option<Retry>, Error> {
    match run.retry_of {
        None if run.trigger_kind == RunTrigger::Retry => Err(Error::NotFound(
            "the run whose failed tags should be retried was deleted".into(),
        )),
        None => Ok(None),
        Some(run_id) => {
            let tags = failed_tags(conn, run_id)?;
            Ok(Some(Retry { run_id, tags }))
        }
    }
}

/// Refuses to retry a run of another project, an unfinished one, or one without failures.
pub(super) fn retry_check(
    conn: &mut DbConnection,
    project: &Project,
    id: i64,
) -> Result<(), Error> {
    let run = run_get(conn, project.org_id, id)?
        .filter(|run| run.project_id == Some(project.id))
        .ok_or_else(|| {
            Error::NotFound(format!("the project `{}` has no run {id}", project.label))
        })?;
    if run.end_time.is_none() {
        let message = format!("run {id} hasn't ended; wait for it, or cancel it");
        return Err(Error::invalid("retry", message));
    }
    if let Some(plan) = run.plan_id {
        let message = format!("run {id} was one of plan {plan}; run the plan again with `plan`");
        return Err(Error::invalid("retry", message));
    }
    if failed_tags(conn, id)?.is_empty() {
        let message = format!("no tag of run {id} failed; omit `retry` to run the whole project");
        return Err(Error::invalid("retry", message));
    }
    Ok(())
}

fn failed_tags(conn: &mut DbConnection, run_id: i64) -> Result<OnlyTags, Error> {
    let mut tags = OnlyTags::default();
    for (place, tag) in results_failed(conn, run_id)? {
        tags.add(place, tag);
    }
    Ok(tags)
}
