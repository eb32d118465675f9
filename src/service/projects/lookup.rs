//! Finds the project that a caller names.

use crate::service::Error;
use crate::service::error::shortened;
use crate::store::DbConnection;
use crate::store::projects::project::{Project, project_by_id, project_by_label, project_lock};

/// How a caller names a project.
#[derive(Clone, Debug)]
pub enum ProjectName {
    /// By its id.
    Id(i64),
    /// By its label.
    Label(String),
}

/// The project of that name, or a "not found" fault.
pub fn project_find(
    conn: &mut DbConnection,
    org: i64,
    name: &ProjectName,
) -> Result<Project, Error> {
    match name {
        ProjectName::Id(id) => project_by_id(conn, org, *id)?
            .ok_or_else(|| Error::NotFound(format!("there is no project with the id {id}"))),
        ProjectName::Label(label) => project_by_label(conn, org, label)?
            .ok_or_else(|| Error::NotFound(format!("there is no project `{}`", shortened(label)))),
    }
}

/// The same, locked until the transaction ends: its items and options can't change.
pub(in crate::service) fn project_find_locked(
    conn: &mut DbConnection,
    org: i64,
    name: &ProjectName,
) -> Result<Project, Error> {
    let id = project_find(conn, org, name)?.id;
    project_lock(conn, org, id)?;
    project_find(conn, org, name)
}
