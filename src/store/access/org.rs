//! Organisations.

use crate::store::base::clock::clock;
use crate::store::schema::{account, image_store, org, sync_project, tasko_schedule};
use crate::store::{DbConnection, Error, Moment};
use diesel::prelude::*;
use std::collections::HashMap;

/// An organisation as stored.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = org)]
#[allow(missing_docs)] // the fields are the columns
pub struct Org {
    pub id: i64,
    pub name: String,
    pub created: Moment,
}

/// Creates an organisation; [`Error::Exists`] if the name is taken.
pub fn org_create(conn: &mut DbConnection, name: &str) -> Result<i64, Error> {
    let row = (org::name.eq(name), org::created.eq(clock(conn)?));
    let insert = diesel::insert_into(org::table)
        .values(row)
        .returning(org::id);
    Ok(on_backend!(conn, c => insert.get_result(c))?)
}

/// An organisation's id, by its name.
pub fn org_by_name(conn: &mut DbConnection, name: &str) -> Result<Option<i64>, Error> {
    Ok(org::table
        .filter(org::name.eq(name))
        .select(org::id)
        .first(conn)
        .optional()?)
}

/// Finds an organisation by its id.
pub fn org_by_id(conn: &mut DbConnection, id: i64) -> Result<Option<Org>, Error> {
    Ok(org::table
        .find(id)
        .select(Org::as_select())
        .first(conn)
        .optional()?)
}

/// At most `limit` organisations whose name sorts after `after_name` ("" for the first ones), by
/// name.
pub fn org_list(conn: &mut DbConnection, after_name: &str, limit: i64) -> Result<Vec<Org>, Error> {
    Ok(org::table
        .filter(org::name.gt(after_name))
        .order(org::name)
        .limit(limit)
        .select(Org::as_select())
        .load(conn)?)
}

/// The id of the first organisation, which can't be deleted.
pub fn org_first(conn: &mut DbConnection) -> Result<Option<i64>, Error> {
    Ok(org::table
        .order(org::id)
        .select(org::id)
        .first(conn)
        .optional()?)
}

/// The number of enabled accounts of each organisation; organisations without any are omitted.
pub fn org_active_users(conn: &mut DbConnection) -> Result<HashMap<i64, i64>, Error> {
    Ok(account::table
        .filter(account::enabled.eq(true))
        .group_by(account::org_id)
        .select((account::org_id, diesel::dsl::count_star()))
        .load::<(i64, i64)>(conn)?
        .into_iter()
        .collect())
}

/// Renames an organisation; `false` if there is none, [`Error::Exists`] if the name is taken.
pub fn org_rename(conn: &mut DbConnection, id: i64, name: &str) -> Result<bool, Error> {
    let changed = diesel::update(org::table.find(id))
        .set(org::name.eq(name))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Removes an organisation with everything it owns; `false` if there is none. A worker still
/// running one of its projects finds its next write refused, and stops.
pub fn org_delete(conn: &mut DbConnection, id: i64) -> Result<bool, Error> {
    conn.write(|conn| {
        let schedules = tasko_schedule::table.filter(tasko_schedule::org_id.eq(id));
        diesel::delete(schedules).execute(conn)?;
        diesel::delete(sync_project::table.filter(sync_project::org_id.eq(id))).execute(conn)?;
        diesel::delete(image_store::table.filter(image_store::org_id.eq(id))).execute(conn)?;
        diesel::delete(account::table.filter(account::org_id.eq(id))).execute(conn)?;
        Ok(diesel::delete(org::table.find(id)).execute(conn)? == 1)
    })
}
