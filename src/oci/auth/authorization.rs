//! Authorisation: none, Basic, or Bearer tokens from a token server, learnt from the registry's
//! challenge. Tokens are cached per scope and renewed before they expire.
//!
//! Source: RFC 7235, RFC 6750.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderValue;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;
use url::Url;

use super::challenge::Challenge;
use super::credentials::Credentials;
use super::login::{Login, LoginTurn};
use super::scope::Scope;
use super::tokens::{Token, Tokens, Wanted};
use crate::oci::error::Error;
use crate::oci::http::exchange::Exchange;
use crate::oci::http::failure::host_of;
use crate::oci::types::reference::Repository;
use crate::text::{SENTENCE, readable};

#[derive(Clone, Default)]
enum Scheme {
    /// Not challenged yet: requests go without authorisation.
    #[default]
    Open,
    Basic,
    Bearer {
        realm: Url,
        service: Option<String>,
    },
}

#[derive(Default)]
struct Slot {
    token: Option<Token>,
    /// Why there is none, permanently.
    refused: Option<Error>,
    /// Scopes named by a challenge in addition to our own.
    extra: Vec<String>,
}

/// The authorisation state of one registry.
pub(in crate::oci) struct Auth {
    host: String,
    root: Url,
    /// The most specific one first; the one for all comes last.
    logins: Vec<Login>,
    scheme: Mutex<Scheme>,
    slots: Mutex<HashMap<Scope, Arc<AsyncMutex<Slot>>>>,
    tokens: Tokens,
}

impl Auth {
    pub(in crate::oci) fn new(
        host: String,
        root: &Url,
        credentials: Option<Credentials>,
        mut by_path: Vec<(Repository, Credentials)>,
    ) -> Self {
        by_path.sort_by_key(|(path, _)| std::cmp::Reverse(path.as_str().len()));
        let by_path = by_path
            .into_iter()
            .map(|(path, credentials)| Login::new(Some(path), credentials));
        Self {
            tokens: Tokens::new(host.clone(), root.clone()),
            host,
            root: root.clone(),
            logins: by_path
                .chain(credentials.map(|credentials| Login::new(None, credentials)))
                .collect(),
            scheme: Mutex::default(),
            slots: Mutex::default(),
        }
    }

    /// The login for requests of `scope`.
    fn login(&self, scope: &Scope) -> Option<&Login> {
        let repository = match scope {
            Scope::Base | Scope::Catalog => None,
            Scope::Pull(repository) | Scope::Push(repository) | Scope::Delete(repository) => {
                Some(repository)
            }
            Scope::Mount { to, .. } => Some(to),
        };
        self.logins.iter().find(|login| login.is_for(repository))
    }

    /// The `Authorization` for a request of `scope`, fetching a token if needed.
    pub(in crate::oci) async fn header(
        &self,
        scope: &Scope,
        exchange: &Exchange,
    ) -> Result<Option<HeaderValue>, Error> {
        let login = self.login(scope);
        match self.scheme() {
            Scheme::Open => Ok(None),
            Scheme::Basic => match login {
                Some(login) => login.check().map(|()| login.credentials.basic()),
                None => Ok(None),
            },
            Scheme::Bearer { realm, service } => {
                let slot = self.slot(scope);
                // One fetch per scope at a time; the others wait for its token.
                let mut slot = slot.lock().await;
                if let Some(token) = slot.token.as_ref().filter(|t| t.renew_at > Instant::now()) {
                    return Ok(Some(token.header.clone()));
                }
                if let Some(error) = &slot.refused {
                    return Err(error.clone());
                }
                let mut scopes = scope.texts();
                scopes.extend(slot.extra.iter().cloned());
                let wanted = Wanted {
                    realm: &realm,
                    service: service.as_deref(),
                    scopes: &scopes,
                };
                match self.tokens.token_request(exchange, &wanted, login).await {
                    Ok(token) => {
                        let header = token.header.clone();
                        slot.token = Some(token);
                        Ok(Some(header))
                    }
                    Err(error) => {
                        // Retried for each tag, a wrong password would lock the account.
                        if !error.is_retryable() {
                            slot.refused = Some(error.clone());
                        }
                        Err(error)
                    }
                }
            }
        }
    }

