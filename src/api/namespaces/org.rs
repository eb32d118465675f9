//! `org`: the organisations of the server.

use schemars::JsonSchema;
use serde::Serialize;

use super::{LIMIT, OFFSET};
use crate::api::value::{Done, Timestamp};
use crate::api::{ApiError, Builder, Context, Namespace, param};
use crate::service::Role;
use crate::service::access::org::{self as service, OrgName, OrgView};
use crate::service::access::user::NewUser;
use crate::service::paging::Slice;
use crate::service::stores::settings::Password;

type Answer<T> = Result<T, ApiError>;

const ID: &str = "id of the organisation";

/// An organisation.
#[derive(Debug, Serialize, JsonSchema)]
struct Org {
    id: i64,
    name: String,
    /// How many of its accounts may log in.
    active_users: i64,
    created: Timestamp,
}

impl From<OrgView> for Org {
    fn from(view: OrgView) -> Org {
        Org {
            id: view.org.id,
            name: view.org.name,
            active_users: view.active_users,
            created: Timestamp(view.org.created.and_utc()),
        }
    }
}

pub(super) fn define(builder: &mut Builder) {
    let doc = "Organisations: each has its own accounts, stores, projects and runs.";
    builder.namespace("org", "OrgHandler", doc, |ns| {
        show(ns);
        change(ns);
    });
}

fn show(ns: &mut Namespace) {
    ns.method("listOrgs", "List the organisations.", [], list)
        .returns("organisations, by name")
        .read_only()
        .role(Role::SatelliteAdmin);
    ns.method(
        "listOrgs",
        "List a part of the organisations.",
        [param("limit", LIMIT), param("offset", OFFSET)],
        list_slice,
    )
    .returns("organisations, by name")
    .read_only()
    .role(Role::SatelliteAdmin);
    ns.method(
        "getDetails",
        "Show an organisation.",
        [param("id", ID)],
        details_by_id,
    )
    .returns("the organisation")
    .read_only()
    .role(Role::SatelliteAdmin);
    ns.method(
        "getDetails",
        "Show an organisation.",
        [param("name", "name of the organisation")],
        details_by_name,
    )
    .returns("the organisation")
    .read_only()
    .role(Role::SatelliteAdmin);
}

async fn list(context: Context) -> Answer<Vec<Org>> {
    orgs(&context, Slice::ALL).await
}

async fn list_slice(context: Context, limit: i32, offset: i32) -> Answer<Vec<Org>> {
    orgs(&context, Slice::new(limit.into(), offset.into())?).await
}

async fn orgs(context: &Context, slice: Slice) -> Answer<Vec<Org>> {
    let all = service::org_list(context.app()).await?;
    Ok(slice.of(all.into_iter().map(Org::from)))
}

async fn details_by_id(context: Context, id: i32) -> Answer<Org> {
    details(&context, OrgName::Id(id.into())).await
}

async fn details_by_name(context: Context, name: String) -> Answer<Org> {
    details(&context, OrgName::Name(name)).await
}

async fn details(context: &Context, name: OrgName) -> Answer<Org> {
    Ok(service::org_details(context.app(), name).await?.into())
}

fn change(ns: &mut Namespace) {
    let new = [
        param("name", "name of the new organisation; unique"),
        param(
            "adminLogin",
            "login of its administrator, as in user.create",
        ),
        param("adminPassword", "the administrator's password"),
        param("prefix", "such as `Dr.`; may be empty"),
        param("first", "first names; may be empty"),
        param("last", "last name; may be empty"),
        param("email", "address for mail; may be empty"),
        param("usePam", "false: there is no PAM here"),
    ];
    ns.method(
        "create",
        "Make an organisation with its administrator.",
        new,
        create,
    )
    .returns("the organisation")
    .role(Role::SatelliteAdmin);
    let id = param("id", ID);
    ns.method(
        "delete",
        "Delete an organisation with its accounts, stores, projects and runs.",
        [id],
        delete,
    )
    .role(Role::SatelliteAdmin);
    ns.method(
        "updateName",
        "Rename an organisation.",
        [id, param("name", "the new name")],
        update_name,
    )
    .returns("the organisation")
    .role(Role::SatelliteAdmin);
}

#[expect(clippy::too_many_arguments, reason = "the parameters are Uyuni's")]
async fn create(
    context: Context,
    name: String,
    login: String,
    password: Password,
    prefix: String,
    first: String,
    last: String,
    email: String,
    use_pam: bool,
) -> Answer<Org> {
    if use_pam {
        let message = "there is no PAM here: give false, and a password";
        return Err(ApiError::validation("usePam", message));
    }
    let admin = NewUser {
        login,
        password: password.0,
        prefix,
        first_name: first,
        last_name: last,
        email,
    };
    Ok(service::org_create(context.app(), name, admin)
        .await?
        .into())
}

async fn delete(context: Context, id: i32) -> Answer<Done> {
    service::org_delete(context.app(), context.caller(), id.into()).await?;
    Ok(Done)
}

async fn update_name(context: Context, id: i32, name: String) -> Answer<Org> {
    Ok(service::org_rename(context.app(), id.into(), name)
        .await?
        .into())
}
