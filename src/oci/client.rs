//! One registry's HTTP: every request goes through `send`, which knows limits,
//! authorisation, redirects, retries and how to read a refusal.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;
use url::Url;

use super::address::RegistryAddress;
use super::auth::{Auth, Credentials, Scope};
use super::call::{Answer, Call, Fetched};
use super::error::{Error, TransportKind};
use super::guard::is_same_origin;
use super::reference::Repository;
use super::registry_manifest::HeadAbility;
use super::retry::{Attempts, Pause};
use super::transport::Transport;
use crate::text::{SENTENCE, readable};

/// Requests at once to one registry. Enough to hide latency, few enough not to look like abuse.
pub const MAX_CONNECTIONS: usize = 16;
/// How long a registry may be silent before a request is given up: S3-backed registries take
/// tens of seconds for their first byte on a bad day.
pub const IDLE_TIMEOUT: Duration = Duration::from_mins(1);
/// Redirects followed for one request; object storage needs one, a CDN before it a second.
const MAX_REDIRECTS: usize = 5;

/// What a [`Client`] is made of.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Where the registry is.
    pub address: RegistryAddress,
    /// Sent to this registry's own origin only.
    pub credentials: Option<Credentials>,
    /// Whether certificates are checked.
    pub tls_verify: bool,
    /// Further trusted certificates, PEM.
    pub ca_certificate: Option<String>,
    /// Requests at once.
    pub max_connections: usize,
    /// How long nothing may happen before a request is given up.
    pub idle_timeout: Duration,
}

impl ClientOptions {
    /// The usual limits, no credentials, certificates checked.
    pub fn new(address: RegistryAddress) -> Self {
        Self {
            address,
            credentials: None,
            tls_verify: true,
            ca_certificate: None,
            max_connections: MAX_CONNECTIONS,
            idle_timeout: IDLE_TIMEOUT,
        }
    }
}

/// A client of one registry. Cheap to clone; clones share connections, tokens and limits.
#[derive(Clone)]
pub struct Client {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) address: RegistryAddress,
    pub(super) host: String,
    pub(super) root: Url,
    pub(super) auth: Auth,
    pub(super) transport: Transport,
    pub(super) idle_timeout: Duration,
    pub(super) head: HeadAbility,
    /// Upload sessions that are open, and those being given up.
    pub(super) uploads: TaskTracker,
    permits: Arc<Semaphore>,
    pause: Pause,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.inner.address)
    }
}

impl Client {
    /// A client for the registry of `options`. Err: a bad CA certificate.
    pub fn new(options: ClientOptions) -> Result<Self, Error> {
        let host = options.address.host();
        let setup = |detail: String| Error::Setup {
            host: host.clone(),
            detail,
        };
        let root = options.address.root().map_err(|e| setup(e.to_string()))?;
        let transport = Transport::new(&options, &root).map_err(setup)?;
        Ok(Self {
            inner: Arc::new(Inner {
                auth: Auth::new(host.clone(), &root, options.credentials),
                address: options.address,
                host: host.clone(),
                root,
                transport,
                idle_timeout: options.idle_timeout,
                permits: Arc::new(Semaphore::new(options.max_connections.max(1))),
                head: HeadAbility::default(),
                uploads: TaskTracker::new(),
                pause: Pause::default(),
            }),
        })
    }

    /// Where this client goes.
    pub fn address(&self) -> &RegistryAddress {
        &self.inner.address
    }

    /// Host and port, for messages.
    pub fn host(&self) -> &str {
        &self.inner.host
    }

    /// The URL of `/v2/<repository>/<rest>`.
    pub(super) fn url(&self, repository: &Repository, rest: &str) -> Url {
        self.inner.url(&format!("v2/{repository}/{rest}"))
    }

    pub(super) fn root_url(&self, path: &str) -> Url {
        self.inner.url(path)
    }

    /// Sends `call` until it succeeds, fails for good, or the attempts are used up.
    pub(super) async fn send(&self, call: Call) -> Result<Answer, Error> {
        self.attempt(&call, |answer| std::future::ready(Ok(answer)))
            .await
    }

    /// Sends `call` and reads the whole body, at most `limit` bytes of it; one that breaks off is
    /// asked for again.
    pub(super) async fn fetch(&self, call: Call, limit: usize) -> Result<Fetched, Error> {
        self.attempt(&call, |answer| answer.fetched(limit)).await
    }

    async fn attempt<T, F>(&self, call: &Call, read: impl Fn(Answer) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut attempts = Attempts::default();
        loop {
            let error = match Box::pin(self.send_once(call)).await {
                Ok(answer) if answer.response.status().is_success() => match read(answer).await {
                    Ok(done) => return Ok(done),
                    Err(error) => error,
                },
                Ok(answer) => answer.into_error().await,
                Err(error) => error,
            };
            match attempts.next_delay(&error) {
                Some(delay) => self.inner.wait(&error, delay).await,
                None => return Err(error),
            }
        }
    }

