//! The first account, and login.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use tokio::sync::Semaphore;

use super::login_failures::Failures;
use super::login_guard::{LoginGuard, LoginLimits, LoginQueue, Subjects};
use super::password::{PasswordCost, Passwords};
use super::session::SessionKey;
use super::user_rules::{can_exist, password_check};
use crate::service::{App, Error, Role};
use crate::store::access::account::{
    Account, AccountChange, NewAccount, account_by_id, account_by_login, account_by_login_locked,
    account_count, account_create, account_login_stamp, account_update,
};
use crate::store::access::org::{org_by_name, org_create};
use crate::store::access::session::{session_create, session_delete_expired, session_delete_of};
use crate::store::trail::audit::{NewAuditEvent, audit_add};
use crate::text::readable;

/// The part of a login that the log shows, in characters.
const SHOWN: usize = 64;

/// The login of the first account.
pub const FIRST_LOGIN: &str = "admin";
/// The organisation of the first account.
const FIRST_ORG: &str = "Default";
/// The origin of a change made on the server's own machine, without a session.
const LOCAL: &str = "command line";
/// Default and maximum lifetime of a session after each call, in seconds.
pub const SESSION_SECONDS: i64 = 3600;

/// How logins are checked.
#[derive(Clone, Copy, Debug)]
pub struct LoginPolicy {
    /// The cost of a password hash.
    pub cost: PasswordCost,
    /// Limits of failed logins.
    pub limits: LoginLimits,
    /// Minimum time before a failed login is answered.
    pub failure_delay: Duration,
    /// How often failures that aren't logged individually are summarised.
    pub tally_every: Duration,
}

impl Default for LoginPolicy {
    fn default() -> LoginPolicy {
        LoginPolicy {
            cost: PasswordCost::default(),
            limits: LoginLimits::default(),
            failure_delay: Duration::from_secs(2),
            tally_every: Duration::from_mins(1),
        }
    }
}

/// Checks logins.
#[derive(Debug)]
pub struct Logins {
    passwords: Passwords,
    guard: LoginGuard,
    queue: LoginQueue,
    failures: Arc<Failures>,
    failure_delay: Duration,
    /// Failures waiting to be answered.
    delayed: Semaphore,
}

/// Maximum number of waiting failures. Further ones are answered at once: the guard limits
/// guessing, and this limits memory.
const DELAYED: usize = 2048;

impl Logins {
    /// With this policy. Blocks for the time of one hash.
    pub fn new(policy: LoginPolicy) -> Result<Logins, Error> {
        Ok(Logins {
            passwords: Passwords::new(policy.cost)?,
            guard: LoginGuard::new(policy.limits),
            queue: LoginQueue::default(),
            failures: Arc::new(Failures::new(policy.tally_every)),
            failure_delay: policy.failure_delay,
            delayed: Semaphore::new(DELAYED),
        })
    }

    /// The hash of a new password.
    pub(in crate::service) async fn hash(&self, password: SecretString) -> Result<String, Error> {
        self.passwords.hash(password).await
    }
}

/// Creates the account `admin` with all roles if there is no account at all. Returns the password
/// if it was generated, for the caller to show once; `None` if it was given or nothing was done.
pub async fn bootstrap(
    app: &App,
    given: Option<SecretString>,
) -> Result<Option<SecretString>, Error> {
    if app.db.run(account_count).await? > 0 {
        return Ok(None);
    }
    let made_up = match &given {
        Some(password) => {
            password_check("admin_password_file", password)?;
            None
        }
        None => Some(password_generate()?),
    };
    let password = given.or_else(|| made_up.clone()).unwrap_or_default();
    let hash = app.logins.hash(password).await?;
    let created = app
        .db
        .transaction(move |conn| {
            // Another node may have been faster while the password was hashed.
            if account_count(conn)? > 0 {
                return Ok::<_, Error>(false);
            }
            let org_id = match org_by_name(conn, FIRST_ORG)? {
                Some(org_id) => org_id,
                None => org_create(conn, FIRST_ORG)?,
            };
            let new = NewAccount {
                org_id,
                login: FIRST_LOGIN,
                password_hash: &hash,
                prefix: "",
                first_name: "Administrator",
                last_name: "",
                email: "",
                enabled: true,
                read_only: false,
            };
            account_create(conn, &new, Role::ALL)?;
            Ok(true)
        })
        .await?;
    Ok(made_up.filter(|_| created))
}

