//! The repositories of the items of a run that name them by pattern, kept when the run is about to
//! start, so that all workers see the same.

use diesel::prelude::*;

use crate::store::base::channel::{Topic, notify};
use crate::store::base::storable::{STATEMENT_ROWS, text_kept};
use crate::store::runs::run::{RunStatus, run_lock};
use crate::store::schema::{run_catalogue, run_repository};
use crate::store::{DbConnection, Error};

/// What a source's catalogue had for a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunCatalogue {
    /// How many repositories it listed.
    pub listed: i64,
    /// Why they couldn't be listed.
    pub error: Option<String>,
    /// What was left out of it.
    pub warning: Option<String>,
    /// The ids of items with a repository of each.
    pub repositories: Vec<(i64, String)>,
}

/// Whether a run has its catalogue.
fn catalogue_is_kept(conn: &mut DbConnection, run_id: i64) -> Result<bool, Error> {
    let kept = run_catalogue::table.find(run_id);
    Ok(kept
        .select(run_catalogue::run_id)
        .first::<i64>(conn)
        .optional()?
        .is_some())
}

/// The catalogue of a run, by item and in the order of the names; `None` if it has none.
pub fn catalogue_kept(conn: &mut DbConnection, run_id: i64) -> Result<Option<RunCatalogue>, Error> {
    let kept: Option<(i64, Option<String>, Option<String>)> = run_catalogue::table
        .find(run_id)
        .select((
            run_catalogue::listed,
            run_catalogue::error,
            run_catalogue::warning,
        ))
        .first(conn)
        .optional()?;
    let Some((listed, error, warning)) = kept else {
        return Ok(None);
    };
    let repositories = run_repository::table
        .filter(run_repository::run_id.eq(run_id))
        .order((run_repository::item_id, run_repository::repository))
        .select((run_repository::item_id, run_repository::repository))
        .load(conn)?;
    Ok(Some(RunCatalogue {
        listed,
        error,
        warning,
        repositories,
    }))
}

/// Keeps the catalogue of a run, unless the run isn't waiting any more, or another worker was faster.
pub fn catalogue_keep(
    conn: &mut DbConnection,
    run_id: i64,
    catalogue: &RunCatalogue,
) -> Result<(), Error> {
    conn.write(|conn| {
        let waits = run_lock(conn, run_id)?.is_some_and(|run| run.status == RunStatus::Ready);
        if !waits || catalogue_is_kept(conn, run_id)? {
            return Ok(());
        }
        let error = catalogue.error.as_deref().map(text_kept);
        let warning = catalogue.warning.as_deref().map(text_kept);
        diesel::insert_into(run_catalogue::table)
            .values((
                run_catalogue::run_id.eq(run_id),
                run_catalogue::listed.eq(catalogue.listed),
                run_catalogue::error.eq(error),
                run_catalogue::warning.eq(warning),
            ))
            .execute(conn)?;
        for batch in catalogue.repositories.chunks(STATEMENT_ROWS) {
            let rows: Vec<_> = batch
                .iter()
                .map(|(item, repository)| {
                    (
                        run_repository::run_id.eq(run_id),
                        run_repository::item_id.eq(item),
                        run_repository::repository.eq(repository),
                    )
                })
                .collect();
            on_backend!(&mut *conn, c => {
                diesel::insert_into(run_repository::table).values(rows).execute(c)
            })?;
        }
        notify(conn, Topic::Queue)
    })
}
