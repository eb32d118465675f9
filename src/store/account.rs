//! Organisations, accounts and their roles.

use super::schema::{account, account_role, org};
use super::{DbConnection, Error, Moment, now};
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

/// An account to be made.
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

/// Makes an organisation; [`Error::Exists`] where the name is taken.
pub fn org_create(conn: &mut DbConnection, name: &str) -> Result<i64, Error> {
    let row = (org::name.eq(name), org::created.eq(now()));
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

/// Makes an account with its roles and returns its id; [`Error::Exists`] where the login is
/// taken in any case of letters.
pub fn account_create(
    conn: &mut DbConnection,
    new: &NewAccount<'_>,
    roles: &[Role],
) -> Result<i64, Error> {
    conn.write(|conn| {
        let row = (
            new,
            account::login_uc.eq(new.login.to_uppercase()),
            account::created.eq(now()),
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

/// How many accounts there are; 0 means that nobody has set this server up.
pub fn account_count(conn: &mut DbConnection) -> Result<i64, Error> {
    Ok(account::table.count().get_result(conn)?)
}

/// Finds an account by its login, in any case of letters.
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

/// Notes that the account logged in just now.
pub fn account_login_stamp(conn: &mut DbConnection, id: i64) -> Result<(), Error> {
    diesel::update(account::table.find(id))
        .set(account::last_login.eq(now()))
        .execute(conn)?;
    Ok(())
}

/// Replaces the password's hash; `false` where there is no such account.
pub fn account_set_password(
    conn: &mut DbConnection,
    id: i64,
    password_hash: &str,
) -> Result<bool, Error> {
    let changed = diesel::update(account::table.find(id))
        .set(account::password_hash.eq(password_hash))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Gives a role; [`Error::Exists`] where the account has it.
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