/// Sets an account's password, for an administrator with access to the server's machine and key but
/// no session: `given`, or a generated one that is returned. Ends the account's sessions.
pub async fn password_reset(
    app: &App,
    login: String,
    given: Option<SecretString>,
) -> Result<Option<SecretString>, Error> {
    if let Some(password) = &given {
        password_check("password_file", password)?;
    }
    let made_up = match &given {
        Some(_) => None,
        None => Some(password_generate()?),
    };
    let password = given.or_else(|| made_up.clone()).unwrap_or_default();
    let hash = app.logins.hash(password).await?;
    app.db
        .transaction(move |conn| {
            let account = account_by_login_locked(conn, &login)?
                .ok_or_else(|| Error::UserUnknown(readable(&login, SHOWN)))?;
            let change = AccountChange {
                password_hash: Some(&hash),
                ..AccountChange::default()
            };
            account_update(conn, account.id, change)?;
            session_delete_of(conn, account.id)?;
            let event = NewAuditEvent {
                org_id: Some(account.org_id),
                login: &account.login,
                address: LOCAL,
                method: "admin reset-password",
                object: &account.login,
                outcome: "ok",
            };
            audit_add(conn, &event)?;
            Ok::<_, Error>(())
        })
        .await?;
    Ok(made_up)
}

/// 24 characters of 32 unambiguous ones: 120 random bits.
fn password_generate() -> Result<SecretString, Error> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bits = [0_u8; 24];
    getrandom::fill(&mut bits).map_err(Error::unexpected)?;
    let password: String = bits
        .iter()
        .map(|bits| char::from(ALPHABET[usize::from(bits % 32)]))
        .collect();
    Ok(password.into())
}

/// Logs in and opens a session. `duration` is the session's lifetime after each call in seconds.
///
/// A failure is delayed as the policy says, whatever its reason; the delay holds up no other login,
/// and keeps nothing of what was sent.
pub async fn login(
    app: &Arc<App>,
    address: IpAddr,
    login: String,
    password: SecretString,
    duration: Option<i64>,
) -> Result<SessionKey, Error> {
    let started = Instant::now();
    let shown = readable(&login, SHOWN);
    match account_verify(app, address, login, password).await {
        // Only now, so that callers without an account learn nothing more and are counted like all
        // others.
        Ok(account) => {
            let duration = duration_check(duration)?;
            session_open(app, account.id, duration, address).await
        }
        Err(error) => {
            app.logins.failures.add(app, &shown, address, &error);
            drop(shown);
            if let Ok(_place) = app.logins.delayed.try_acquire() {
                let left = app.logins.failure_delay.saturating_sub(started.elapsed());
                tokio::time::sleep(left).await;
            }
            Err(error)
        }
    }
}

fn duration_check(duration: Option<i64>) -> Result<i64, Error> {
    match duration.unwrap_or(SESSION_SECONDS) {
        seconds if seconds < 1 => Err(Error::invalid(
            "duration",
            "a session lasts at least 1 second",
        )),
        seconds if seconds > SESSION_SECONDS => Err(Error::Refused(format!(
            "The session duration cannot exceed the maximum duration allowed by the database \
             (currently {SESSION_SECONDS})"
        ))),
        seconds => Ok(seconds),
    }
}

async fn account_verify(
    app: &App,
    address: IpAddr,
    login: String,
    password: SecretString,
) -> Result<Account, Error> {
    let Logins {
        passwords,
        guard,
        queue,
        ..
    } = &app.logins;
    // Before anything is copied, waits or is hashed.
    if !can_exist(&login, &password) {
        return Err(Error::LoginImpossible);
    }
    let subjects = Subjects::of(&login, address);
    guard.refused_check(&subjects)?;
    let _place = queue.enter(&subjects)?;
    let turn = passwords.turn().await?;
    // Checked within the turn, or many simultaneous tries would all be let through.
    guard.check(&app.db, &subjects).await?;
    let found = app
        .db
        .run(move |conn| account_by_login(conn, &login))
        .await?;
    let hash = found.as_ref().map(|account| account.password_hash.clone());
    let matches = turn.verify(password, hash).await?;
    let Some(account) = found.filter(|_| matches) else {
        guard.failed(&app.db, &subjects).await?;
        return Err(Error::LoginRefused);
    };
    guard.succeeded(&app.db, &subjects).await?;
    if account.enabled {
        Ok(account)
    } else {
        Err(Error::AccountDisabled)
    }
}

async fn session_open(
    app: &App,
    account_id: i64,
    duration: i64,
    address: IpAddr,
) -> Result<SessionKey, Error> {
    let secret = SessionKey::secret_generate()?;
    let kept = secret.clone();
    let id = app
        .db
        .transaction(move |conn| {
            session_delete_expired(conn)?;
            // It may have been disabled or deleted while the password was checked.
            if !account_by_id(conn, account_id)?.is_some_and(|account| account.enabled) {
                return Err(Error::AccountDisabled);
            }
            account_login_stamp(conn, account_id)?;
            let secret = SessionKey::secret_bytes(&kept);
            Ok::<_, Error>(session_create(
                conn,
                account_id,
                secret,
                duration,
                &address.to_string(),
            )?)
        })
        .await?;
    Ok(SessionKey::new(id, secret))
}
