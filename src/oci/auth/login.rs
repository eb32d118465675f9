//! A login at a registry: its repositories, and whether it works. A refused one isn't retried, since
//! registries lock accounts after a few wrong passwords.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use secrecy::SecretString;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncGuard};

use super::credentials::Credentials;
use crate::oci::error::Error;
use crate::oci::types::reference::Repository;

/// Credentials, and what is known about them.
pub(in crate::oci) struct Login {
    /// The repositories at and below it; none: all.
    path: Option<Repository>,
    pub(in crate::oci) credentials: Credentials,
    /// Whether they worked once: then a later 401 is about the request, not the login.
    pub(in crate::oci) accepted: AtomicBool,
    refused: Mutex<Option<Error>>,
    tried: AtomicBool,
    trying: AsyncMutex<()>,
    /// The latest one that the token server issued.
    refresh: Mutex<Option<SecretString>>,
}

/// The only request that tries the login, for now.
pub(in crate::oci) struct LoginTurn<'a> {
    login: &'a Login,
    _trying: AsyncGuard<'a, ()>,
}

impl Drop for LoginTurn<'_> {
    fn drop(&mut self) {
        self.login.tried.store(true, Ordering::Relaxed);
    }
}

impl Login {
    pub(in crate::oci) fn new(path: Option<Repository>, credentials: Credentials) -> Self {
        Self {
            path,
            credentials,
            accepted: AtomicBool::new(false),
            refused: Mutex::default(),
            tried: AtomicBool::new(false),
            trying: AsyncMutex::default(),
            refresh: Mutex::default(),
        }
    }

    /// The token to get others with, instead of a password.
    pub(super) fn refresh_token(&self) -> Option<SecretString> {
        let latest = self.refresh.lock().unwrap_or_else(PoisonError::into_inner);
        let given = || self.credentials.identity_token().cloned();
        latest.clone().or_else(given)
    }

    /// Keeps a refresh token that replaces the one that was sent. One that comes with a password isn't
    /// needed.
    pub(super) fn refresh_keep(&self, token: Option<&str>) {
        let is_replaced = self.credentials.identity_token().is_some();
        if let Some(token) = token.filter(|token| is_replaced && !token.is_empty()) {
            let mut latest = self.refresh.lock().unwrap_or_else(PoisonError::into_inner);
            *latest = Some(token.to_owned().into());
        }
    }

    /// Whether the login is for `repository`, or for all.
    pub(in crate::oci) fn is_for(&self, repository: Option<&Repository>) -> bool {
        let Some(path) = &self.path else { return true };
        let rest = repository.and_then(|r| r.as_str().strip_prefix(path.as_str()));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Waits while another request tries it for the first time. Err: it was refused.
    pub(in crate::oci) async fn turn(&self) -> Result<Option<LoginTurn<'_>>, Error> {
        let turn = if self.tried.load(Ordering::Relaxed) {
            None
        } else {
            let trying = self.trying.lock().await;
            (!self.tried.load(Ordering::Relaxed)).then_some(LoginTurn {
                login: self,
                _trying: trying,
            })
        };
        self.check().map(|()| turn)
    }

    /// Err: it was refused.
    pub(in crate::oci) fn check(&self) -> Result<(), Error> {
        match &*self.refused.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Records that it was refused, unless it worked before.
    pub(in crate::oci) fn refuse(&self, error: &Error) {
        if !self.accepted.load(Ordering::Relaxed) {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            refused.get_or_insert_with(|| error.clone().told_of("signing in"));
        }
    }
}
