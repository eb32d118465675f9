//! HTTP with one registry: every request goes through `send`, which handles limits, authorisation,
//! redirects, retries and refusals.

use std::sync::Arc;
use std::time::Duration;

use http::header::LOCATION;
use http::{Method, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use url::Url;

use super::abilities::Abilities;
use super::call::{Call, Response};
use super::exchange::Exchange;
use super::health::{Health, Kind, Trial, is_last};
use super::options::{ClientOptions, ListingLimit};
use super::retry::{Attempts, Pause};
use super::tally::{RequestCount, Tally};
use super::transport::Transport;
use crate::oci::auth::authorization::Auth;
use crate::oci::auth::scope::Scope;
use crate::oci::error::{Error, TransportKind};
use crate::oci::network::guard::is_same_origin;
use crate::oci::types::address::RegistryAddress;
use crate::oci::types::reference::Repository;

/// Maximum number of redirects of one request; object storage needs one, a CDN in front of it a
/// second.
const MAX_REDIRECTS: usize = 5;

/// A client of one registry. Cheap to clone; clones share connections, tokens and limits.
#[derive(Clone)]
pub struct Client {
    pub(in crate::oci) inner: Arc<Inner>,
}

pub(in crate::oci) struct Inner {
    pub(in crate::oci) address: RegistryAddress,
    pub(in crate::oci) exchange: Exchange,
    pub(in crate::oci) auth: Auth,
    pub(in crate::oci) health: Health,
    first_delay: Duration,
    pub(in crate::oci) listing: ListingLimit,
    pub(in crate::oci) abilities: Abilities,
    /// Open upload sessions, and those being cancelled.
    pub(in crate::oci) uploads: TaskTracker,
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
                auth: Auth::new(
                    host.clone(),
                    &root,
                    options.credentials,
                    options.path_credentials,
                ),
                health: Health::new(options.health),
                first_delay: options.first_delay,
                listing: options.listing,
                address: options.address,
                exchange: Exchange {
                    host: host.clone(),
                    root,
                    transport,
                    idle_timeout: options.idle_timeout,
                    tally: Tally::default(),
                    waits: options.waits,
                },
                permits: Arc::new(Semaphore::new(options.max_connections.max(1))),
                abilities: Abilities::default(),
                uploads: TaskTracker::new(),
                pause: Pause::default(),
            }),
        })
    }

    /// The registry's address.
    pub fn address(&self) -> &RegistryAddress {
        &self.inner.address
    }

    /// Host and port, for messages.
    pub fn host(&self) -> &str {
        &self.inner.exchange.host
    }

    /// How many requests it has sent.
    pub fn requests(&self) -> RequestCount {
        self.inner.exchange.tally.count()
    }

    /// Whether one is a clone of the other.
    pub(in crate::oci) fn is_clone_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// The URL of `/v2/<repository>/<rest>`.
    pub(in crate::oci) fn url(&self, repository: &Repository, rest: &str) -> Url {
        self.inner.url(&format!("v2/{repository}/{rest}"))
    }

    pub(in crate::oci) fn root_url(&self, path: &str) -> Url {
        self.inner.url(path)
    }

    /// Sends `call` until it succeeds, fails permanently, or the attempts are used up.
    pub(in crate::oci) async fn send(&self, call: Call) -> Result<Response, Error> {
        self.attempt(&call, |answer| std::future::ready(Ok(answer)))
            .await
    }

    /// Sends `call` until its response is read by `read`; an interrupted one is requested again.
    pub(in crate::oci) async fn attempt<T, F>(
        &self,
        call: &Call,
        read: impl Fn(Response) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let health = &self.inner.health;
        let mut attempts = self.attempts();
        loop {
            let (trial, permit) = Box::pin(self.admitted(call)).await?;
            let error = match Box::pin(self.send_once(call, permit)).await {
                Ok(answer) if answer.inner.status().is_success() => match read(answer).await {
                    Ok(done) => {
                        // For a blob this is only the head.
                        if call.kind != Kind::ReadBlob {
                            health.note_success(call.kind);
                        }
                        return Ok(done);
                    }
                    Err(error) => error,
                },
                Ok(answer) => Box::pin(answer.into_error()).await,
                Err(error) => error,
            };
            health.note(call.kind, &error);
            let is_last = is_last(trial.as_ref(), &error);
            drop(trial);
            match attempts.next_delay(&error).filter(|_| !is_last) {
                Some(delay) => self.inner.wait(&error, delay).await,
                None => return Err(Box::pin(self.with_words(call, error)).await),
            }
        }
    }

    /// Sends `call` once, unless that would be later than `until`: then `None`.
    pub(in crate::oci) async fn send_until(
        &self,
        call: Call,
        until: Option<Instant>,
    ) -> Result<Option<Response>, Error> {
        let health = &self.inner.health;
        let (trial, permit) = Box::pin(self.admitted(&call)).await?;
        if until.is_some_and(|until| Instant::now() > until) {
            return Ok(None);
        }
        let sent = match Box::pin(self.send_once(&call, permit)).await {
            Ok(answer) if answer.inner.status().is_success() => Ok(Some(answer)),
            Ok(answer) => Err(Box::pin(answer.into_error()).await),
            Err(error) => Err(error),
        };
        match &sent {
            Ok(_) => health.note_success(call.kind),
            Err(error) => health.note(call.kind, error),
        }
        drop(trial);
        sent
    }

    /// Waits before another try; `false`: there is none.
    pub async fn retries(&self, attempts: &mut Attempts, error: &Error) -> bool {
        match attempts.next_delay(error) {
            Some(delay) => {
                self.inner.wait(error, delay).await;
                true
            }
            None => false,
        }
    }

    /// Waits until the registry's health and a connection permit allow a request.
    async fn admitted(
        &self,
        call: &Call,
    ) -> Result<(Option<Trial<'_>>, Option<OwnedSemaphorePermit>), Error> {
        loop {
            let trial = self.trial(call.kind, &call.what).await?;
            if call.has_place || trial.is_some() {
                self.inner.pause.wait().await;
                return Ok((trial, None));
            }
            let permit = self.permit().await?;
            // The health may have changed while it waited for the permit.
            if self.inner.health.is_well(call.kind).unwrap_or(false) {
                return Ok((None, Some(permit)));
            }
        }
    }

    /// Waits while the registry is unhealthy and others try. Err: it was given up.
    pub(in crate::oci) async fn trial(
        &self,
        kind: Kind,
        what: &str,
    ) -> Result<Option<Trial<'_>>, Error> {
        let look = || async {
            let call = Call::get(self.root_url("v2/"), Scope::Base, "`/v2/`");
            let answer = self.inner.exchange.request(&call, &call.url, None).await;
            answer.is_ok_and(|answer| !answer.status().is_server_error())
        };
        let admitted = self.inner.health.admit(kind, look).await;
        admitted.map_err(|detail| Error::Transport {
            host: self.inner.exchange.host.clone(),
            phase: what.to_owned(),
            detail,
            kind: TransportKind::GivenUp,
        })
    }

    /// Counts the attempts of an operation.
    pub fn attempts(&self) -> Attempts {
        Attempts::new(self.inner.first_delay)
    }

    /// Repeats a refused HEAD as GET to get an error message.
    async fn with_words(&self, call: &Call, error: Error) -> Error {
        let is_mute = matches!(&error, Error::Status { status, message: None, .. }
            if !matches!(status, 404 | 405 | 501));
        if call.method != Method::HEAD || !is_mute || error.is_retryable() {
            return error;
        }
        let get = Call::get(call.url.clone(), call.scope.clone(), call.what.clone());
        let get = Call {
            headers: call.headers.clone(),
            ..get
        };
        match self.send_once(&get, None).await {
            Ok(answer) if Some(answer.inner.status().as_u16()) == error.status() => {
                answer.into_error().await
            }
            _ => error,
        }
    }

    /// Sends `call` once (twice if the authorisation had to be renewed), following redirects of GET
    /// and HEAD.
    pub(in crate::oci) async fn send_once(
        &self,
        call: &Call,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<Response, Error> {
        let Inner { auth, exchange, .. } = &*self.inner;
        let mut url = call.url.clone();
        let mut renewed = false;
        let mut redirects = 0;
        loop {
            let own = is_same_origin(&url, &exchange.root);
            let token = if own {
                auth.header(&call.scope, exchange).await?
            } else {
                None
            };
            // A new login is tried by only one request.
            let _turn = auth.turn(&call.scope, token.as_ref()).await?;
            let response = exchange.request(call, &url, token.as_ref()).await?;
            let status = response.status();
            if status == StatusCode::UNAUTHORIZED && own {
                let answer = exchange.answer(response, &url, call.what.clone());
                let challenges = answer.challenges();
                let words = answer.refusal().await.words();
                if std::mem::replace(&mut renewed, true) {
                    return Err(auth.refused(&call.scope, &call.what, words));
                }
                let (used, what) = (token.as_ref(), call.what.as_str());
                auth.challenged(&challenges, &call.scope, used, (what, words))
                    .await?;
                continue;
            }
            if is_redirect(status) && matches!(call.method, Method::GET | Method::HEAD) {
                redirects += 1;
                url = self.redirect(call, &url, &response, redirects)?;
                continue;
            }
            if token.is_some() && status.is_success() {
                auth.accepted(&call.scope);
            }
            return Ok(Response {
                _permit: permit,
                ..exchange.answer(response, &url, call.what.clone())
            });
        }
    }

    /// Waits for a connection permit of this host.
    pub(in crate::oci) async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        let permits = Arc::clone(&self.inner.permits);
        let permit = permits.acquire_owned().await.map_err(|_| Error::Setup {
            host: self.inner.exchange.host.clone(),
            detail: "the client is closed".into(),
        })?;
        self.inner.pause.wait().await;
        Ok(permit)
    }

    fn redirect(
        &self,
        call: &Call,
        from: &Url,
        response: &reqwest::Response,
        count: usize,
    ) -> Result<Url, Error> {
        let fail = |detail: &str| Error::Protocol {
            host: self.inner.exchange.host.clone(),
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
            .map_err(|_| fail("a redirect to an invalid URL"))?;
        if from.scheme() == "https" && to.scheme() != "https" {
            return Err(fail(
                "a redirect from https to plain http, which is not followed",
            ));
        }
        if !matches!(to.scheme(), "https" | "http") {
            return Err(fail(&format!(
                "a redirect to `{}://`, which is not followed",
                to.scheme()
            )));
        }
        Ok(to)
    }
}

impl Inner {
    fn url(&self, path: &str) -> Url {
        let mut url = self.exchange.root.clone();
        url.set_path(path);
        url
    }

    /// Waits before a retry; a pause requested by the host applies to all requests to it.
    pub(in crate::oci) async fn wait(&self, error: &Error, delay: Duration) {
        tracing::debug!(host = %self.exchange.host, %error, ?delay, "retrying");
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
