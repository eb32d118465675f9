//! The common state of the parts of a run within this process: loaded once, including connections,
//! tokens and known blobs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::service::Error;
use crate::service::runs::job::load::run_job_load;
use crate::store::projects::synced_tag::StorePair;
use crate::store::runs::run::Run;
use crate::store::{Db, Moment};
use crate::sync::Engine;

use super::rights::index_leases::DatabaseLeases;

/// Runs remembered without a part in progress here: the next one may follow soon.
const IDLE: usize = 8;

/// State shared by the parts of a run.
pub(super) struct Share {
    pub(super) pair: StorePair,
    /// When the project was last changed.
    pub(super) modified: Moment,
    /// For the whole run.
    pub(super) engine: Engine,
    /// By target place.
    pub(super) engines: HashMap<String, Engine>,
}

type Cell = Arc<OnceCell<Share>>;

/// The shares of all runs, the most recently used at the end.
#[derive(Clone, Default)]
pub(super) struct Shares(Arc<Mutex<Vec<(i64, Cell)>>>);

impl Shares {
    /// The share of a run; a failure is not remembered.
    pub(in crate::taskomatic) async fn get(
        &self,
        db: &Db,
        worker: &str,
        run: &Run,
    ) -> Result<Cell, Error> {
        let cell = self.cell(run.id);
        cell.get_or_try_init(|| async {
            let job = run_job_load(db, run).await?;
            let leases = Arc::new(DatabaseLeases {
                db: db.clone(),
                worker: worker.to_owned(),
            });
            let engine = Engine::new(job.target, job.spec).with_leases(leases);
            let engines = match job.kept {
                Some(kept) => kept.engines(db, &engine),
                None => engine.split(),
            };
            Ok::<_, Error>(Share {
                pair: job.pair,
                modified: job.modified,
                engine,
                engines: engines.into_iter().collect(),
            })
        })
        .await?;
        Ok(cell)
    }

    fn cell(&self, run_id: i64) -> Cell {
        let mut shares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = shares.iter().position(|(id, _)| *id == run_id);
        let cell = at.map_or_else(Cell::default, |at| shares.remove(at).1);
        shares.push((run_id, Arc::clone(&cell)));
        let is_idle = |(_, cell): &(i64, Cell)| Arc::strong_count(cell) == 1;
        let mut idle = shares.iter().filter(|share| is_idle(share)).count();
        shares.retain(|share| {
            let drop = is_idle(share) && idle > IDLE;
            idle -= usize::from(drop);
            !drop
        });
        cell
    }
}
