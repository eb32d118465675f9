//! `user`: the accounts of the caller's organisation.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Answer, PAGE};
use crate::api::error::code;
use crate::api::value::{Done, Timestamp};
use crate::api::{Builder, Context, List, NamespaceBuilder, param};
use crate::service::Role;
use crate::service::access::user::{self as service, NewUser, UserDetails, UserView};
use crate::service::paging::Slice;
use crate::service::stores::settings::Password;
use crate::store::access::account::Account;

const LOGIN: &str = "the login, case-insensitive";
const ROLE: &str = "the role: `image_admin`, `org_admin` or `satellite_admin`";

/// An account in a list.
#[derive(Debug, Serialize, JsonSchema)]
struct User {
    id: i64,
    login: String,
    /// The login in upper case.
    login_uc: String,
    /// Whether it can log in.
    enabled: bool,
}

impl From<Account> for User {
    fn from(account: Account) -> User {
        User {
            id: account.id,
            login_uc: account.login.to_uppercase(),
            login: account.login,
            enabled: account.enabled,
        }
    }
}

/// An account.
#[derive(Debug, Serialize, JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "the members are Uyuni's")]
struct Details {
    first_name: String,
    /// The same as `first_name`.
    first_names: String,
    last_name: String,
    email: String,
    prefix: String,
    /// Omitted if it never logged in.
    last_login_date: Option<Timestamp>,
    created_date: Timestamp,
    org_id: i64,
    org_name: String,
    /// Whether it can log in.
    enabled: bool,
    /// Always false.
    use_pam: bool,
    /// Whether it is read-only.
    read_only: bool,
    /// Always false.
    errata_notification: bool,
}

impl From<UserView> for Details {
    fn from(view: UserView) -> Details {
        let account = view.account;
        Details {
            first_names: account.first_name.clone(),
            first_name: account.first_name,
            last_name: account.last_name,
            email: account.email,
            prefix: account.prefix,
            last_login_date: account.last_login.map(|time| Timestamp(time.and_utc())),
            created_date: Timestamp(account.created.and_utc()),
            org_id: account.org_id,
            org_name: view.org_name,
            enabled: account.enabled,
            use_pam: false,
            read_only: account.read_only,
            errata_notification: false,
        }
    }
}

pub(super) fn define(builder: &mut Builder) {
    let doc = "Accounts of the organisation.";
    builder.namespace("user", "UserHandler", doc, |ns| {
        show(ns);
        change(ns);
        roles(ns);
    });
}

fn show(ns: &mut NamespaceBuilder<'_>) {
    ns.method("listUsers", "List the accounts.", PAGE, list)
        .returns("accounts, by login")
        .read_only()
        .role(Role::OrgAdmin);
    ns.method(
        "getDetails",
        "Show an account.",
        [param("login", LOGIN)],
        details,
    )
    .faults([code::USER_UNKNOWN])
    .returns("the account; missing texts are \"\"")
    .read_only()
    .role(Role::OrgAdmin)
    .or_self();
}

async fn list(context: Context, limit: Option<i32>, offset: Option<i32>) -> Answer<List<User>> {
    let slice = Slice::optional(limit, offset)?;
    let found = service::user_list(context.app(), context.caller(), slice).await?;
    Ok(List::of_rows(found, User::from))
}

async fn details(context: Context, login: String) -> Answer<Details> {
    let view = service::user_details(context.app(), context.caller(), login).await?;
    Ok(view.into())
}

