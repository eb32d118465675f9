//! Organisations: each has its own accounts, stores, projects and runs.

use super::user::NewUser;
use super::user_rules::{last_admin_deleted, satellite_admin_stays};
use crate::service::batches::{STEP, in_steps};
use crate::service::error::shortened;
use crate::service::label::{LABEL_LIMIT, label_check};
use crate::service::runs::cancel::runs_cancel;
use crate::service::{App, Caller, Error, Role};
use crate::store;
use crate::store::DbConnection;
use crate::store::access::org::{self as rows, Org, org_active_users, org_by_id, org_first};
use crate::store::access::org::{org_by_name, org_create as org_insert};
use crate::store::projects::project::projects_disable;
use crate::store::projects::synced_tag::synced_forget_store;
use crate::store::runs::housekeeping::project_empty;
use crate::store::stores::image_store::image_store_list;

/// How a caller names an organisation.
#[derive(Clone, Debug)]
pub enum OrgName {
    /// By its id.
    Id(i64),
    /// By its name.
    Name(String),
}

/// An organisation, for output.
#[derive(Clone, Debug)]
pub struct OrgView {
    /// The row.
    pub org: Org,
    /// Number of its accounts that can log in.
    pub active_users: i64,
}

/// All organisations, by name.
pub async fn org_list(app: &App) -> Result<Vec<OrgView>, Error> {
    app.db
        .call(|conn| {
            let users = org_active_users(conn)?;
            let orgs = rows::org_list(conn, "", i64::MAX)?;
            let view = |org: Org| OrgView {
                active_users: users.get(&org.id).copied().unwrap_or_default(),
                org,
            };
            Ok(orgs.into_iter().map(view).collect())
        })
        .await
}

/// One organisation.
pub async fn org_details(app: &App, name: OrgName) -> Result<OrgView, Error> {
    app.db
        .call(move |conn| {
            let id = org_find(conn, &name)?.id;
            view_of(conn, id)
        })
        .await
}

/// Creates an organisation with its first administrator.
pub async fn org_create(app: &App, name: String, admin: NewUser) -> Result<OrgView, Error> {
    label_check("name", &name, LABEL_LIMIT)?;
    admin.check("adminLogin", "adminPassword")?;
    let hash = app.logins.hash(admin.password.clone()).await?;
    app.db
        .transaction(move |conn| {
            let id = org_insert(conn, &name).map_err(|error| taken(error, &name))?;
            admin.insert(conn, id, &hash, &[Role::OrgAdmin])?;
            view_of(conn, id)
        })
        .await
}

/// Deletes an organisation with its accounts, stores, projects and runs, except the first one and
/// the caller's own. Its projects are disabled and their runs cancelled first; an interrupted
/// deletion continues when it is requested again.
pub async fn org_delete(app: &App, caller: &Caller, id: i64) -> Result<(), Error> {
    let (own, login) = (caller.org_id(), caller.login().to_owned());
    let (projects, stores) = app
        .db
        .transaction(move |conn| {
            deletable(conn, own, id)?;
            let projects = projects_disable(conn, id, None)?;
            for project in &projects {
                runs_cancel(conn, id, *project, &login)?;
            }
            let stores = image_store_list(conn, id, "", i64::MAX)?;
            let stores: Vec<i64> = stores.into_iter().map(|store| store.id).collect();
            Ok::<_, Error>((projects, stores))
        })
        .await?;
    app.cancel_wake.notify_one();
    for project in projects {
        in_steps(&app.db, move |conn| project_empty(conn, project, STEP)).await?;
    }
    for store in stores {
        in_steps(&app.db, move |conn| synced_forget_store(conn, store, STEP)).await?;
    }
    app.db
        .transaction(move |conn| {
            deletable(conn, own, id)?;
            rows::org_delete(conn, id)?;
            Ok(())
        })
        .await
}

/// Refuses organisations that can't be deleted.
fn deletable(conn: &mut DbConnection, own: i64, id: i64) -> Result<(), Error> {
    let org = org_find(conn, &OrgName::Id(id))?;
    if org.id == own {
        let message =
            "it is your own organisation: only an administrator of another one can delete it";
        return Err(Error::invalid("id", message));
    }
    if Some(org.id) == org_first(conn)? {
        let message = "the first organisation can't be deleted, only renamed";
        return Err(Error::invalid("id", message));
    }
    satellite_admin_stays(conn, last_admin_deleted, |_, org_id| org_id == org.id)
}

/// Renames an organisation.
pub async fn org_rename(app: &App, id: i64, name: String) -> Result<OrgView, Error> {
    label_check("name", &name, LABEL_LIMIT)?;
    app.db
        .transaction(move |conn| {
            let org = org_find(conn, &OrgName::Id(id))?;
            rows::org_rename(conn, org.id, &name).map_err(|error| taken(error, &name))?;
            view_of(conn, org.id)
        })
        .await
}

fn view_of(conn: &mut DbConnection, id: i64) -> Result<OrgView, Error> {
    let org = org_find(conn, &OrgName::Id(id))?;
    let users = org_active_users(conn)?;
    Ok(OrgView {
        active_users: users.get(&id).copied().unwrap_or_default(),
        org,
    })
}

fn org_find(conn: &mut DbConnection, name: &OrgName) -> Result<Org, Error> {
    let id = match name {
        OrgName::Id(id) => Some(*id),
        OrgName::Name(name) => org_by_name(conn, name)?,
    };
    let found = match id {
        Some(id) => org_by_id(conn, id)?,
        None => None,
    };
    found.ok_or_else(|| {
        Error::OrgUnknown(match name {
            OrgName::Id(id) => format!("there is no organisation with the id {id}"),
            OrgName::Name(name) => {
                format!("there is no organisation named `{}`", shortened(name))
            }
        })
    })
}

fn taken(error: store::Error, name: &str) -> Error {
    match error {
        store::Error::Exists(_) => {
            Error::Exists(format!("an organisation named `{name}` already exists"))
        }
        other => other.into(),
    }
}
