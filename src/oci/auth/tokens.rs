//! Requests to a token server: GET with a login, or POST of a form with a refresh token or a login.
//!
//! Source: the distribution project's specifications of token authentication and of OAuth 2.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use url::{Url, form_urlencoded};

use super::credentials::sensitive;
use super::login::Login;
use super::scope::Scope;
use crate::oci::error::Error;
use crate::oci::http::call::{Call, Response};
use crate::oci::http::exchange::Exchange;
use crate::oci::http::failure::host_of;
use crate::oci::network::guard::is_same_origin;
use crate::text::{SENTENCE, readable};

/// Lifetime of a token without `expires_in`: the specification's default.
const DEFAULT_LIFETIME: Duration = Duration::from_mins(1);
/// Tokens are renewed this long before they expire, or a quarter of their lifetime if that is less.
const RENEW_BEFORE: Duration = Duration::from_secs(30);
/// Maximum lifetime of a cached token, whatever its server says.
const MAX_LIFETIME: Duration = Duration::from_hours(24);
const MAX_TOKEN_ANSWER: usize = 1024 * 1024;
/// What the token server knows this program as.
const CLIENT_ID: &str = "registrysync";
/// Registries whose token server is on another host of the same operator: the only pairs for which
/// credentials leave the registry's own origin.
const KNOWN_REALMS: [(&str, &str); 2] = [
    ("registry-1.docker.io", "auth.docker.io"),
    ("registry.gitlab.com", "gitlab.com"),
];

pub(super) struct Token {
    pub(super) header: HeaderValue,
    pub(super) renew_at: Instant,
}

/// What a token is asked for, and of whom.
pub(super) struct Wanted<'a> {
    pub(super) realm: &'a Url,
    pub(super) service: Option<&'a str>,
    pub(super) scopes: &'a [String],
}

impl Wanted<'_> {
    fn what(&self) -> String {
        format!("token of realm `{}`", host_of(self.realm))
    }

    fn get(&self) -> Call {
        let mut url = self.realm.clone();
        url.query_pairs_mut()
            .extend_pairs(self.service.map(|service| ("service", service)))
            .extend_pairs(self.scopes.iter().map(|scope| ("scope", scope)));
        Call::get(url, Scope::Base, self.what())
    }

    fn post(&self, grant: &Grant<'_>) -> Call {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(self.service.map(|service| ("service", service)))
            .append_pair("client_id", CLIENT_ID)
            .append_pair("scope", &self.scopes.join(" "));
        match grant {
            Grant::Refresh(token) => form
                .append_pair("grant_type", "refresh_token")
                .append_pair("refresh_token", token.expose_secret()),
            Grant::Password(username, password) => form
                .append_pair("grant_type", "password")
                .append_pair("username", username)
                .append_pair("password", password.expose_secret()),
        };
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        Call::new(Method::POST, self.realm.clone(), Scope::Base, self.what())
            .header(CONTENT_TYPE, form_type)
            .body(form.finish().into())
    }
}

/// What a form proves.
enum Grant<'a> {
    Refresh(SecretString),
    Password(&'a str, &'a SecretString),
}

#[derive(Deserialize)]
struct Body {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
    refresh_token: Option<String>,
}

/// Gets tokens for one registry.
pub(super) struct Tokens {
    /// The registry's name for users.
    host: String,
    root: Url,
    /// Whether the token server takes only POST.
    is_post_only: AtomicBool,
}

impl Tokens {
    pub(super) fn new(host: String, root: Url) -> Self {
        Self {
            host,
            root,
            is_post_only: AtomicBool::default(),
        }
    }

    /// A failed authorisation.
    pub(super) fn error(
        &self,
        what: &str,
        detail: impl AsRef<str>,
        words: Option<String>,
    ) -> Error {
        Error::Auth {
            host: self.host.clone(),
            what: what.to_owned(),
            detail: readable(detail.as_ref(), SENTENCE),
            words,
        }
    }

