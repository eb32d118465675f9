//! The accounts of an organisation: create, show, change, delete; and their roles.

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

use super::user_rules::{
    email_check, last_admin_changed, last_admin_deleted, login_check, may_change, name_check,
    password_check, role_parse, satellite_admin_stays,
};
use crate::service::error::shortened;
use crate::service::paging::{Rows, Slice, rows};
use crate::service::stores::settings::Password;
use crate::service::{App, Caller, Error, Role};
use crate::store;
use crate::store::DbConnection;
use crate::store::access::account::{
    Account, AccountChange, NewAccount, account_by_login, account_by_login_locked, account_create,
    account_delete, account_list, account_update, role_add, role_list, role_remove,
};
use crate::store::access::org::org_by_id;
use crate::store::access::session::{session_delete_of, session_delete_others};

/// An account to create.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The login; unique on the server, ignoring case.
    pub login: String,
    /// The password.
    pub password: SecretString,
    /// Title, such as `Dr.`; may be empty.
    pub prefix: String,
    /// First name; may be empty.
    pub first_name: String,
    /// Last name; may be empty.
    pub last_name: String,
    /// E-mail address; may be empty.
    pub email: String,
}

impl NewUser {
    pub(in crate::service) fn check(
        &self,
        login_field: &str,
        password_field: &str,
    ) -> Result<(), Error> {
        login_check(login_field, &self.login)?;
        password_check(password_field, &self.password)?;
        name_check("prefix", &self.prefix)?;
        name_check("first", &self.first_name)?;
        name_check("last", &self.last_name)?;
        email_check("email", &self.email)
    }

    /// Inserts the row; the password was hashed before, since that takes a while.
    pub(in crate::service) fn insert(
        &self,
        conn: &mut DbConnection,
        org_id: i64,
        password_hash: &str,
        roles: &[Role],
    ) -> Result<(), Error> {
        let new = NewAccount {
            org_id,
            login: &self.login,
            password_hash,
            prefix: &self.prefix,
            first_name: &self.first_name,
            last_name: &self.last_name,
            email: &self.email,
            enabled: true,
            read_only: false,
        };
        match account_create(conn, &new, roles) {
            Ok(_) => Ok(()),
            Err(store::Error::Exists(_)) => Err(Error::Exists(format!(
                "the login `{}` is taken",
                self.login
            ))),
            Err(other) => Err(other.into()),
        }
    }
}

/// Changes to an account. Omitted members stay unchanged; "" clears a text.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserDetails {
    /// First names.
    pub first_name: Option<String>,
    /// Older name of `first_name`; give only one of them.
    pub first_names: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// Address for mail.
    pub email: Option<String>,
    /// Such as `Dr.`.
    pub prefix: Option<String>,
    /// The new password.
    pub password: Option<Password>,
}

impl UserDetails {
    fn check(&self) -> Result<(), Error> {
        if self.first_name.is_some() && self.first_names.is_some() {
            let message = "it is an alias of `first_name`: give only one of them";
            return Err(Error::invalid("first_names", message));
        }
        let check = |field: &str, text: &Option<String>| match text {
            Some(text) => name_check(field, text),
            None => Ok(()),
        };
        check("first_name", &self.first_name)?;
        check("first_names", &self.first_names)?;
        check("last_name", &self.last_name)?;
        check("prefix", &self.prefix)?;
        if let Some(email) = &self.email {
            email_check("email", email)?;
        }
        match &self.password {
            Some(Password(password)) => password_check("password", password),
            None => Ok(()),
        }
    }
}

/// An account, for output.
#[derive(Clone, Debug)]
pub struct UserView {
    /// The row.
    pub account: Account,
    /// The name of its organisation.
    pub org_name: String,
}

/// All accounts of the caller's organisation, by login.
pub async fn user_list(app: &App, caller: &Caller, slice: Slice) -> Result<Rows<Account>, Error> {
    let org = caller.org_id();
    rows(app, slice, move |_| {
        let mut after = String::new();
        let read = move |conn: &mut DbConnection, number: i64, count| {
            let page = account_list(conn, org, &after, count)?;
            let Some(last) = page.last() else {
                return Ok((None, page));
            };
            after = last.login.to_uppercase();
            Ok((Some(number + 1), page))
        };
        Ok((0, read))
    })
    .await
}

/// One account.
pub async fn user_details(app: &App, caller: &Caller, login: String) -> Result<UserView, Error> {
    let org = caller.org_id();
    app.db
        .call(move |conn| {
            let account = user_find(conn, org, &login)?;
            let org = org_by_id(conn, account.org_id)?
                .ok_or_else(|| Error::unexpected("an account's organisation is gone"))?;
            Ok(UserView {
                account,
                org_name: org.name,
            })
        })
        .await
}

/// Creates an account without roles.
pub async fn user_create(app: &App, caller: &Caller, new: NewUser) -> Result<(), Error> {
    new.check("login", "password")?;
    let hash = app.logins.hash(new.password.clone()).await?;
    let org = caller.org_id();
    app.db
        .transaction(move |conn| new.insert(conn, org, &hash, &[]))
        .await
}

