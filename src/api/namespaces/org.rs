//! `org`: the organisations of the server.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Answer, PAGE};
use crate::api::error::code;
use crate::api::value::{Done, Either, Timestamp};
use crate::api::{ApiError, Builder, Context, NamespaceBuilder, param};
use crate::service::Role;
use crate::service::access::org::{self as service, OrgName, OrgView};
use crate::service::access::user::NewUser;
use crate::service::paging::Slice;
use crate::service::stores::settings::Password;

const ID: &str = "id of the organisation";

/// An organisation.
#[derive(Debug, Serialize, JsonSchema)]
struct Org {
    id: i64,
    name: String,
    /// Number of its accounts that can log in.
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
    let doc = "Organisations, each with its own accounts, stores, projects and runs.";
    builder.namespace("org", "OrgHandler", doc, |ns| {
        show(ns);
        change(ns);
    });
}

fn show(ns: &mut NamespaceBuilder<'_>) {
    ns.method("listOrgs", "List the organisations.", PAGE, list)
        .returns("organisations, by name")
        .read_only()
        .role(Role::SatelliteAdmin);
    ns.method(
        "getDetails",
        "Show an organisation.",
        [param("id", ID).or("name", "name of the organisation")],
        details,
    )
    .faults([code::ORG_UNKNOWN])
    .returns("the organisation")
    .read_only()
    .role(Role::SatelliteAdmin);
}

async fn list(context: Context, limit: Option<i32>, offset: Option<i32>) -> Answer<Vec<Org>> {
    let slice = Slice::optional(limit, offset)?;
    let all = service::org_list(context.app()).await?;
    Ok(slice.of(all.into_iter().map(Org::from)))
}

async fn details(context: Context, name: Either<i32, String>) -> Answer<Org> {
    let name = match name {
        Either::First(id) => OrgName::Id(id.into()),
        Either::Second(name) => OrgName::Name(name),
    };
    Ok(service::org_details(context.app(), name).await?.into())
}

fn change(ns: &mut NamespaceBuilder<'_>) {
    let new = [
        param("name", "name of the new organisation; unique"),
        param(
            "adminLogin",
            "login of its administrator, following the rules of user.create",
        ),
        param("adminPassword", "the administrator's password"),
        param("prefix", "title, such as `Dr.`; may be empty"),
        param("first", "first name; may be empty"),
        param("last", "last name; may be empty"),
        param("email", "e-mail address; may be empty"),
        param("usePam", "must be false: PAM isn't supported"),
    ];
    ns.method(
        "create",
        "Create an organisation with its administrator.",
        new,
        create,
    )
    .faults([code::EXISTS])
    .returns("the organisation")
    .role(Role::SatelliteAdmin);
    let id = param("id", ID);
    ns.method(
        "delete",
        "Delete an organisation with its accounts, stores, projects and runs.",
        [id],
        delete,
    )
    .faults([code::ORG_UNKNOWN])
    .role(Role::SatelliteAdmin);
    ns.method(
        "updateName",
        "Rename an organisation.",
        [id, param("name", "the new name")],
        update_name,
    )
    .faults([code::ORG_UNKNOWN, code::EXISTS])
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
        let message = "PAM isn't supported: give false and a password";
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
