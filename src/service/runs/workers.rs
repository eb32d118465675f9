//! The workers, what they work on, and what a waiting run waits for.

use super::limits::{RunLimits, barred};
use crate::service::stores::settings::store_host;
use crate::service::{App, Caller, Error};
use crate::store::DbConnection;
use crate::store::base::clock::clock;
use crate::store::projects::project::project_by_id;
use crate::store::runs::part::{RunningPart, WorkedPart, parts_running, parts_worked_on};
use crate::store::runs::queue::run_lacks_catalogue;
use crate::store::runs::run::{Run, RunStatus, run_active};
use crate::store::runs::worker::{Worker, worker_list};
use crate::store::stores::image_store::image_store_by_id;
use crate::text::counted;

/// A worker, and its parts.
#[derive(Clone, Debug)]
pub struct WorkerView {
    /// The worker.
    pub worker: Worker,
    /// Whether it sent a heartbeat recently.
    pub is_alive: bool,
    /// Number of its parts, of all organisations.
    pub busy: usize,
    /// Its parts of the caller's organisation.
    pub parts: Vec<WorkedPart>,
}

/// All workers of this database.
pub async fn workers(app: &App, caller: &Caller) -> Result<Vec<WorkerView>, Error> {
    let org = caller.org_id();
    let list = move |conn: &mut DbConnection| {
        let (time, all) = (clock(conn)?, worker_list(conn)?);
        let worked = parts_worked_on(conn)?;
        let view = |worker: Worker| {
            let holds = |part: &&WorkedPart| part.worker.as_deref() == Some(&*worker.id);
            let held: Vec<&WorkedPart> = worked.iter().filter(holds).collect();
            let own = held.iter().filter(|part| part.org_id == Some(org));
            WorkerView {
                is_alive: worker.is_alive(time),
                busy: held.len(),
                parts: own.map(|part| (*part).clone()).collect(),
                worker,
            }
        };
        Ok(all.into_iter().map(view).collect())
    };
    app.db.run(list).await.map_err(Error::from)
}

/// What a run waits for; `None` if it has a worker, starts at once, or has ended.
pub(super) fn run_waits_for(conn: &mut DbConnection, run: &Run) -> Result<Option<String>, Error> {
    let Some((org, project)) = run.project() else {
        return Ok(None);
    };
    let running = parts_running(conn)?;
    match run.status {
        RunStatus::Ready => {
            let active = run_active(conn, org, project)?;
            if let Some(other) = active.filter(|active| active.id != run.id) {
                return Ok(Some(format!(
                    "run {} of the project, which is {}",
                    other.id, other.status
                )));
            }
        }
        RunStatus::Running if running.iter().all(|part| part.run_id != run.id) => {}
        _ => return Ok(None),
    }
    let time = clock(conn)?;
    let alive = worker_list(conn)?
        .into_iter()
        .filter(|worker| worker.is_alive(time));
    let alive: Vec<Worker> = alive.collect();
    if alive.is_empty() {
        return Ok(Some("a worker: none is running".to_owned()));
    }
    let mut why = None;
    for worker in &alive {
        match limit_reached(conn, &running, worker, (org, project))? {
            None => {
                let slot = slot_missing(&running, &alive);
                return Ok(match slot {
                    None if run_lacks_catalogue(conn, run.id)? => {
                        Some("the list of its source's repositories".to_owned())
                    }
                    slot => slot,
                });
            }
            reached => why = reached,
        }
    }
    Ok(why)
}

/// Which of the worker's limits the project has reached.
fn limit_reached(
    conn: &mut DbConnection,
    running: &[RunningPart],
    worker: &Worker,
    (org_id, project_id): (i64, i64),
) -> Result<Option<String>, Error> {
    let number = |limit: Option<i64>| limit.and_then(|limit| usize::try_from(limit).ok());
    let limits = RunLimits {
        per_host: number(worker.host_parts),
        per_org: number(worker.org_parts),
    };
    let Some(project) = project_by_id(conn, org_id, project_id)? else {
        return Ok(None);
    };
    let barred = barred(conn, running, limits)?;
    if let Some(limit) = limits.per_org.filter(|_| barred.orgs.contains(&org_id)) {
        return Ok(Some(format!(
            "the organisation's other runs: `org_parts` limits it to {limit} parts at once"
        )));
    }
    for store_id in [project.src_store_id, project.dest_store_id] {
        if let Some(limit) = limits
            .per_host
            .filter(|_| barred.stores.contains(&store_id))
        {
            let store = image_store_by_id(conn, org_id, store_id)?;
            let host = store.as_ref().and_then(store_host).unwrap_or_default();
            return Ok(Some(format!(
                "other runs at the registry `{host}`: `host_parts` limits a host to {} at once",
                counted(limit as u64, "part")
            )));
        }
    }
    Ok(None)
}

/// The text if only slots may be missing.
fn slot_missing(running: &[RunningPart], alive: &[Worker]) -> Option<String> {
    let slots: u64 = alive
        .iter()
        .filter_map(|worker| u64::try_from(worker.slots).ok())
        .sum();
    let busy = running.len() as u64;
    (busy >= slots).then(|| {
        let are = if busy == 1 { "is" } else { "are" };
        format!(
            "a free slot: {} {are} running, and the workers have {}",
            counted(busy, "part"),
            counted(slots, "slot")
        )
    })
}
