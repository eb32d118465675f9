//! Sessions: a key is `<id>x<64 hex digits>`; of the 256 random bits only a hash is kept.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::caller::Identity;
use super::{Caller, Error};

/// A session key as a client holds it: the session's id and its secret.
#[derive(Clone, Debug)]
pub struct SessionKey {
    id: i64,
    secret: SecretString,
}

impl SessionKey {
    /// Reads a key; white space around it is ignored (cached keys end with a newline).
    /// `None` if the text hasn't the shape of a key.
    pub fn parse(text: &str) -> Option<SessionKey> {
        let (id, secret) = text.trim().split_once('x')?;
        let digits = !id.starts_with('0') && id.bytes().all(|b| b.is_ascii_digit());
        let hex = secret.len() == 64
            && secret
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !digits || !hex {
            return None;
        }
        Some(SessionKey {
            id: id.parse().ok()?,
            secret: secret.into(),
        })
    }

    /// A fresh key for the session `id`.
    fn generate(id: i64) -> Result<SessionKey, Error> {
        let mut bits = [0_u8; 32];
        getrandom::fill(&mut bits).map_err(Error::unexpected)?;
        Ok(SessionKey {
            id,
            secret: hex::encode(bits).into(),
        })
    }

    /// The session's id.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// The text that the client gets.
    pub fn expose(&self) -> String {
        format!("{}x{}", self.id, self.secret.expose_secret())
    }

    fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret.expose_secret().as_bytes()).into()
    }
}

/// The open sessions of this process.
#[derive(Default)]
pub struct Sessions {
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    last_id: i64,
    by_id: HashMap<i64, Session>,
}

struct Session {
    hash: [u8; 32],
    identity: Identity,
    duration: Duration,
    expires: Instant,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl Sessions {
    /// Opens a session for `identity` that lives for `duration` from each call.
    pub fn session_create(
        &self,
        identity: Identity,
        duration: Duration,
    ) -> Result<SessionKey, Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.last_id += 1;
        let key = SessionKey::generate(open.last_id)?;
        let session = Session {
            hash: key.hash(),
            identity,
            duration,
            expires: Instant::now() + duration,
        };
        open.by_id.insert(key.id, session);
        Ok(key)
    }

    /// The caller behind `key`, whose session is renewed by this.
    pub async fn session_check(&self, key: &SessionKey) -> Result<Caller, Error> {
        let now = Instant::now();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let session = open
            .by_id
            .get_mut(&key.id)
            .filter(|session| session.expires > now)
            .ok_or(Error::SessionUnknown(key.id))?;
        if !bool::from(session.hash.ct_eq(&key.hash())) {
            return Err(Error::SessionInvalid(key.id));
        }
        session.expires = now + session.duration;
        Ok(Caller::new(session.identity.clone(), session.duration))
    }
}

#[cfg(test)]
mod tests {
    use super::SessionKey;

    #[test]
    fn only_the_exact_shape_is_a_key() {
        let secret = "0123456789abcdef".repeat(4);
        let key = SessionKey::parse(&format!(" 17x{secret}\n")).expect("a key");
        assert_eq!(key.id(), 17);
        assert_eq!(key.expose(), format!("17x{secret}"));
        for bad in [
            String::new(),
            "17".into(),
            format!("017x{secret}"),
            format!("x{secret}"),
            format!("17x{secret}0"),
            format!("17x{}", secret.to_uppercase()),
            format!("99999999999999999999x{secret}"),
            format!("1 7x{secret}"),
        ] {
            assert!(SessionKey::parse(&bad).is_none(), "{bad:?}");
        }
    }
}
