//! What the holder of a part writes while it works: log, totals, and the part's end.

use super::log::{NewLogLine, log_write};
use super::part::{Lease, PartStatus, part_hold, part_totals};
use super::run::RunTotals;
use crate::store::base::storable::text_kept;
use crate::store::schema::{run_part, tasko_run};
use crate::store::{DbConnection, Error, Moment};
use diesel::prelude::*;

/// Appends lines in order, for the holder of a part of the run; all or none.
pub fn log_append(
    conn: &mut DbConnection,
    lease: Lease,
    lines: &[NewLogLine],
) -> Result<(), Error> {
    conn.write(|conn| {
        part_hold(conn, lease)?;
        log_write(conn, lease.run_id, lines)
    })
}

/// Writes a part's totals so far, and adds the difference to its run; once a second is enough.
pub fn part_progress(
    conn: &mut DbConnection,
    lease: Lease,
    totals: &RunTotals,
) -> Result<(), Error> {
    conn.write(|conn| {
        part_hold(conn, lease)?;
        let before = part_totals(conn, lease.part_id)?;
        if before == *totals {
            return Ok(());
        }
        let part = run_part::table.find(lease.part_id);
        diesel::update(part)
            .set(totals_set!(*totals))
            .execute(conn)?;
        let run = tasko_run::table.find(lease.run_id);
        diesel::update(run)
            .set((
                tasko_run::selected.eq(tasko_run::selected + totals.selected - before.selected),
                tasko_run::copied.eq(tasko_run::copied + totals.copied - before.copied),
                tasko_run::updated.eq(tasko_run::updated + totals.updated - before.updated),
                tasko_run::skipped.eq(tasko_run::skipped + totals.skipped - before.skipped),
                tasko_run::deleted.eq(tasko_run::deleted + totals.deleted - before.deleted),
                tasko_run::blocked.eq(tasko_run::blocked + totals.blocked - before.blocked),
                tasko_run::failed.eq(tasko_run::failed + totals.failed - before.failed),
                tasko_run::bytes.eq(tasko_run::bytes + totals.bytes - before.bytes),
                tasko_run::blobs_copied
                    .eq(tasko_run::blobs_copied + totals.blobs_copied - before.blobs_copied),
                tasko_run::blobs_mounted
                    .eq(tasko_run::blobs_mounted + totals.blobs_mounted - before.blobs_mounted),
                tasko_run::warnings.eq(tasko_run::warnings + totals.warnings - before.warnings),
            ))
            .execute(conn)?;
        Ok(())
    })
}

/// Ends a part with its final totals; `message` is for what its results don't show.
pub fn part_end(
    conn: &mut DbConnection,
    lease: Lease,
    status: PartStatus,
    message: &str,
    totals: &RunTotals,
) -> Result<(), Error> {
    conn.write(|conn| {
        part_progress(conn, lease, totals)?;
        diesel::update(run_part::table.find(lease.part_id))
            .set((
                run_part::status.eq(status),
                run_part::message.eq(text_kept(message)),
                run_part::lease_until.eq(None::<Moment>),
            ))
            .execute(conn)?;
        Ok(())
    })
}
