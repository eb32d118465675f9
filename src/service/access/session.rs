//! Sessions: a key is `<id>x<64 hex digits>`; only a hash of the 256 random bits is stored.

use secrecy::{ExposeSecret, SecretString};

use crate::service::error::shortened;
use crate::service::{App, Caller, Error};
use crate::store::access::account::{account_by_id, role_list};
use crate::store::access::session::{self as rows, Session, session_find, session_renew};
use crate::store::{DbConnection, Moment};

/// A session key as a client holds it: the session's id and its secret.
#[derive(Clone, Debug)]
pub struct SessionKey {
    /// The id in decimal. It may be larger than any id in the database.
    id: String,
    secret: SecretString,
}

impl SessionKey {
    /// Parses a key; surrounding white space is ignored (cached keys end with a newline). `None` if
    /// the text doesn't have the form of a key.
    pub fn parse(text: &str) -> Option<SessionKey> {
        let (id, secret) = text.trim().split_once('x')?;
        let first = id.bytes().next();
        let digits = matches!(first, Some(b'1'..=b'9')) && id.bytes().all(|b| b.is_ascii_digit());
        let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if !digits || secret.len() != 64 || !secret.bytes().all(is_hex) {
            return None;
        }
        Some(SessionKey {
            id: id.to_owned(),
            secret: secret.into(),
        })
    }

    /// The key of the session `id`.
    pub(in crate::service) fn new(id: i64, secret: SecretString) -> SessionKey {
        SessionKey {
            id: id.to_string(),
            secret,
        }
    }

    /// 256 random bits as hex digits.
    pub(super) fn secret_generate() -> Result<SecretString, Error> {
        let mut bits = [0_u8; 32];
        getrandom::fill(&mut bits).map_err(Error::unexpected)?;
        Ok(hex::encode(bits).into())
    }

    /// What is hashed of a secret: its hex digits.
    pub(super) fn secret_bytes(secret: &SecretString) -> &[u8] {
        secret.expose_secret().as_bytes()
    }

    /// The session's id; `None` if no session can have it.
    fn id(&self) -> Option<i64> {
        self.id.parse().ok()
    }

    /// The text for the client.
    pub fn expose(&self) -> String {
        format!("{}x{}", self.id, self.secret.expose_secret())
    }
}

/// The caller of `key`, whose session is renewed.
pub async fn session_check(app: &App, key: &SessionKey) -> Result<Caller, Error> {
    let key = key.clone();
    app.db
        .run(move |conn| {
            let found = session_find_checked(conn, &key)?;
            let Ok(Checked {
                session,
                time,
                caller,
            }) = found
            else {
                return Ok(found.map(|checked| checked.caller));
            };
            // Calls that only read must work even if the database is read-only.
            if let Err(error) = session_renew(conn, &session, time) {
                tracing::debug!(%error, "can't renew a session");
            }
            Ok(Ok(caller))
        })
        .await?
}

/// The caller of `key`, without renewing the session; `None` if the key is invalid.
pub async fn session_peek(app: &App, key: &str) -> Result<Option<Caller>, Error> {
    let Some(key) = SessionKey::parse(key) else {
        return Ok(None);
    };
    let found = app
        .db
        .run(move |conn| session_find_checked(conn, &key))
        .await?;
    Ok(found.ok().map(|checked| checked.caller))
}

/// Err if the caller's session has ended since it was checked: by logout, expiry, or with its
/// account. Passes if the database doesn't answer.
pub async fn session_still_there(app: &App, caller: &Caller) -> Result<(), Error> {
    let (id, account_id) = (caller.session_id(), caller.account_id());
    let is_there = app.db.run(move |conn| {
        let session = session_find(conn, id)?;
        let account = account_by_id(conn, account_id)?;
        Ok(session.is_some() && account.is_some_and(|account| account.enabled))
    });
    match is_there.await {
        Ok(false) => Err(Error::SessionUnknown(id.to_string())),
        _ => Ok(()),
    }
}

/// Ends the session of `key`. An invalid key is ignored.
pub async fn session_end(app: &App, key: &SessionKey) -> Result<(), Error> {
    let key = key.clone();
    app.db
        .run(move |conn| {
            if let Ok(checked) = session_find_checked(conn, &key)? {
                rows::session_delete(conn, checked.session.id)?;
            }
            Ok(())
        })
        .await?;
    Ok(())
}

/// The session of a valid key.
struct Checked {
    session: Session,
    /// The database's time.
    time: Moment,
    caller: Caller,
}

/// The outer error is the database's, the inner one the key's.
fn session_find_checked(
    conn: &mut DbConnection,
    key: &SessionKey,
) -> Result<Result<Checked, Error>, crate::store::Error> {
    let unknown = || Error::SessionUnknown(shortened(&key.id));
    let Some(id) = key.id() else {
        return Ok(Err(unknown()));
    };
    let Some((session, time)) = session_find(conn, id)? else {
        return Ok(Err(unknown()));
    };
    if !session.secret_matches(SessionKey::secret_bytes(&key.secret)) {
        return Ok(Err(Error::SessionInvalid(id)));
    }
    let account = account_by_id(conn, session.account_id)?.filter(|account| account.enabled);
    let Some(account) = account else {
        return Ok(Err(unknown()));
    };
    let roles = role_list(conn, account.id)?;
    let caller = Caller::new(account, roles, &session);
    Ok(Ok(Checked {
        session,
        time,
        caller,
    }))
}

#[cfg(test)]
mod tests {
    use super::SessionKey;

    #[test]
    fn only_the_exact_shape_is_a_key() {
        let secret = "0123456789abcdef".repeat(4);
        let key = SessionKey::parse(&format!(" 17x{secret}\n")).expect("a key");
        assert_eq!(key.id(), Some(17));
        assert_eq!(key.expose(), format!("17x{secret}"));
        let large = SessionKey::parse(&format!("99999999999999999999x{secret}"));
        assert_eq!(large.expect("a key").id(), None);
        for bad in [
            String::new(),
            "17".into(),
            format!("017x{secret}"),
            format!("x{secret}"),
            format!("17x{secret}0"),
            format!("17x{}", secret.to_uppercase()),
            format!("1 7x{secret}"),
        ] {
            assert!(SessionKey::parse(&bad).is_none(), "{bad:?}");
        }
    }
}
