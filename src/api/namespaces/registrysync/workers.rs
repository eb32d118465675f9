//! Who works.

use schemars::JsonSchema;
use serde::Serialize;

use super::wire::utc;
use super::{Answer, PAGE};
use crate::api::value::Timestamp;
use crate::api::{Context, NamespaceBuilder};
use crate::service::paging::Slice;
use crate::service::runs::workers::{WorkerView, workers};

const DOC: &str = "List the workers, what they work on, and their last heartbeat. Workers that were shut down are not listed; lost workers are, for a week.";
const RETURNS: &str = "workers, by name";

pub(super) fn define(ns: &mut NamespaceBuilder<'_>) {
    ns.method("listWorkers", DOC, PAGE, list_workers)
        .returns(RETURNS)
        .read_only();
}

/// A worker.
#[derive(Serialize, JsonSchema)]
struct Worker {
    name: String,
    /// The worker's machine.
    host: String,
    /// alive or lost.
    status: String,
    started: Timestamp,
    /// Its last heartbeat.
    last_seen: Timestamp,
    /// Maximum number of run parts that it works on at once.
    slots: i64,
    /// Number of parts that it works on, of all organisations.
    busy: usize,
    /// The parts of the organisation's runs.
    parts: Vec<WorkerPart>,
}

/// A run part that a worker works on.
#[derive(Serialize, JsonSchema)]
struct WorkerPart {
    run_id: i64,
    project_label: String,
    /// 1 for the first part of the run.
    part: i64,
    /// The target repository.
    target_repository: String,
}

impl From<WorkerView> for Worker {
    fn from(view: WorkerView) -> Worker {
        let part = |part: crate::store::runs::part::WorkedPart| WorkerPart {
            run_id: part.run_id,
            project_label: part.project_label,
            part: part.number,
            target_repository: part.target_repository,
        };
        Worker {
            name: view.worker.id,
            host: view.worker.host,
            status: if view.is_alive { "alive" } else { "lost" }.to_owned(),
            started: utc(view.worker.started),
            last_seen: utc(view.worker.heartbeat),
            slots: view.worker.slots,
            busy: view.busy,
            parts: view.parts.into_iter().map(part).collect(),
        }
    }
}

async fn list_workers(
    context: Context,
    limit: Option<i32>,
    offset: Option<i32>,
) -> Answer<Vec<Worker>> {
    let slice = Slice::optional(limit, offset)?;
    let found = workers(context.app(), context.caller()).await?;
    Ok(slice.of(found).into_iter().map(Worker::from).collect())
}
