//! A request before it is sent, and its response while it is read.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::sync::OwnedSemaphorePermit;
use url::Url;

use super::failure::{idle_error, root_cause};
use super::health::Kind;
use super::refusal::Refusal;
use super::retry::retry_after;
use crate::oci::auth::challenge::{Challenge, challenges_parse};
use crate::oci::auth::scope::Scope;
use crate::oci::error::{Error, TransportKind};

/// Maximum length of an error response that is read; registries send a few hundred bytes.
const MAX_ERROR_BODY: usize = 64 * 1024;

/// One request, before authorisation.
pub(in crate::oci) struct Call {
    pub(in crate::oci) method: Method,
    pub(in crate::oci) url: Url,
    pub(in crate::oci) scope: Scope,
    /// For messages: the operation and its object, such as "manifest of `a:1`".
    pub(in crate::oci) what: String,
    pub(in crate::oci) headers: HeaderMap,
    pub(in crate::oci) body: Bytes,
    /// Part of a transfer that already holds a connection permit.
    pub(in crate::oci) has_place: bool,
    /// The kind of operation, for the registry's health.
    pub(in crate::oci) kind: Kind,
}

impl Call {
    pub(in crate::oci) fn new(
        method: Method,
        url: Url,
        scope: Scope,
        what: impl Into<String>,
    ) -> Self {
        Self {
            kind: match method {
                Method::PUT | Method::DELETE => Kind::WriteManifest,
                _ => Kind::Look,
            },
            method,
            url,
            scope,
            what: what.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            has_place: false,
        }
    }

    pub(in crate::oci) fn get(url: Url, scope: Scope, what: impl Into<String>) -> Self {
        Self::new(Method::GET, url, scope, what)
    }

    pub(in crate::oci) fn accept(self, value: &'static str) -> Self {
        self.header(ACCEPT, HeaderValue::from_static(value))
    }

    pub(in crate::oci) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(in crate::oci) fn body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }
}

/// A response with its whole body.
pub(in crate::oci) struct Fetched {
    pub(in crate::oci) headers: HeaderMap,
    pub(in crate::oci) body: Bytes,
    pub(in crate::oci) host: String,
    pub(in crate::oci) what: String,
}

/// A response whose body is still to be read; holds its connection permit.
pub(in crate::oci) struct Response {
    pub(in crate::oci) inner: reqwest::Response,
    pub(in crate::oci) host: String,
    pub(in crate::oci) what: String,
    pub(in crate::oci) idle_timeout: Duration,
    pub(in crate::oci) _permit: Option<OwnedSemaphorePermit>,
}

impl Response {
    /// The whole body; Err if it is longer than `limit` bytes.
    pub(in crate::oci) async fn bytes(mut self, limit: usize) -> Result<Bytes, Error> {
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() + chunk.len() > limit {
                return Err(self.protocol(format!("an answer of more than {limit} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// The next part of the body; Err if nothing is received within the idle timeout.
    pub(in crate::oci) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        match tokio::time::timeout(self.idle_timeout, self.inner.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(Error::Transport {
                host: self.host.clone(),
                phase: self.what.clone(),
                detail: format!("the connection was lost ({})", root_cause(&error)),
                kind: TransportKind::Broken,
            }),
            Err(_) => Err(idle_error(&self.host, &self.what, self.idle_timeout)),
        }
    }

    pub(in crate::oci) fn header(&self, name: &str) -> Option<&str> {
        self.inner.headers().get(name)?.to_str().ok()
    }

    /// The authorisation that it asks for.
    pub(in crate::oci) fn challenges(&self) -> Vec<Challenge> {
        let headers = self.inner.headers().get_all(WWW_AUTHENTICATE);
        challenges_parse(headers.iter().filter_map(|value| value.to_str().ok()))
    }

    pub(in crate::oci) fn protocol(&self, detail: impl Into<String>) -> Error {
        Error::Protocol {
            host: self.host.clone(),
            what: self.what.clone(),
            detail: detail.into(),
        }
    }

    /// This response as a refusal.
    pub(in crate::oci) async fn into_error(self) -> Error {
        let (host, what) = (self.host.clone(), self.what.clone());
        let status = self.inner.status().as_u16();
        let retry_after = retry_after(self.inner.headers());
        let is_plain = self.inner.url().scheme() == "http";
        let Refusal { code, mut message } = self.refusal().await;
        if let Some(message) = message.as_mut()
            && status == 400
            && is_plain
            && wants_tls(message)
        {
            message.push_str("; if it speaks TLS, write `https://` before its address");
        }
        Error::Status {
            host,
            what,
            status,
            code,
            message,
            retry_after,
        }
    }

    /// The text of a refusal: as much of its body as is received in time, up to a limit.
    pub(in crate::oci) async fn refusal(mut self) -> Refusal {
        let mut body = BytesMut::new();
        let patience = self.idle_timeout;
        let read = async {
            while body.len() < MAX_ERROR_BODY {
                match self.inner.chunk().await {
                    Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                    Ok(None) | Err(_) => break,
                }
            }
        };
        // A partial text is better than none.
        let _ = tokio::time::timeout(patience, read).await;
        body.truncate(MAX_ERROR_BODY);
        Refusal::read(&body)
    }
}

/// Whether a server reports http on its https port. There is no other sign of it: the status is
/// that of any bad request. Source: the messages of Go's net/http ("Client sent an HTTP request to
/// an HTTPS server."), nginx ("The plain HTTP request was sent to HTTPS port"), Apache ("You're
/// speaking plain HTTP to an SSL-enabled server port") and Tomcat ("This combination of host and
/// port requires TLS.").
fn wants_tls(message: &str) -> bool {
    let said = message.to_lowercase();
    let has = |words: &[&str]| words.iter().all(|word| said.contains(word));
    has(&["http request", "https"]) || has(&["plain http", "ssl"]) || has(&["requires tls"])
}
