//! What was last seen at a target, so that a run can skip unchanged tags with fewer requests.

use super::item::BY_PATTERN;
use crate::store::base::storable::{STATEMENT_ROWS, is_name};
use crate::store::runs::run::{RunStatus, RunTrigger};
use crate::store::schema::{image_store, sync_item, sync_project, synced_tag, tasko_run};
use crate::store::{DbConnection, Error, Moment};
use diesel::prelude::*;
use diesel::upsert::excluded;
use std::collections::HashMap;
use std::hash::BuildHasher;

/// Source and target store.
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

/// What was there.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = synced_tag)]
#[allow(missing_docs)]
pub struct SyncedState {
    pub source_digest: String,
    pub target_digest: String,
    /// The requested platforms, as text; empty: all.
    pub platforms: String,
    pub verified_at: Moment,
    /// The chosen platforms that the image lacks, as text; empty: none.
    pub lack: String,
    /// When a check found it changed or incomplete; the next run repairs that.
    pub lost_at: Option<Moment>,
}

/// Everything known of one source repository.
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

/// The statement for one row or several: their types differ.
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
                synced_tag::lack.eq(excluded(synced_tag::lack)),
                synced_tag::lost_at.eq(excluded(synced_tag::lost_at)),
            ))
    };
}

/// Records what was seen, replacing earlier records; all or none. A tag whose name or platforms
/// can't be stored unchanged is not recorded, which only costs another check.
pub fn synced_upsert<S: BuildHasher>(
    conn: &mut DbConnection,
    pair: StorePair,
    repository: &str,
    tags: &HashMap<SyncedKey, SyncedState, S>,
) -> Result<(), Error> {
    // The same order for all writers, so that they can't deadlock.
    let mut tags: Vec<_> = tags
        .iter()
        .filter(|(key, state)| can_be_kept(key, state))
        .collect();
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
                let batch: Vec<_> = rows.by_ref().take(STATEMENT_ROWS).collect();
                if batch.is_empty() {
                    break;
                }
                upsert!(batch).execute(c)?;
            },
            // Diesel has no multi-row upsert here, and on SQLite single ones cost no round trip.
            DbConnection::Sqlite(c) => {
                for row in rows {
                    upsert!(row).execute(c)?;
                }
            }
        }
        Ok(())
    })
}

fn can_be_kept(key: &SyncedKey, state: &SyncedState) -> bool {
    let texts = [
        &key.tag,
        &key.target_repository,
        &key.target_tag,
        &state.source_digest,
        &state.target_digest,
        &state.platforms,
    ];
    texts.into_iter().all(|text| is_name(text))
}

/// What was copied from one repository to one store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncedPlace {
    /// The two stores.
    pub pair: StorePair,
    /// The target store's organisation.
    pub org_id: i64,
    /// The source repository.
    pub repository: String,
}

/// Everything known of all targets, grouped by target store.
pub fn synced_places(conn: &mut DbConnection) -> Result<Vec<SyncedPlace>, Error> {
    let rows: Vec<(i64, i64, i64, String)> = synced_tag::table
        .inner_join(image_store::table.on(image_store::id.eq(synced_tag::dest_store_id)))
        .select((
            synced_tag::dest_store_id,
            synced_tag::src_store_id,
            image_store::org_id,
            synced_tag::repository,
        ))
        .distinct()
        .load(conn)?;
    let place = |(dest, src, org_id, repository)| SyncedPlace {
        pair: StorePair { src, dest },
        org_id,
        repository,
    };
    let mut places: Vec<_> = rows.into_iter().map(place).collect();
    places.sort_by(|one, other| {
        let key = |place: &SyncedPlace| (place.pair.dest, place.pair.src);
        (key(one), &one.repository).cmp(&(key(other), &other.repository))
    });
    Ok(places)
}

/// Removes all records of these target repositories and tags, whose state is unknown.
pub fn synced_lost(
    conn: &mut DbConnection,
    pair: StorePair,
) -> Result<Vec<(String, String)>, Error> {
    Ok(synced_tag::table
        .filter(synced_tag::dest_store_id.eq(pair.dest))
        .filter(synced_tag::src_store_id.eq(pair.src))
        .filter(synced_tag::lost_at.is_not_null())
        .select((synced_tag::target_repository, synced_tag::target_tag))
        .load(conn)?)
}

/// The row of a tag, unless something else was recorded meanwhile.
macro_rules! seen {
    ($pair:expr, $repository:expr, $key:expr, $state:expr) => {
        synced_tag::table
            .filter(synced_tag::src_store_id.eq($pair.src))
            .filter(synced_tag::dest_store_id.eq($pair.dest))
            .filter(synced_tag::repository.eq($repository))
            .filter(synced_tag::tag.eq(&$key.tag))
            .filter(synced_tag::target_repository.eq(&$key.target_repository))
            .filter(synced_tag::target_tag.eq(&$key.target_tag))
            .filter(synced_tag::target_digest.eq(&$state.target_digest))
            .filter(synced_tag::verified_at.eq($state.verified_at))
    };
}

