//! What we last saw at a target: lets a run skip what hasn't changed without asking twice.

use super::schema::synced_tag;
use super::{DbConnection, Error, Moment};
use diesel::prelude::*;
use diesel::upsert::excluded;
use std::collections::HashMap;
use std::hash::BuildHasher;

/// From which store to which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorePair {
    /// The source store's id.
    pub src: i64,
    /// The target store's id.
    pub dest: i64,
}

/// A tag of a source repository and where it was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Queryable, Selectable, Insertable)]
#[diesel(table_name = synced_tag)]
#[allow(missing_docs)] // the fields are the columns
pub struct SyncedKey {
    pub tag: String,
    pub target_repository: String,
    pub target_tag: String,
}

/// What stood there.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = synced_tag)]
#[allow(missing_docs)]
pub struct SyncedState {
    pub source_digest: String,
    pub target_digest: String,
    /// The platforms that were asked for, as text; empty: all of them.
    pub platforms: String,
    pub verified_at: Moment,
}

/// All that is known of one source repository.
pub fn synced_lookup(
    conn: &mut DbConnection,
    pair: StorePair,
    repository: &str,
) -> Result<HashMap<SyncedKey, SyncedState>, Error> {
    Ok(synced_tag::table
        .filter(synced_tag::src_store_id.eq(pair.src))
        .filter(synced_tag::dest_store_id.eq(pair.dest))
        .filter(synced_tag::repository.eq(repository))
        .select((SyncedKey::as_select(), SyncedState::as_select()))
        .load::<(SyncedKey, SyncedState)>(conn)?
        .into_iter()
        .collect())
}

/// Rows of one statement, far below the limit of parameters.
const BATCH: usize = 1000;

/// The statement for one row or many: their types differ.
macro_rules! upsert {
    ($rows:expr) => {
        diesel::insert_into(synced_tag::table)
            .values($rows)
            .on_conflict((
                synced_tag::src_store_id,
                synced_tag::dest_store_id,
                synced_tag::repository,
                synced_tag::tag,
                synced_tag::target_repository,
                synced_tag::target_tag,
            ))
            .do_update()
            .set((
                synced_tag::source_digest.eq(excluded(synced_tag::source_digest)),
                synced_tag::target_digest.eq(excluded(synced_tag::target_digest)),
                synced_tag::platforms.eq(excluded(synced_tag::platforms)),
                synced_tag::verified_at.eq(excluded(synced_tag::verified_at)),
            ))
    };
}

/// Writes what was seen, over what was known; all or none.
pub fn synced_upsert<S: BuildHasher>(
    conn: &mut DbConnection,
    pair: StorePair,
    repository: &str,
    tags: &HashMap<SyncedKey, SyncedState, S>,
) -> Result<(), Error> {
    // One order for all writers, so that two of them can't wait for each other's rows.
    let mut tags: Vec<_> = tags.iter().collect();
    tags.sort_by_key(|(key, _)| (&key.tag, &key.target_repository, &key.target_tag));
    let mut rows = tags.into_iter().map(|(key, state)| {
        (
            synced_tag::src_store_id.eq(pair.src),
            synced_tag::dest_store_id.eq(pair.dest),
            synced_tag::repository.eq(repository),
            key,
            state,
        )
    });
    conn.write(|conn| {
        match conn {
            DbConnection::Postgres(c) => loop {
                let batch: Vec<_> = rows.by_ref().take(BATCH).collect();
                if batch.is_empty() {
                    break;
                }
                upsert!(batch).execute(c)?;
            },
            // Diesel has no upsert of many rows here, and one costs no way over a network.
            DbConnection::Sqlite(c) => {
                for row in rows {
                    upsert!(row).execute(c)?;
                }
            }
        }
        Ok(())
    })
}
