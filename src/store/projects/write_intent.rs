//! What runs are about to write or delete: a result for the case that it succeeds, until the real one
//! is recorded.

use super::written_tag::WrittenKey;
use crate::store::base::clock::clock;
use crate::store::base::storable::STATEMENT_ROWS;
use crate::store::runs::part::{Lease, part_hold};
use crate::store::schema::write_intent;
use crate::store::{DbConnection, Error, Moment};
use chrono::TimeDelta;
use diesel::prelude::*;
use std::collections::BTreeMap;

/// An intent.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = write_intent)]
#[allow(missing_docs)] // the fields are the columns
pub struct IntentRow {
    /// `host/repository` at the target.
    pub place: String,
    pub tag: String,
    /// JSON.
    pub expected: String,
}

impl IntentRow {
    /// Its tag at the target.
    pub fn key(&self) -> WrittenKey {
        WrittenKey {
            place: self.place.clone(),
            tag: self.tag.clone(),
        }
    }
}

/// Keeps intents for the holder of a part, all or none. Each replaces an earlier one of its tag; those
/// are returned.
pub fn intents_put(
    conn: &mut DbConnection,
    lease: Lease,
    project_id: i64,
    rows: &[IntentRow],
) -> Result<Vec<IntentRow>, Error> {
    let last: BTreeMap<WrittenKey, &IntentRow> = rows.iter().map(|row| (row.key(), row)).collect();
    let keys: Vec<_> = last.keys().cloned().collect();
    let rows = last.into_values();
    conn.write(|conn| {
        part_hold(conn, lease)?;
        let replaced = intents_take(conn, project_id, &keys)?;
        let kept_at = write_intent::kept_at.eq(clock(conn)?);
        let rows = rows.map(|row| (write_intent::project_id.eq(project_id), row, kept_at));
        match conn {
            DbConnection::Postgres(c) => {
                let rows: Vec<_> = rows.collect();
                let put = diesel::insert_into(write_intent::table).values(rows);
                put.execute(c)?;
            }
            // Diesel has no such multi-row statement for SQLite.
            DbConnection::Sqlite(c) => {
                for row in rows {
                    let put = diesel::insert_into(write_intent::table).values(row);
                    put.execute(c)?;
                }
            }
        }
        Ok(replaced)
    })
}

/// Removes the intents of these tags, and returns them.
fn intents_take(
    conn: &mut DbConnection,
    project_id: i64,
    keys: &[WrittenKey],
) -> Result<Vec<IntentRow>, Error> {
    let mut taken = Vec::new();
    for of_place in keys.chunk_by(|one, other| one.place == other.place) {
        for some in of_place.chunks(STATEMENT_ROWS) {
            let tags = some.iter().map(|key| &key.tag);
            let these = write_intent::table
                .filter(write_intent::project_id.eq(project_id))
                .filter(write_intent::place.eq(&some[0].place))
                .filter(write_intent::tag.eq_any(tags));
            taken.extend(these.select(IntentRow::as_select()).load(conn)?);
        }
    }
    intents_remove(conn, project_id, keys)?;
    Ok(taken)
}

/// All intents of a project at a place, each with the time for which it has been kept.
pub fn intent_list(
    conn: &mut DbConnection,
    project_id: i64,
    place: &str,
) -> Result<Vec<(IntentRow, TimeDelta)>, Error> {
    let now = clock(conn)?;
    let rows: Vec<(IntentRow, Moment)> = write_intent::table
        .filter(write_intent::project_id.eq(project_id))
        .filter(write_intent::place.eq(place))
        .order(write_intent::tag)
        .select((IntentRow::as_select(), write_intent::kept_at))
        .load(conn)?;
    let aged = rows.into_iter().map(|(row, kept_at)| (row, now - kept_at));
    Ok(aged.collect())
}

/// Whether another project is about to write or delete a tag, since less than `age`.
pub fn is_intended(
    conn: &mut DbConnection,
    project_id: i64,
    key: &WrittenKey,
    age: TimeDelta,
) -> Result<bool, Error> {
    let since = clock(conn)? - age;
    let that = write_intent::table
        .filter(write_intent::project_id.ne(project_id))
        .filter(write_intent::place.eq(&key.place))
        .filter(write_intent::tag.eq(&key.tag))
        .filter(write_intent::kept_at.gt(since));
    Ok(diesel::select(diesel::dsl::exists(that)).get_result(conn)?)
}

/// Removes intents that came about, unless another one has taken the place of theirs.
pub fn intents_recovered(
    conn: &mut DbConnection,
    project_id: i64,
    rows: &[IntentRow],
) -> Result<(), Error> {
    for row in rows {
        let own = write_intent::table.find((project_id, &row.place, &row.tag));
        diesel::delete(own.filter(write_intent::expected.eq(&row.expected))).execute(conn)?;
    }
    Ok(())
}

/// Removes the intents of tags whose result is known.
pub fn intents_remove(
    conn: &mut DbConnection,
    project_id: i64,
    keys: &[WrittenKey],
) -> Result<(), Error> {
    let mut keys: Vec<&WrittenKey> = keys.iter().collect();
    // The same order for all writers, so that they can't deadlock.
    keys.sort();
    keys.dedup();
    for of_place in keys.chunk_by(|one, other| one.place == other.place) {
        for some in of_place.chunks(STATEMENT_ROWS) {
            let tags = some.iter().map(|key| &key.tag);
            let these = write_intent::table
                .filter(write_intent::project_id.eq(project_id))
                .filter(write_intent::place.eq(&some[0].place))
                .filter(write_intent::tag.eq_any(tags));
            diesel::delete(these).execute(conn)?;
        }
    }
    Ok(())
}