fn change(ns: &mut NamespaceBuilder<'_>) {
    let login = param("login", LOGIN);
    let new = [
        param(
            "login",
            "the login: at least 5 characters, no white space, none of & + % ' ` \" = #; unique on the server",
        ),
        param("password", "the password, at least 5 characters"),
        param("first", "first name; may be empty"),
        param("last", "last name; may be empty"),
        param("email", "e-mail address; may be empty"),
    ];
    ns.method("create", "Create an account without roles.", new, create)
        .faults([code::EXISTS])
        .role(Role::OrgAdmin);
    let details = param(
        "details",
        "`first_name`, `last_name`, `email`, `prefix`, `password`",
    );
    ns.method(
        "setDetails",
        "Change an account; omitted members stay unchanged.",
        [login, details],
        set_details,
    )
    .faults([code::USER_UNKNOWN])
    .role(Role::OrgAdmin);
    ns.method(
        "delete",
        "Delete an account; its sessions end at once.",
        [login],
        delete,
    )
    .faults([code::USER_UNKNOWN])
    .role(Role::OrgAdmin);
    ns.method("enable", "Enable an account.", [login], enable)
        .faults([code::USER_UNKNOWN])
        .role(Role::OrgAdmin);
    ns.method(
        "disable",
        "Disable an account; its sessions end at once.",
        [login],
        disable,
    )
    .faults([code::USER_UNKNOWN])
    .role(Role::OrgAdmin);
    let read_only = param("readOnly", "whether the account is read-only");
    ns.method(
        "setReadOnly",
        "Make an account read-only, or allow it to change things.",
        [login, read_only],
        set_read_only,
    )
    .faults([code::USER_UNKNOWN])
    .role(Role::OrgAdmin);
}

async fn create(
    context: Context,
    login: String,
    password: Password,
    first: String,
    last: String,
    email: String,
) -> Answer<Done> {
    let new = NewUser {
        login,
        password: password.0,
        prefix: String::new(),
        first_name: first,
        last_name: last,
        email,
    };
    service::user_create(context.app(), context.caller(), new).await?;
    Ok(Done)
}

async fn set_details(context: Context, login: String, details: UserDetails) -> Answer<Done> {
    service::user_set_details(context.app(), context.caller(), login, details).await?;
    Ok(Done)
}

async fn delete(context: Context, login: String) -> Answer<Done> {
    service::user_delete(context.app(), context.caller(), login).await?;
    Ok(Done)
}

async fn enable(context: Context, login: String) -> Answer<Done> {
    service::user_set_enabled(context.app(), context.caller(), login, true).await?;
    Ok(Done)
}

async fn disable(context: Context, login: String) -> Answer<Done> {
    service::user_set_enabled(context.app(), context.caller(), login, false).await?;
    Ok(Done)
}

async fn set_read_only(context: Context, login: String, read_only: bool) -> Answer<Done> {
    service::user_set_read_only(context.app(), context.caller(), login, read_only).await?;
    Ok(Done)
}

fn roles(ns: &mut NamespaceBuilder<'_>) {
    let (login, role) = (param("login", LOGIN), param("role", ROLE));
    ns.method(
        "addRole",
        "Add a role; adding `satellite_admin` requires that role.",
        [login, role],
        add_role,
    )
    .faults([code::USER_UNKNOWN, code::ROLE_UNKNOWN])
    .role(Role::OrgAdmin);
    ns.method(
        "removeRole",
        "Remove a role; removing `satellite_admin` requires that role.",
        [login, role],
        remove_role,
    )
    .faults([code::USER_UNKNOWN, code::ROLE_UNKNOWN])
    .role(Role::OrgAdmin);
    ns.method(
        "listRoles",
        "List the roles of an account.",
        [login],
        list_roles,
    )
    .faults([code::USER_UNKNOWN])
    .returns("the assigned roles, without implied ones")
    .read_only()
    .role(Role::OrgAdmin)
    .or_self();
    ns.method(
        "listAssignableRoles",
        "List the roles that can be assigned.",
        [],
        list_assignable,
    )
    .returns("roles; includes `satellite_admin` only if the caller has it")
    .read_only()
    .any_user();
}

async fn add_role(context: Context, login: String, role: String) -> Answer<Done> {
    service::user_role_add(context.app(), context.caller(), login, role).await?;
    Ok(Done)
}

async fn remove_role(context: Context, login: String, role: String) -> Answer<Done> {
    service::user_role_remove(context.app(), context.caller(), login, role).await?;
    Ok(Done)
}

async fn list_roles(context: Context, login: String) -> Answer<Vec<String>> {
    let roles = service::user_roles(context.app(), context.caller(), login).await?;
    Ok(names(&roles))
}

async fn list_assignable(context: Context) -> Answer<Vec<String>> {
    Ok(names(&service::roles_assignable(context.caller())))
}

fn names(roles: &[Role]) -> Vec<String> {
    roles.iter().map(Role::to_string).collect()
}
