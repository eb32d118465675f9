//! Passwords: argon2id, a few at a time, off the threads that serve requests.

use std::sync::Arc;

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::blocking::spawn_blocking;
use crate::service::Error;

/// The cost of one hash.
#[derive(Clone, Copy, Debug)]
pub struct PasswordCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Number of passes over the memory.
    pub passes: u32,
}

impl Default for PasswordCost {
    /// 19 MiB and two passes: the first choice of OWASP's password storage cheat sheet.
    fn default() -> PasswordCost {
        PasswordCost {
            memory_kib: 19 * 1024,
            passes: 2,
        }
    }
}

/// Hashes and checks passwords.
#[derive(Clone)]
pub struct Passwords {
    argon2: Argon2<'static>,
    /// Checked if there is no account, so that this takes as long.
    decoy: Arc<str>,
    permits: Arc<Semaphore>,
}

/// A permit to use memory and a CPU for one check.
pub(super) struct Turn<'a> {
    passwords: &'a Passwords,
    _permit: SemaphorePermit<'a>,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passwords").finish_non_exhaustive()
    }
}

impl Passwords {
    /// Maximum number of simultaneous checks: more would starve everything else of CPU and memory.
    const AT_ONCE: usize = 2;

    /// With hashes of this cost. Blocks for the time of one hash.
    pub fn new(cost: PasswordCost) -> Result<Passwords, Error> {
        let params =
            Params::new(cost.memory_kib, cost.passes, 1, None).map_err(Error::unexpected)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let decoy = hash(&argon2, &"no account has this password".into())?;
        Ok(Passwords {
            argon2,
            decoy: decoy.into(),
            permits: Arc::new(Semaphore::new(Passwords::AT_ONCE)),
        })
    }

    /// The hash of a new password, with a fresh salt, as a PHC string.
    pub async fn hash(&self, password: SecretString) -> Result<String, Error> {
        let _permit = self.permits.acquire().await.map_err(Error::unexpected)?;
        let argon2 = self.argon2.clone();
        spawn_blocking(move || hash(&argon2, &password))
            .await
            .map_err(Error::unexpected)?
    }

    /// Waits for a turn to check a password.
    pub(super) async fn turn(&self) -> Result<Turn<'_>, Error> {
        let permit = self.permits.acquire().await.map_err(Error::unexpected)?;
        Ok(Turn {
            passwords: self,
            _permit: permit,
        })
    }
}

impl Turn<'_> {
    /// Whether `password` has this hash. Without a hash the answer is no, after the same time.
    pub(in crate::service) async fn verify(
        &self,
        password: SecretString,
        hash: Option<String>,
    ) -> Result<bool, Error> {
        let argon2 = self.passwords.argon2.clone();
        let decoy = Arc::clone(&self.passwords.decoy);
        spawn_blocking(move || {
            let known = hash.is_some();
            let hash = hash.as_deref().unwrap_or(&decoy);
            let matches = argon2.verify_password(password.expose_secret().as_bytes(), hash);
            known && matches.is_ok()
        })
        .await
        .map_err(Error::unexpected)
    }
}

fn hash(argon2: &Argon2<'_>, password: &SecretString) -> Result<String, Error> {
    argon2
        .hash_password(password.expose_secret().as_bytes())
        .map(|hash| hash.to_string())
        .map_err(Error::unexpected)
}
