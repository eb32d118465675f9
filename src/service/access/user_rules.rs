//! Rules for the members of an account, and for who may change it.

use secrecy::{ExposeSecret as _, SecretString};

use crate::service::error::shortened;
use crate::service::{Caller, Error, Role};
use crate::store::DbConnection;
use crate::store::access::account::{role_holders, role_list, role_lock};

/// The shortest login and password, as in Uyuni.
const SHORTEST: usize = 5;
/// The longest login.
const LOGIN_LIMIT: usize = 64;
/// The longest password; the time of hashing depends on the length.
const PASSWORD_LIMIT: usize = 1024;
/// The longest name or address.
const TEXT_LIMIT: usize = 128;
/// Characters that Uyuni's logins can't have either.
const FORBIDDEN: &str = "&+%'`\"=#";

/// Refuses an invalid login.
pub(in crate::service) fn login_check(field: &str, login: &str) -> Result<(), Error> {
    let length = login.chars().count();
    let reason = if length < SHORTEST {
        format!("a login has at least {SHORTEST} characters")
    } else if length > LOGIN_LIMIT {
        format!("a login has at most {LOGIN_LIMIT} characters")
    } else if login.chars().any(|c| c.is_whitespace() || c.is_control()) {
        "a login has no white space and no control characters".to_owned()
    } else if let Some(bad) = login.chars().find(|c| FORBIDDEN.contains(*c)) {
        format!("a login can't have the character {bad}")
    } else {
        return Ok(());
    };
    Err(Error::invalid(field, reason))
}

/// Refuses an invalid password.
pub(super) fn password_check(field: &str, password: &SecretString) -> Result<(), Error> {
    let length = password.expose_secret().chars().count();
    if (SHORTEST..=PASSWORD_LIMIT).contains(&length) {
        return Ok(());
    }
    let reason = format!("a password has {SHORTEST} to {PASSWORD_LIMIT} characters");
    Err(Error::invalid(field, reason))
}

/// Whether an account can have this login and this password, judging by their lengths at up to four
/// bytes a character.
pub(super) fn can_exist(login: &str, password: &SecretString) -> bool {
    login.len() <= 4 * LOGIN_LIMIT
        && login.chars().count() <= LOGIN_LIMIT
        && password.expose_secret().len() <= 4 * PASSWORD_LIMIT
}

/// Refuses an invalid name or part of one. It may be empty.
pub(super) fn name_check(field: &str, text: &str) -> Result<(), Error> {
    let reason = if text.chars().count() > TEXT_LIMIT {
        format!("it is longer than {TEXT_LIMIT} characters")
    } else if text.chars().any(char::is_control) {
        "it has control characters".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::invalid(field, reason))
}

/// Refuses an invalid e-mail address. It may be empty.
pub(super) fn email_check(field: &str, text: &str) -> Result<(), Error> {
    name_check(field, text)?;
    let parts = text.rsplit_once('@');
    let plausible = parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    if text.is_empty() || (plausible && !text.contains(char::is_whitespace)) {
        return Ok(());
    }
    Err(Error::invalid(
        field,
        "it isn't an address such as `name@example.org`",
    ))
}

/// The role of that name.
pub(super) fn role_parse(name: &str) -> Result<Role, Error> {
    Role::parse(name).ok_or_else(|| Error::RoleUnknown(shortened(name)))
}

/// Refuses a change of a server administrator's account by callers who aren't one, who could
/// otherwise become one by setting that account's password.
pub(super) fn may_change(
    conn: &mut DbConnection,
    caller: &Caller,
    account_id: i64,
) -> Result<(), Error> {
    let theirs = role_list(conn, account_id)?;
    if theirs.contains(&Role::SatelliteAdmin) && !caller.has_role(Role::SatelliteAdmin) {
        return Err(Error::Permission(Role::SatelliteAdmin));
    }
    Ok(())
}

/// Refuses a change that would leave no account able to administer the server: `goes` says which
/// accounts (by their id and their organisation's) stop doing so, and `refusal` is the error.
/// Concurrent changes of this kind wait for each other.
pub(super) fn satellite_admin_stays(
    conn: &mut DbConnection,
    refusal: impl FnOnce() -> String,
    goes: impl Fn(i64, i64) -> bool,
) -> Result<(), Error> {
    role_lock(conn, Role::SatelliteAdmin)?;
    let admins = role_holders(conn, Role::SatelliteAdmin)?;
    let mut stay = admins.iter().filter(|(id, org_id)| !goes(*id, *org_id));
    if admins.iter().any(|(id, org_id)| goes(*id, *org_id)) && stay.next().is_none() {
        return Err(Error::Refused(refusal()));
    }
    Ok(())
}

/// The refusal to delete the last account able to administer the server, in Uyuni's words.
pub(super) fn last_admin_deleted() -> String {
    "Cannot delete the last remaining satellite administrator.".to_owned()
}

/// The refusal of another change of that account.
pub(super) fn last_admin_changed(login: &str) -> String {
    format!(
        "`{login}` is the last enabled account with the role `satellite_admin` that can write: give \
         the role to another account first"
    )
}

#[cfg(test)]
mod tests {
    use super::{email_check, login_check, name_check, password_check};

    #[test]
    fn logins_have_uyunis_form() {
        for good in [
            "admin",
            "first.last",
            "a-b_c@d",
            "12345",
            "müller",
            &"x".repeat(64),
        ] {
            assert!(login_check("login", good).is_ok(), "{good}");
        }
        let forbidden = "&+%'`\"=# \t\n\u{a0}\0";
        let with = forbidden.chars().map(|c| format!("admin{c}x"));
        for bad in ["", "four", &"x".repeat(65)]
            .map(str::to_owned)
            .into_iter()
            .chain(with)
        {
            assert!(login_check("login", &bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn passwords_names_and_addresses_are_bounded() {
        for (good, password) in [(false, "four"), (true, "five5"), (false, &"x".repeat(1025))] {
            assert_eq!(
                password_check("p", &password.into()).is_ok(),
                good,
                "{password}"
            );
        }
        for (good, name) in [
            (true, ""),
            (true, "Ada"),
            (false, "a\nb"),
            (false, &"x".repeat(129)),
        ] {
            assert_eq!(name_check("n", name).is_ok(), good, "{name}");
        }
        for (good, address) in [
            (true, ""),
            (true, "a@example.org"),
            (false, "a"),
            (false, "@example.org"),
            (false, "a@"),
            (false, "a b@example.org"),
        ] {
            assert_eq!(email_check("e", address).is_ok(), good, "{address}");
        }
    }
}
