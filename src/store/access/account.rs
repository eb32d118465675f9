//! Accounts and their roles.

use crate::store::base::clock::clock;
use crate::store::schema::{account, account_role};
use crate::store::{DbConnection, Error, Moment};
use diesel::prelude::*;

text_enum! {
    /// What an account may do.
    Role {
        /// Runs the server: organisations, the job runner.
        SatelliteAdmin => "satellite_admin",
        /// Runs an organisation; implies [`Role::ImageAdmin`].
        OrgAdmin => "org_admin",
        /// Stores and projects.
        ImageAdmin => "image_admin",
    }
}

/// An account as stored.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable)]
#[diesel(table_name = account)]
#[allow(missing_docs)] // the fields are the columns
pub struct Account {
    pub id: i64,
    pub org_id: i64,
    pub login: String,
    /// A PHC string (argon2id).
    pub password_hash: String,
    pub prefix: String,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub enabled: bool,
    pub read_only: bool,
    pub created: Moment,
    pub last_login: Option<Moment>,
}

/// An account to create.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = account)]
#[allow(missing_docs)]
pub struct NewAccount<'a> {
    pub org_id: i64,
    pub login: &'a str,
    pub password_hash: &'a str,
    pub prefix: &'a str,
    pub first_name: &'a str,
    pub last_name: &'a str,
    pub email: &'a str,
    pub enabled: bool,
    pub read_only: bool,
}

/// Creates an account with its roles and returns its id; [`Error::Exists`] if the login is taken,
/// ignoring case.
pub fn account_create(
    conn: &mut DbConnection,
    new: &NewAccount<'_>,
    roles: &[Role],
) -> Result<i64, Error> {
    conn.write(|conn| {
        let row = (
            new,
            account::login_uc.eq(new.login.to_uppercase()),
            account::created.eq(clock(conn)?),
        );
        let insert = diesel::insert_into(account::table)
            .values(row)
            .returning(account::id);
        let id: i64 = on_backend!(&mut *conn, c => insert.get_result(c))?;
        for role in roles {
            role_add(conn, id, *role)?;
        }
        Ok(id)
    })
}

/// The number of accounts; 0 means that the server isn't set up yet.
pub fn account_count(conn: &mut DbConnection) -> Result<i64, Error> {
    Ok(account::table.count().get_result(conn)?)
}

/// Finds an account by its login, ignoring case.
pub fn account_by_login(conn: &mut DbConnection, login: &str) -> Result<Option<Account>, Error> {
    Ok(account::table
        .filter(account::login_uc.eq(login.to_uppercase()))
        .select(Account::as_select())
        .first(conn)
        .optional()?)
}

/// Finds an account by its id.
pub fn account_by_id(conn: &mut DbConnection, id: i64) -> Result<Option<Account>, Error> {
    Ok(account::table
        .find(id)
        .select(Account::as_select())
        .first(conn)
        .optional()?)
}

/// Records that the account has just logged in.
pub fn account_login_stamp(conn: &mut DbConnection, id: i64) -> Result<(), Error> {
    let time = clock(conn)?;
    diesel::update(account::table.find(id))
        .set(account::last_login.eq(time))
        .execute(conn)?;
    Ok(())
}

/// Finds an account by its login and locks it until the transaction ends. SQLite's write
/// transactions are exclusive anyway.
pub fn account_by_login_locked(
    conn: &mut DbConnection,
    login: &str,
) -> Result<Option<Account>, Error> {
    if let DbConnection::Postgres(conn) = conn {
        account::table
            .filter(account::login_uc.eq(login.to_uppercase()))
            .select(account::id)
            .for_update()
            .load::<i64>(conn)?;
    }
    account_by_login(conn, login)
}

/// What to change of an account; `None` leaves it as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, AsChangeset)]
#[diesel(table_name = account)]
#[allow(missing_docs)]
pub struct AccountChange<'a> {
    pub password_hash: Option<&'a str>,
    pub prefix: Option<&'a str>,
    pub first_name: Option<&'a str>,
    pub last_name: Option<&'a str>,
    pub email: Option<&'a str>,
    pub enabled: Option<bool>,
    pub read_only: Option<bool>,
}

/// Changes an account; `false` if there is none.
pub fn account_update(
    conn: &mut DbConnection,
    id: i64,
    change: AccountChange<'_>,
) -> Result<bool, Error> {
    if change == AccountChange::default() {
        return Ok(account_by_id(conn, id)?.is_some());
    }
    let changed = diesel::update(account::table.find(id))
        .set(change)
        .execute(conn)?;
    Ok(changed == 1)
}

/// At most `limit` accounts of an organisation whose login sorts after `after_login_uc` (in upper
/// case; "" for the first ones), by login.
pub fn account_list(
    conn: &mut DbConnection,
    org_id: i64,
    after_login_uc: &str,
    limit: i64,
) -> Result<Vec<Account>, Error> {
    Ok(account::table
        .filter(account::org_id.eq(org_id))
        .filter(account::login_uc.gt(after_login_uc))
        .order(account::login_uc)
        .limit(limit)
        .select(Account::as_select())
        .load(conn)?)
}

/// Removes an account with its roles and sessions; `false` if there is none.
pub fn account_delete(conn: &mut DbConnection, id: i64) -> Result<bool, Error> {
    Ok(diesel::delete(account::table.find(id)).execute(conn)? == 1)
}

/// Locks every account that has `role` until the transaction ends, so that removing the role from
/// one of them sees who else has it. SQLite's write transactions are exclusive anyway.
pub fn role_lock(conn: &mut DbConnection, role: Role) -> Result<(), Error> {
    if let DbConnection::Postgres(conn) = conn {
        account_role::table
            .filter(account_role::role.eq(role))
            .order(account_role::account_id)
            .select(account_role::account_id)
            .for_update()
            .load::<i64>(conn)?;
    }
    Ok(())
}

/// The enabled accounts that hold `role` and aren't read-only, with their organisations.
pub fn role_holders(conn: &mut DbConnection, role: Role) -> Result<Vec<(i64, i64)>, Error> {
    Ok(account_role::table
        .inner_join(account::table)
        .filter(account_role::role.eq(role))
        .filter(account::enabled.eq(true))
        .filter(account::read_only.eq(false))
        .select((account::id, account::org_id))
        .load(conn)?)
}

/// Adds a role; [`Error::Exists`] if the account has it.
pub fn role_add(conn: &mut DbConnection, account_id: i64, role: Role) -> Result<(), Error> {
    let row = (
        account_role::account_id.eq(account_id),
        account_role::role.eq(role),
    );
    diesel::insert_into(account_role::table)
        .values(row)
        .execute(conn)?;
    Ok(())
}

/// An account's roles.
pub fn role_list(conn: &mut DbConnection, account_id: i64) -> Result<Vec<Role>, Error> {
    Ok(account_role::table
        .filter(account_role::account_id.eq(account_id))
        .order(account_role::role)
        .select(account_role::role)
        .load(conn)?)
}

/// Removes a role; `false` if the account didn't have it.
pub fn role_remove(conn: &mut DbConnection, account_id: i64, role: Role) -> Result<bool, Error> {
    let held = account_role::table.find((account_id, role));
    Ok(diesel::delete(held).execute(conn)? == 1)
}
