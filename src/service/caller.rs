//! Who calls.

use std::time::Duration;

use super::Role;
use crate::store::access::account::Account;
use crate::store::access::session::Session;

/// The account of a checked session. Only [`super::access::session`] creates one, so holding a
/// `Caller` proves that the check was done.
#[derive(Clone, Debug)]
pub struct Caller {
    account_id: i64,
    org_id: i64,
    login: String,
    roles: Vec<Role>,
    read_only: bool,
    session_id: i64,
    session_duration: Duration,
}

impl Caller {
    /// The caller of a valid session.
    pub(super) fn new(account: Account, roles: Vec<Role>, session: &Session) -> Caller {
        Caller {
            account_id: account.id,
            org_id: account.org_id,
            login: account.login,
            roles,
            read_only: account.read_only,
            session_id: session.id,
            session_duration: Duration::from_secs(session.duration_s.unsigned_abs()),
        }
    }

    /// The account's id.
    pub fn account_id(&self) -> i64 {
        self.account_id
    }

    /// The organisation that limits what the caller sees.
    pub fn org_id(&self) -> i64 {
        self.org_id
    }

    /// The login name.
    pub fn login(&self) -> &str {
        &self.login
    }

    /// Whether the account is read-only.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Whether the account holds `role`, directly or implied by another.
    pub fn has_role(&self, role: Role) -> bool {
        self.roles.iter().any(|held| held.implies(role))
    }

    /// The session's id.
    pub fn session_id(&self) -> i64 {
        self.session_id
    }

    /// How long the session lasts after each call.
    pub fn session_duration(&self) -> Duration {
        self.session_duration
    }
}