/// Marks a tag as changed or incomplete at its target (`Some`, since when), or as intact, unless
/// something else was recorded meanwhile.
pub fn synced_lost_set(
    conn: &mut DbConnection,
    pair: StorePair,
    repository: &str,
    key: &SyncedKey,
    state: &SyncedState,
    lost_at: Option<Moment>,
) -> Result<(), Error> {
    diesel::update(seen!(pair, repository, key, state))
        .set(synced_tag::lost_at.eq(lost_at))
        .execute(conn)?;
    Ok(())
}

/// Removes the record of a tag, unless something else was recorded meanwhile.
pub fn synced_forget(
    conn: &mut DbConnection,
    pair: StorePair,
    repository: &str,
    key: &SyncedKey,
    state: &SyncedState,
) -> Result<(), Error> {
    diesel::delete(seen!(pair, repository, key, state)).execute(conn)?;
    Ok(())
}

/// Removes the records of a tag that was deleted at the target.
pub fn synced_forget_target(
    conn: &mut DbConnection,
    pair: StorePair,
    target_repository: &str,
    target_tag: &str,
) -> Result<(), Error> {
    let these = synced_tag::table
        .filter(synced_tag::dest_store_id.eq(pair.dest))
        .filter(synced_tag::src_store_id.eq(pair.src))
        .filter(synced_tag::target_repository.eq(target_repository))
        .filter(synced_tag::target_tag.eq(target_tag));
    diesel::delete(these).execute(conn)?;
    Ok(())
}

/// Removes at most `limit` records of items that no longer exist; returns how many. An item by pattern
/// may have any repository.
pub fn synced_forget_unused(conn: &mut DbConnection, limit: usize) -> Result<usize, Error> {
    let used = sync_item::table
        .inner_join(sync_project::table)
        .filter(
            sync_item::repository
                .eq(synced_tag::repository)
                .or(sync_item::repository.eq(BY_PATTERN)),
        )
        .filter(sync_project::src_store_id.eq(synced_tag::src_store_id))
        .filter(sync_project::dest_store_id.eq(synced_tag::dest_store_id));
    conn.write(|conn| {
        let unused: Option<(i64, i64, String)> = synced_tag::table
            .filter(diesel::dsl::not(diesel::dsl::exists(used)))
            .select((
                synced_tag::src_store_id,
                synced_tag::dest_store_id,
                synced_tag::repository,
            ))
            .first(conn)
            .optional()?;
        let Some((src, dest, repository)) = unused else {
            return Ok(0);
        };
        let theirs = || {
            synced_tag::table
                .filter(synced_tag::src_store_id.eq(src))
                .filter(synced_tag::dest_store_id.eq(dest))
                .filter(synced_tag::repository.eq(&repository))
        };
        let tags: Vec<String> = theirs()
            .order(synced_tag::tag)
            .limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .select(synced_tag::tag)
            .load(conn)?;
        let (Some(first), Some(last)) = (tags.first(), tags.last()) else {
            return Ok(0);
        };
        let these = theirs().filter(synced_tag::tag.between(first, last));
        Ok(diesel::delete(these).execute(conn)?)
    })
}

/// Removes at most `limit` records of tags from or to a store.
pub fn synced_forget_store(
    conn: &mut DbConnection,
    store: i64,
    limit: usize,
) -> Result<usize, Error> {
    type Tag = (i64, i64, String, String);
    let tags: Vec<Tag> = synced_tag::table
        .filter(
            synced_tag::src_store_id
                .eq(store)
                .or(synced_tag::dest_store_id.eq(store)),
        )
        .limit(i64::try_from(limit).unwrap_or(i64::MAX))
        .select((
            synced_tag::src_store_id,
            synced_tag::dest_store_id,
            synced_tag::repository,
            synced_tag::tag,
        ))
        .load(conn)?;
    let mut gone = 0;
    for (src, dest, repository, tag) in tags {
        let these = synced_tag::table
            .filter(synced_tag::src_store_id.eq(src))
            .filter(synced_tag::dest_store_id.eq(dest))
            .filter(synced_tag::repository.eq(repository))
            .filter(synced_tag::tag.eq(tag));
        gone += diesel::delete(these).execute(conn)?;
    }
    Ok(gone)
}

/// Whether projects copy this repository between these stores, and all of them have completed a run
/// since `time`: what they left untouched then, they don't copy any more.
pub fn synced_is_left(
    conn: &mut DbConnection,
    pair: StorePair,
    repository: &str,
    time: Moment,
) -> Result<bool, Error> {
    let projects: Vec<i64> = sync_project::table
        .inner_join(sync_item::table)
        .filter(sync_project::src_store_id.eq(pair.src))
        .filter(sync_project::dest_store_id.eq(pair.dest))
        .filter(sync_item::repository.eq_any([repository, BY_PATTERN]))
        .select(sync_project::id)
        .distinct()
        .load(conn)?;
    for project in &projects {
        let whole = tasko_run::table
            .filter(tasko_run::project_id.eq(project))
            .filter(tasko_run::status.eq(RunStatus::Finished))
            .filter(tasko_run::trigger_kind.ne(RunTrigger::Retry))
            .filter(tasko_run::start_time.gt(time))
            .select(tasko_run::id);
        if whole.first::<i64>(conn).optional()?.is_none() {
            return Ok(false);
        }
    }
    Ok(!projects.is_empty())
}
