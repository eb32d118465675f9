//! Sync items: the repositories of a project and their selectors.

use super::project::project_by_id;
use crate::store::schema::{sync_item, sync_project};
use crate::store::{DbConnection, Error};
use diesel::prelude::*;

/// The `repository` of an item that names its repositories by pattern, in its options.
pub const BY_PATTERN: &str = "";

/// An item as stored.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = sync_item)]
#[allow(missing_docs)] // the fields are the columns
pub struct Item {
    pub id: i64,
    pub project_id: i64,
    pub repository: String,
    /// Selectors and other options, JSON.
    pub options: String,
}

/// Adds an item and returns its id; `None` if there is no such project.
pub fn item_create(
    conn: &mut DbConnection,
    org_id: i64,
    project_id: i64,
    repository: &str,
    options: &str,
) -> Result<Option<i64>, Error> {
    conn.write(|conn| {
        if project_by_id(conn, org_id, project_id)?.is_none() {
            return Ok(None);
        }
        let row = (
            sync_item::project_id.eq(project_id),
            sync_item::repository.eq(repository),
            sync_item::options.eq(options),
        );
        let insert = diesel::insert_into(sync_item::table)
            .values(row)
            .returning(sync_item::id);
        Ok(Some(on_backend!(conn, c => insert.get_result(c))?))
    })
}

/// Finds an item by its id.
pub fn item_by_id(conn: &mut DbConnection, org_id: i64, id: i64) -> Result<Option<Item>, Error> {
    Ok(sync_item::table
        .inner_join(sync_project::table)
        .filter(sync_item::id.eq(id))
        .filter(sync_project::org_id.eq(org_id))
        .select(Item::as_select())
        .first(conn)
        .optional()?)
}

/// At most `limit` items of a project with an id above `after_id` (0 for the first ones), by id.
pub fn item_list(
    conn: &mut DbConnection,
    org_id: i64,
    project_id: i64,
    after_id: i64,
    limit: i64,
) -> Result<Vec<Item>, Error> {
    Ok(sync_item::table
        .inner_join(sync_project::table)
        .filter(sync_item::project_id.eq(project_id))
        .filter(sync_project::org_id.eq(org_id))
        .filter(sync_item::id.gt(after_id))
        .order(sync_item::id)
        .limit(limit)
        .select(Item::as_select())
        .load(conn)?)
}

/// Replaces an item's repository and options; `false` if there is no such item.
pub fn item_update(
    conn: &mut DbConnection,
    org_id: i64,
    id: i64,
    repository: &str,
    options: &str,
) -> Result<bool, Error> {
    conn.write(|conn| {
        if item_by_id(conn, org_id, id)?.is_none() {
            return Ok(false);
        }
        let changed = diesel::update(sync_item::table.find(id))
            .set((
                sync_item::repository.eq(repository),
                sync_item::options.eq(options),
            ))
            .execute(conn)?;
        Ok(changed == 1)
    })
}

/// Removes an item; `false` if there is no such item.
pub fn item_delete(conn: &mut DbConnection, org_id: i64, id: i64) -> Result<bool, Error> {
    conn.write(|conn| {
        if item_by_id(conn, org_id, id)?.is_none() {
            return Ok(false);
        }
        Ok(diesel::delete(sync_item::table.find(id)).execute(conn)? == 1)
    })
}
