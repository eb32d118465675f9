//! Authorisation: none, Basic, or Bearer tokens from a token server, learnt from the registry's
//! challenge. Tokens are cached per scope and renewed before they expire.
//!
//! Source: the distribution project's token authentication specification; RFC 7235, RFC 6750.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;
use url::Url;

use super::challenge::Challenge;
use super::credentials::{Credentials, sensitive};
use super::login::{Login, LoginTurn};
use super::scope::Scope;
use crate::oci::error::Error;
use crate::oci::http::exchange::Exchange;
use crate::oci::http::failure::host_of;
use crate::oci::network::guard::is_same_origin;
use crate::oci::types::reference::Repository;
use crate::text::{SENTENCE, readable};

/// Lifetime of a token without `expires_in`: the specification's default.
const DEFAULT_LIFETIME: Duration = Duration::from_mins(1);
/// Tokens are renewed this long before they expire, or a quarter of their lifetime if that is less.
const RENEW_BEFORE: Duration = Duration::from_secs(30);
/// Maximum lifetime of a cached token, whatever its server says.
const MAX_LIFETIME: Duration = Duration::from_hours(24);
const MAX_TOKEN_ANSWER: usize = 1024 * 1024;
/// Registries whose token server is on another host of the same operator: the only pairs for which
/// credentials leave the registry's own origin.
const KNOWN_REALMS: [(&str, &str); 2] = [
    ("registry-1.docker.io", "auth.docker.io"),
    ("registry.gitlab.com", "gitlab.com"),
];

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

struct Token {
    header: HeaderValue,
    renew_at: Instant,
}

/// The authorisation state of one registry.
pub(in crate::oci) struct Auth {
    host: String,
    root: Url,
    /// The most specific one first; the one for all comes last.
    logins: Vec<Login>,
    scheme: Mutex<Scheme>,
    slots: Mutex<HashMap<Scope, Arc<AsyncMutex<Slot>>>>,
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
                let url = token_url(&realm, service.as_deref(), &scopes);
                match self.token_request(exchange, &url, login).await {
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

    /// Requests a token once; temporary failures are retried with the whole request.
    async fn token_request(
        &self,
        exchange: &Exchange,
        url: &Url,
        login: Option<&Login>,
    ) -> Result<Token, Error> {
        let what = format!("token of realm `{}`", host_of(url));
        let sent = login.filter(|_| self.may_send_credentials_to(url));
        let _turn = match sent {
            Some(login) => login.turn().await?,
            None => None,
        };
        let header = sent.and_then(|login| login.credentials.basic());
        let answer = exchange.token_answer(url, header, &what).await?;
        let status = answer.inner.status();
        if status.is_success() {
            let body = answer.bytes(MAX_TOKEN_ANSWER).await?;
            if let Some(login) = sent {
                login.accepted.store(true, Ordering::Relaxed);
            }
            return self.token_read(&body, &what);
        }
        if !matches!(status.as_u16(), 401 | 403) {
            return Err(answer.into_error().await);
        }
        let words = answer.refusal().await.words();
        let detail = match (login, sent) {
            (None, _) => {
                format!("{status}: it issues no token without credentials, and none were given")
            }
            (Some(_), None) => format!(
                "{status}: it issues no token without credentials, and the realm is on another host than the registry, \
                 where they are not sent"
            ),
            (Some(_), Some(login)) if status == StatusCode::UNAUTHORIZED => format!(
                "{status}: the token server refuses the credentials of `{}`",
                login.credentials.username
            ),
            (Some(_), Some(login)) => format!(
                "{status}, with the credentials of `{}`",
                login.credentials.username
            ),
        };
        let error = self.error_with(&what, detail, words);
        if let Some(login) = sent.filter(|_| status == StatusCode::UNAUTHORIZED) {
            login.refuse(&error);
        }
        Err(error)
    }

    fn token_read(&self, body: &[u8], what: &str) -> Result<Token, Error> {
        #[derive(Deserialize)]
        struct Body {
            token: Option<String>,
            access_token: Option<String>,
            expires_in: Option<u64>,
        }
        let body: Body = serde_json::from_slice(body)
            .map_err(|_| self.error(what, "the response isn't the JSON of a token"))?;
        let header = [body.token, body.access_token]
            .into_iter()
            .flatten()
            .find(|token| !token.trim().is_empty())
            .and_then(|token| sensitive(&format!("Bearer {}", token.trim())))
            .ok_or_else(|| {
                self.error(what, "the response has neither `token` nor `access_token`")
            })?;
        let lifetime = body
            .expires_in
            .filter(|seconds| *seconds > 0)
            .map_or(DEFAULT_LIFETIME, Duration::from_secs)
            .min(MAX_LIFETIME);
        Ok(Token {
            header,
            renew_at: Instant::now() + lifetime - RENEW_BEFORE.min(lifetime / 4),
        })
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
        let user = login.map_or("", |login| login.credentials.username.as_str());
        let message = match (login, self.scheme()) {
            (None, _) => {
                "the registry refuses this without credentials, but none were given".into()
            }
            (Some(_), Scheme::Bearer { .. }) => format!(
                "the registry refuses the token that its token server issued for `{user}`; perhaps the account lacks \
                 the permission"
            ),
            (Some(login), _) => {
                let detail = format!("401: the registry refuses the credentials of `{user}`");
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

    fn may_send_credentials_to(&self, realm: &Url) -> bool {
        let hosts = (self.root.host_str(), realm.host_str());
        is_same_origin(realm, &self.root)
            || (realm.scheme() == "https"
                && KNOWN_REALMS
                    .iter()
                    .any(|(a, b)| hosts == (Some(*a), Some(*b))))
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
        Error::Auth {
            host: self.host.clone(),
            what: what.to_owned(),
            detail: readable(detail.as_ref(), SENTENCE),
            words,
        }
    }
}

/// The URL for requesting a token for `scopes`.
fn token_url(realm: &Url, service: Option<&str>, scopes: &[String]) -> Url {
    let mut url = realm.clone();
    url.query_pairs_mut()
        .extend_pairs(service.map(|service| ("service", service)))
        .extend_pairs(scopes.iter().map(|scope| ("scope", scope)));
    url
}

#[cfg(test)]
mod tests {
    use super::Auth;
    use url::Url;

    #[test]
    fn credentials_go_to_the_registry_and_to_its_known_token_server_over_tls_only() {
        for (root, realm, may) in [
            ("https://r.example/", "https://r.example/token", true),
            ("http://r.example/", "http://r.example/token", true),
            ("https://r.example/", "http://r.example/token", false),
            ("https://r.example/", "https://auth.r.example/token", false),
            (
                "https://registry-1.docker.io/",
                "https://auth.docker.io/token",
                true,
            ),
            (
                "https://registry-1.docker.io/",
                "http://auth.docker.io/token",
                false,
            ),
            ("https://r.example/", "https://auth.docker.io/token", false),
            (
                "https://registry-1.docker.io/",
                "https://gitlab.com/token",
                false,
            ),
        ] {
            let auth = Auth::new(String::new(), &Url::parse(root).unwrap(), None, Vec::new());
            let realm = Url::parse(realm).unwrap();
            assert_eq!(auth.may_send_credentials_to(&realm), may, "{root} {realm}");
        }
    }
}