    /// The permit to try a new Basic login; others wait for the outcome. Err: it was refused
    /// meanwhile.
    pub(in crate::oci) async fn turn(
        &self,
        scope: &Scope,
        used: Option<&HeaderValue>,
    ) -> Result<Option<LoginTurn<'_>>, Error> {
        match (self.scheme(), used, self.login(scope)) {
            (Scheme::Basic, Some(_), Some(login)) => login.turn().await,
            _ => Ok(None),
        }
    }

    /// A request succeeded with the login of `scope`.
    pub(in crate::oci) fn accepted(&self, scope: &Scope) {
        if let Some(login) = self.login(scope) {
            login.accepted.store(true, Ordering::Relaxed);
        }
    }

    /// Processes a first 401 to `what`: learns the scheme, and drops the token `used` for `scope`.
    /// Err: a retry would be refused as well.
    pub(in crate::oci) async fn challenged(
        &self,
        found: &[Challenge],
        scope: &Scope,
        used: Option<&HeaderValue>,
        (what, words): (&str, Option<String>),
    ) -> Result<(), Error> {
        let bearer = found.iter().find(|c| c.is_scheme("bearer"));
        if let Some(challenge) = bearer {
            return self.challenged_bearer(challenge, scope, used, what).await;
        }
        let error = |detail| self.error_with(what, detail, words.clone());
        if !found.iter().any(|c| c.is_scheme("basic")) {
            return Err(error(
                "401: the registry offers no supported authorisation (Basic, Bearer)",
            ));
        }
        match self.login(scope) {
            None => Err(error(
                "401: the registry requires a user name and password, but none were given",
            )),
            Some(login) if login.credentials.identity_token().is_some() => Err(error(
                "401: the registry requires a user name and password, but there is only an identity token",
            )),
            Some(_) if used.is_some() => Err(self.refused(scope, what, words)),
            Some(_) => {
                self.set_scheme(Scheme::Basic);
                Ok(())
            }
        }
    }

    async fn challenged_bearer(
        &self,
        challenge: &Challenge,
        scope: &Scope,
        used: Option<&HeaderValue>,
        what: &str,
    ) -> Result<(), Error> {
        let realm = challenge
            .parameter("realm")
            .and_then(|realm| Url::parse(realm).ok())
            .filter(|realm| matches!(realm.scheme(), "https" | "http"))
            .ok_or_else(|| self.error(what, "the registry's challenge names no usable `realm`"))?;
        if self.root.scheme() == "https" && realm.scheme() == "http" {
            let detail = format!(
                "the token server `{}` is on plain http, but the registry is on https",
                host_of(&realm)
            );
            return Err(self.error(what, detail));
        }
        let service = challenge.parameter("service").map(str::to_owned);
        self.set_scheme(Scheme::Bearer { realm, service });
        let ours = scope.texts();
        let slot = self.slot(scope);
        let mut slot = slot.lock().await;
        for asked in challenge
            .parameter("scope")
            .unwrap_or_default()
            .split_whitespace()
        {
            if !ours.iter().chain(&slot.extra).any(|known| known == asked) {
                slot.extra.push(asked.to_owned());
            }
        }
        if slot
            .token
            .as_ref()
            .is_some_and(|token| Some(&token.header) == used)
        {
            slot.token = None;
        }
        Ok(())
    }

    /// The failure if a renewed authorisation is refused as well. If a token was issued but is
    /// insufficient, the status is kept, since the credentials were right.
    pub(in crate::oci) fn refused(
        &self,
        scope: &Scope,
        what: &str,
        words: Option<String>,
    ) -> Error {
        let login = self.login(scope);
        let whose = login.map_or(String::new(), |login| login.credentials.told());
        let message = match (login, self.scheme()) {
            (None, _) => {
                "the registry refuses this without credentials, but none were given".into()
            }
            (Some(_), Scheme::Bearer { .. }) => format!(
                "the registry refuses the token that its token server issued for {whose}; perhaps the account lacks \
                 the permission"
            ),
            (Some(login), _) => {
                let detail = format!("401: the registry refuses {whose}");
                let error = self.error_with(what, detail, words);
                login.refuse(&error);
                return error;
            }
        };
        let message = match words {
            Some(words) => format!("{words}; {message}"),
            None => message,
        };
        Error::Status {
            host: self.host.clone(),
            what: what.to_owned(),
            status: 401,
            code: None,
            message: Some(readable(&message, SENTENCE)),
            retry_after: None,
        }
    }

    fn slot(&self, scope: &Scope) -> Arc<AsyncMutex<Slot>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(scope.clone()).or_default())
    }

    fn scheme(&self) -> Scheme {
        self.scheme
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_scheme(&self, scheme: Scheme) {
        *self.scheme.lock().unwrap_or_else(PoisonError::into_inner) = scheme;
    }

    fn error(&self, what: &str, detail: impl AsRef<str>) -> Error {
        self.error_with(what, detail, None)
    }

    fn error_with(&self, what: &str, detail: impl AsRef<str>, words: Option<String>) -> Error {
        self.tokens.error(what, detail, words)
    }
}