    /// Requests a token once; temporary failures are retried with the whole request.
    pub(super) async fn token_request(
        &self,
        exchange: &Exchange,
        wanted: &Wanted<'_>,
        login: Option<&Login>,
    ) -> Result<Token, Error> {
        let what = wanted.what();
        let sent = login.filter(|_| self.may_send_credentials_to(wanted.realm));
        let _turn = match sent {
            Some(login) => login.turn().await?,
            None => None,
        };
        let answer = self.token_answer(exchange, wanted, sent).await?;
        let status = answer.inner.status();
        if status.is_success() {
            let body = answer.bytes(MAX_TOKEN_ANSWER).await?;
            let body: Body = serde_json::from_slice(&body)
                .map_err(|_| self.error(&what, "the response isn't the JSON of a token", None))?;
            if let Some(login) = sent {
                login.accepted.store(true, Ordering::Relaxed);
                login.refresh_keep(body.refresh_token.as_deref());
            }
            return self.token_read(body, &what);
        }
        // That is how a form's refusal is told.
        let is_refresh = sent.is_some_and(|login| login.refresh_token().is_some());
        let is_refused =
            status == StatusCode::UNAUTHORIZED || is_refresh && status == StatusCode::BAD_REQUEST;
        if !is_refused && status != StatusCode::FORBIDDEN {
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
            (Some(_), Some(login)) if is_refused => format!(
                "{status}: the token server refuses {}",
                login.credentials.told()
            ),
            (Some(_), Some(login)) => format!("{status}, with {}", login.credentials.told()),
        };
        let error = self.error(&what, detail, words);
        if let Some(login) = sent.filter(|_| is_refused) {
            login.refuse(&error);
        }
        Err(error)
    }

    /// GET, unless there is a refresh token or the server takes only POST.
    async fn token_answer(
        &self,
        exchange: &Exchange,
        wanted: &Wanted<'_>,
        login: Option<&Login>,
    ) -> Result<Response, Error> {
        let Some(login) = login else {
            return exchange.token_answer(&wanted.get(), None).await;
        };
        if let Some(token) = login.refresh_token() {
            let call = wanted.post(&Grant::Refresh(token));
            return exchange.token_answer(&call, None).await;
        }
        if !self.is_post_only.load(Ordering::Relaxed) {
            let header = login.credentials.basic();
            let answer = exchange.token_answer(&wanted.get(), header).await?;
            if answer.inner.status() != StatusCode::METHOD_NOT_ALLOWED {
                return Ok(answer);
            }
            self.is_post_only.store(true, Ordering::Relaxed);
        }
        let (username, password) = (&login.credentials.username, &login.credentials.password);
        let call = wanted.post(&Grant::Password(username, password));
        exchange.token_answer(&call, None).await
    }

    fn token_read(&self, body: Body, what: &str) -> Result<Token, Error> {
        let header = [body.token, body.access_token]
            .into_iter()
            .flatten()
            .find(|token| !token.trim().is_empty())
            .and_then(|token| sensitive(&format!("Bearer {}", token.trim())))
            .ok_or_else(|| {
                self.error(
                    what,
                    "the response has neither `token` nor `access_token`",
                    None,
                )
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

    fn may_send_credentials_to(&self, realm: &Url) -> bool {
        let hosts = (self.root.host_str(), realm.host_str());
        is_same_origin(realm, &self.root)
            || (realm.scheme() == "https"
                && KNOWN_REALMS
                    .iter()
                    .any(|(a, b)| hosts == (Some(*a), Some(*b))))
    }
}

#[cfg(test)]
mod tests {
    use super::Tokens;
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
            let tokens = Tokens::new(String::new(), Url::parse(root).unwrap());
            let realm = Url::parse(realm).unwrap();
            assert_eq!(
                tokens.may_send_credentials_to(&realm),
                may,
                "{root} {realm}"
            );
        }
    }
}