/// Changes an account: all of `details`, or nothing. A new password ends all sessions of the
/// account except the calling one.
pub async fn user_set_details(
    app: &App,
    caller: &Caller,
    login: String,
    details: UserDetails,
) -> Result<(), Error> {
    details.check()?;
    let hash = match &details.password {
        Some(Password(password)) => Some(app.logins.hash(password.clone()).await?),
        None => None,
    };
    change(app, caller, login, move |conn, caller, account| {
        let first_name = details.first_name.as_ref().or(details.first_names.as_ref());
        let change = AccountChange {
            password_hash: hash.as_deref(),
            prefix: details.prefix.as_deref(),
            first_name: first_name.map(String::as_str),
            last_name: details.last_name.as_deref(),
            email: details.email.as_deref(),
            ..AccountChange::default()
        };
        account_update(conn, account.id, change)?;
        if hash.is_some() {
            session_delete_others(conn, account.id, caller.session_id())?;
        }
        Ok(())
    })
    .await
}

/// Refuses to take the administration of the server from the last account that has it.
fn satellite_admin_keeps(conn: &mut DbConnection, account: &Account) -> Result<(), Error> {
    let refusal = || last_admin_changed(&account.login);
    satellite_admin_stays(conn, refusal, |id, _| id == account.id)
}

/// Deletes an account; its sessions end at once.
pub async fn user_delete(app: &App, caller: &Caller, login: String) -> Result<(), Error> {
    change(app, caller, login, |conn, _, account| {
        satellite_admin_stays(conn, last_admin_deleted, |id, _| id == account.id)?;
        account_delete(conn, account.id)?;
        Ok(())
    })
    .await
}

/// Enables or disables an account; disabling ends its sessions at once.
pub async fn user_set_enabled(
    app: &App,
    caller: &Caller,
    login: String,
    enabled: bool,
) -> Result<(), Error> {
    change(app, caller, login, move |conn, _, account| {
        if !enabled {
            satellite_admin_keeps(conn, account)?;
            session_delete_of(conn, account.id)?;
        }
        let change = AccountChange {
            enabled: Some(enabled),
            ..AccountChange::default()
        };
        account_update(conn, account.id, change)?;
        Ok(())
    })
    .await
}

/// Makes an account read-only, or not.
pub async fn user_set_read_only(
    app: &App,
    caller: &Caller,
    login: String,
    read_only: bool,
) -> Result<(), Error> {
    change(app, caller, login, move |conn, _, account| {
        if read_only {
            satellite_admin_keeps(conn, account)?;
        }
        let change = AccountChange {
            read_only: Some(read_only),
            ..AccountChange::default()
        };
        account_update(conn, account.id, change)?;
        Ok(())
    })
    .await
}

/// Adds a role; no error if the account has it already.
pub async fn user_role_add(
    app: &App,
    caller: &Caller,
    login: String,
    role: String,
) -> Result<(), Error> {
    change(app, caller, login, move |conn, caller, account| {
        let role = role_for(caller, &role)?;
        if !role_list(conn, account.id)?.contains(&role) {
            role_add(conn, account.id, role)?;
        }
        Ok(())
    })
    .await
}

/// Removes a role; no error if the account doesn't have it.
pub async fn user_role_remove(
    app: &App,
    caller: &Caller,
    login: String,
    role: String,
) -> Result<(), Error> {
    change(app, caller, login, move |conn, caller, account| {
        let role = role_for(caller, &role)?;
        if role == Role::SatelliteAdmin {
            satellite_admin_keeps(conn, account)?;
        }
        role_remove(conn, account.id, role)?;
        Ok(())
    })
    .await
}

/// The roles assigned to an account, without implied ones.
pub async fn user_roles(app: &App, caller: &Caller, login: String) -> Result<Vec<Role>, Error> {
    let org = caller.org_id();
    app.db
        .call(move |conn| {
            let account = user_find(conn, org, &login)?;
            Ok(role_list(conn, account.id)?)
        })
        .await
}

/// The roles that the caller could assign, if an organisation administrator.
pub fn roles_assignable(caller: &Caller) -> Vec<Role> {
    let mut roles: Vec<Role> = Role::ALL.to_vec();
    roles.retain(|role| role_for(caller, role.as_str()).is_ok());
    roles.sort_by_key(|role| role.as_str());
    roles
}

/// The role of that name, if the caller may assign and remove it.
fn role_for(caller: &Caller, name: &str) -> Result<Role, Error> {
    let role = role_parse(name)?;
    if role == Role::SatelliteAdmin && !caller.has_role(role) {
        return Err(Error::Permission(role));
    }
    Ok(role)
}

/// Changes an account of the caller's organisation in one transaction.
async fn change(
    app: &App,
    caller: &Caller,
    login: String,
    body: impl FnOnce(&mut DbConnection, &Caller, &Account) -> Result<(), Error> + Send + 'static,
) -> Result<(), Error> {
    let caller = caller.clone();
    app.db
        .transaction(move |conn| {
            let account = account_by_login_locked(conn, &login)?
                .filter(|account| account.org_id == caller.org_id())
                .ok_or_else(|| Error::UserUnknown(shortened(&login)))?;
            may_change(conn, &caller, account.id)?;
            body(conn, &caller, &account)
        })
        .await
}

fn user_find(conn: &mut DbConnection, org: i64, login: &str) -> Result<Account, Error> {
    account_by_login(conn, login)?
        .filter(|account| account.org_id == org)
        .ok_or_else(|| Error::UserUnknown(shortened(login)))
}
