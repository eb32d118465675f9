//! Runs as a worker sees them, one part each.

use registrysync::store::runs::lease::{claim_lock, part_claim};
use registrysync::store::runs::part::{Lease, Part, PartStatus};
use registrysync::store::runs::progress::part_end;
use registrysync::store::runs::queue::{Barred, run_begin, run_end, run_waiting};
use registrysync::store::runs::run::{Run, RunStatus, RunTotals};
use registrysync::store::{DbConnection, Error};
use std::time::Duration;

/// Long enough for no test to see its end.
pub(crate) const LEASE: Duration = Duration::from_mins(1);

/// Starts the next run, and claims its only part for `worker`.
pub(crate) fn claim(conn: &mut DbConnection, worker: &str) -> Result<Option<(Run, Part)>, Error> {
    conn.write(|conn| {
        claim_lock(conn)?;
        let Some(run) = run_waiting(conn, &Barred::default())? else {
            return Ok(None);
        };
        assert!(run_begin(
            conn,
            run.id,
            worker,
            &["library/nginx".to_owned()]
        )?);
        let part = part_claim(conn, run.id, worker, LEASE)?.expect("its part");
        Ok(Some((run, part)))
    })
}

/// Ends a run and its only part.
pub(crate) fn end(
    conn: &mut DbConnection,
    lease: Lease,
    status: RunStatus,
    message: &str,
    totals: &RunTotals,
) -> Result<(), Error> {
    let part = PartStatus::parse(status.as_str()).unwrap_or(PartStatus::Finished);
    conn.write(|conn| {
        part_end(conn, lease, part, message, totals)?;
        assert!(run_end(conn, lease.run_id, status, message)?);
        Ok(())
    })
}