    /// Sends `call` once (twice if the authorisation had to be renewed), following redirects of
    /// GET and HEAD.
    pub(super) async fn send_once(&self, call: &Call) -> Result<Answer, Error> {
        let permit = if call.has_place {
            None
        } else {
            Some(self.permit().await?)
        };
        let mut url = call.url.clone();
        let mut renewed = false;
        let mut redirects = 0;
        loop {
            let own = is_same_origin(&url, &self.inner.root);
            let token = if own {
                self.inner.auth.header(&call.scope, self).await?
            } else {
                None
            };
            let response = self.request(call, &url, token.as_ref()).await?;
            let status = response.status();
            if status == StatusCode::UNAUTHORIZED && own {
                if std::mem::replace(&mut renewed, true) {
                    return Err(self.inner.auth.refused(&call.what));
                }
                let challenges = response.headers().get_all(WWW_AUTHENTICATE);
                self.inner
                    .auth
                    .challenged(
                        challenges.iter().collect(),
                        &call.scope,
                        token.as_ref(),
                        &call.what,
                    )
                    .await?;
                continue;
            }
            if is_redirect(status) && matches!(call.method, Method::GET | Method::HEAD) {
                redirects += 1;
                url = self.redirect(call, &url, &response, redirects)?;
                continue;
            }
            return Ok(Answer {
                _permit: permit,
                ..self.answer(response, &url, call.what.clone())
            });
        }
    }

    /// Asks a token server once; no place among the registry's connections is needed for it.
    pub(super) async fn token_answer(
        &self,
        url: &Url,
        authorization: Option<HeaderValue>,
        what: &str,
    ) -> Result<Answer, Error> {
        let call = Call::get(url.clone(), Scope::Base, what);
        let response = self.request(&call, url, authorization.as_ref()).await?;
        Ok(self.answer(response, url, call.what))
    }

    /// An answer from `url` that holds no place among the connections.
    pub(super) fn answer(&self, response: reqwest::Response, url: &Url, what: String) -> Answer {
        Answer {
            response,
            host: self.name_of(url),
            what,
            idle_timeout: self.inner.idle_timeout,
            _permit: None,
        }
    }

    /// Waits for a place among this host's connections.
    pub(super) async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        let permits = Arc::clone(&self.inner.permits);
        let permit = permits.acquire_owned().await.map_err(|_| Error::Setup {
            host: self.inner.host.clone(),
            detail: "the client is closed".into(),
        })?;
        self.inner.pause.wait().await;
        Ok(permit)
    }

    /// The host of `url` for messages: this registry as people call it, or another one.
    pub(super) fn name_of(&self, url: &Url) -> String {
        if is_same_origin(url, &self.inner.root) {
            self.inner.host.clone()
        } else {
            host_of(url)
        }
    }

    async fn request(
        &self,
        call: &Call,
        url: &Url,
        token: Option<&HeaderValue>,
    ) -> Result<reqwest::Response, Error> {
        let mut request = self
            .request_builder(&call.method, url, token, &call.what)
            .await?
            .headers(call.headers.clone());
        if !call.body.is_empty() {
            request = request.body(call.body.clone());
        }
        let idle = self.inner.idle_timeout;
        match tokio::time::timeout(idle, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(Transport::error(self.name_of(url), &call.what, &error)),
            Err(_) => Err(silence(&self.name_of(url), &call.what, idle)),
        }
    }

    /// A request to `url` over the right connections; one to another host is checked first.
    pub(super) async fn request_builder(
        &self,
        method: &Method,
        url: &Url,
        token: Option<&HeaderValue>,
        what: &str,
    ) -> Result<reqwest::RequestBuilder, Error> {
        let Inner {
            transport, root, ..
        } = &*self.inner;
        if !is_same_origin(url, root) {
            let refused = |reason| Error::Protocol {
                host: self.inner.host.clone(),
                what: what.to_owned(),
                detail: format!("it points at `{}`: {reason}", host_of(url)),
            };
            transport.guard().check(url).await.map_err(refused)?;
        }
        let request = transport
            .for_url(url, root)
            .request(method.clone(), url.clone());
        Ok(match token {
            Some(token) => request.header(AUTHORIZATION, token),
            None => request,
        })
    }

    fn redirect(
        &self,
        call: &Call,
        from: &Url,
        response: &reqwest::Response,
        count: usize,
    ) -> Result<Url, Error> {
        let fail = |detail: &str| Error::Protocol {
            host: self.inner.host.clone(),
            what: call.what.clone(),
            detail: detail.to_owned(),
        };
        if count > MAX_REDIRECTS {
            return Err(fail("too many redirects"));
        }
        let location = response
            .headers()
            .get(LOCATION)
            .and_then(|value| value.to_str().ok())
            .ok_or_else(|| fail("a redirect without a usable `Location`"))?;
        let to = from
            .join(location)
            .map_err(|_| fail("a redirect to something that is no URL"))?;
        if from.scheme() == "https" && to.scheme() != "https" {
            return Err(fail(
                "a redirect from https to plain http, which is not followed",
            ));
        }
        Ok(to)
    }
}

impl Inner {
    fn url(&self, path: &str) -> Url {
        let mut url = self.root.clone();
        url.set_path(path);
        url
    }

    /// Waits before another try; a host that asked for a pause gets it from all its requests.
    pub(super) async fn wait(&self, error: &Error, delay: Duration) {
        tracing::debug!(host = %self.host, %error, ?delay, "trying again");
        if error.status() == Some(429) {
            self.pause.until(delay);
            self.pause.wait().await;
        } else {
            tokio::time::sleep(delay).await;
        }
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Host and port of `url`; never its query, which may be a signature.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

pub(super) fn silence(host: &str, what: &str, idle: Duration) -> Error {
    Error::Transport {
        host: host.to_owned(),
        phase: what.to_owned(),
        detail: format!("nothing happened for {} s", idle.as_secs_f32()),
        kind: TransportKind::Broken,
    }
}

/// The innermost reason of an error, in words.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    readable(&cause.to_string(), SENTENCE)
}
