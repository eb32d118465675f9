//! Sync projects.

use crate::store::base::clock::clock;
use crate::store::runs::run::RunStatus;
use crate::store::schema::{sync_project, tasko_run};
use crate::store::{DbConnection, Error, Moment};
use diesel::prelude::*;
use std::collections::HashMap;

/// A project as stored.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = sync_project)]
#[allow(missing_docs)] // the fields are the columns
pub struct Project {
    pub id: i64,
    pub org_id: i64,
    pub label: String,
    pub src_store_id: i64,
    pub dest_store_id: i64,
    pub enabled: bool,
    /// JSON.
    pub options: String,
    /// Increased by each change.
    pub version: i64,
    pub created: Moment,
    pub modified: Moment,
    /// Login of the account that changed it last.
    pub modified_by: String,
}

/// A project to create.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = sync_project)]
#[allow(missing_docs)]
pub struct NewProject<'a> {
    pub org_id: i64,
    pub label: &'a str,
    pub src_store_id: i64,
    pub dest_store_id: i64,
    pub enabled: bool,
    pub options: &'a str,
    pub modified_by: &'a str,
}

/// Changes to a project; `None` leaves a value unchanged.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = sync_project)]
#[allow(missing_docs)]
pub struct ProjectChange<'a> {
    pub src_store_id: Option<i64>,
    pub dest_store_id: Option<i64>,
    pub enabled: Option<bool>,
    pub options: Option<&'a str>,
    pub modified_by: &'a str,
}

/// Creates a project and returns its id; [`Error::Exists`] if the label is taken.
pub fn project_create(conn: &mut DbConnection, new: &NewProject<'_>) -> Result<i64, Error> {
    let time = clock(conn)?;
    let row = (
        new,
        sync_project::version.eq(1),
        sync_project::created.eq(time),
        sync_project::modified.eq(time),
    );
    let insert = diesel::insert_into(sync_project::table)
        .values(row)
        .returning(sync_project::id);
    Ok(on_backend!(conn, c => insert.get_result(c))?)
}

/// Finds a project by its label.
pub fn project_by_label(
    conn: &mut DbConnection,
    org_id: i64,
    label: &str,
) -> Result<Option<Project>, Error> {
    Ok(sync_project::table
        .filter(sync_project::org_id.eq(org_id))
        .filter(sync_project::label.eq(label))
        .select(Project::as_select())
        .first(conn)
        .optional()?)
}

/// Finds a project by its id.
pub fn project_by_id(
    conn: &mut DbConnection,
    org_id: i64,
    id: i64,
) -> Result<Option<Project>, Error> {
    Ok(sync_project::table
        .find(id)
        .filter(sync_project::org_id.eq(org_id))
        .select(Project::as_select())
        .first(conn)
        .optional()?)
}

/// At most `limit` projects of an organisation by label, after the first `offset`.
pub fn project_list(
    conn: &mut DbConnection,
    org_id: i64,
    offset: i64,
    limit: i64,
) -> Result<Vec<Project>, Error> {
    Ok(sync_project::table
        .filter(sync_project::org_id.eq(org_id))
        .order(sync_project::label)
        .offset(offset)
        .limit(limit)
        .select(Project::as_select())
        .load(conn)?)
}

/// A project's latest run.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = tasko_run)]
#[allow(missing_docs)]
pub struct LastRun {
    pub id: i64,
    pub status: RunStatus,
    pub end_time: Option<Moment>,
    pub warnings: i64,
}

/// The latest run of each project of an organisation that has one, by project id; for the projects
/// from the first label to the last.
pub fn project_last_runs(
    conn: &mut DbConnection,
    org_id: i64,
    (first, last): (&str, &str),
) -> Result<HashMap<i64, LastRun>, Error> {
    let other = diesel::alias!(tasko_run as other);
    let last_id = other
        .filter(
            other
                .field(tasko_run::project_id)
                .eq(sync_project::id.nullable()),
        )
        .select(diesel::dsl::max(other.field(tasko_run::id)))
        .single_value();
    Ok(sync_project::table
        .inner_join(tasko_run::table)
        .filter(sync_project::org_id.eq(org_id))
        .filter(sync_project::label.between(first, last))
        .filter(tasko_run::id.nullable().eq(last_id))
        .select((sync_project::id, LastRun::as_select()))
        .load::<(i64, LastRun)>(conn)?
        .into_iter()
        .collect())
}

/// Locks a project until the transaction ends, so that decisions based on its items and runs still
/// hold when they are written. SQLite's write transactions are exclusive anyway.
pub fn project_lock(conn: &mut DbConnection, org_id: i64, id: i64) -> Result<bool, Error> {
    let project = sync_project::table
        .find(id)
        .filter(sync_project::org_id.eq(org_id))
        .select(sync_project::id);
    let found: Option<i64> = match conn {
        DbConnection::Postgres(c) => project.for_update().first(c).optional()?,
        DbConnection::Sqlite(c) => project.first(c).optional()?,
    };
    Ok(found.is_some())
}

/// Changes a project; `false` if there is none. [`Error::Stale`] if `version` is given and isn't
/// the current one.
pub fn project_update(
    conn: &mut DbConnection,
    org_id: i64,
    id: i64,
    version: Option<i64>,
    change: &ProjectChange<'_>,
) -> Result<bool, Error> {
    conn.write(|conn| {
        if !project_lock(conn, org_id, id)? {
            return Ok(false);
        }
        let Some(current) = project_by_id(conn, org_id, id)? else {
            return Ok(false);
        };
        if version.is_some_and(|version| version != current.version) {
            return Err(Error::Stale {
                version: current.version,
                modified: current.modified,
                modified_by: current.modified_by,
            });
        }
        let time = clock(conn)?;
        diesel::update(sync_project::table.find(id))
            .set((
                change,
                sync_project::version.eq(sync_project::version + 1),
                sync_project::modified.eq(time),
            ))
            .execute(conn)?;
        Ok(true)
    })
}

/// Notes that a project's items were changed, and by whom.
pub fn project_touch(conn: &mut DbConnection, id: i64, login: &str) -> Result<(), Error> {
    let time = clock(conn)?;
    diesel::update(sync_project::table.find(id))
        .set((
            sync_project::modified.eq(time),
            sync_project::modified_by.eq(login),
        ))
        .execute(conn)?;
    Ok(())
}

/// Disables projects: one of an organisation, or all of them.
pub fn projects_disable(
    conn: &mut DbConnection,
    org_id: i64,
    only: Option<i64>,
) -> Result<Vec<i64>, Error> {
    conn.write(|conn| {
        let mut found = sync_project::table
            .filter(sync_project::org_id.eq(org_id))
            .select(sync_project::id)
            .into_boxed();
        if let Some(id) = only {
            found = found.filter(sync_project::id.eq(id));
        }
        let ids: Vec<i64> = found.load(conn)?;
        for id in &ids {
            diesel::update(sync_project::table.find(id))
                .set(sync_project::enabled.eq(false))
                .execute(conn)?;
        }
        Ok(ids)
    })
}

/// Removes a project with its items, runs, results and logs; `false` if there is none. A worker
/// still running it finds its next write refused, and stops.
pub fn project_delete(conn: &mut DbConnection, org_id: i64, id: i64) -> Result<bool, Error> {
    let project = sync_project::table
        .find(id)
        .filter(sync_project::org_id.eq(org_id));
    Ok(diesel::delete(project).execute(conn)? == 1)
}
