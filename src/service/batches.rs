//! Work on many rows, in small transactions, since each one blocks all other writers.

use std::time::Instant;

use super::Error;
use crate::store::{self, Db, DbConnection};

/// Rows removed by one transaction: some milliseconds, during which others wait.
pub const STEP: usize = 1000;

/// Repeats `step` until it has nothing left to do, and sums up its results. Pauses between two
/// steps for as long as one takes, so that others get their turn.
pub async fn in_steps<F>(db: &Db, step: F) -> Result<usize, Error>
where
    F: Fn(&mut DbConnection) -> Result<usize, store::Error> + Clone + Send + 'static,
{
    let mut all = 0;
    loop {
        let (step, began) = (step.clone(), Instant::now());
        let done = db.run(move |conn| conn.write(step)).await?;
        if done == 0 {
            return Ok(all);
        }
        all += done;
        tokio::time::sleep(began.elapsed()).await;
    }
}
