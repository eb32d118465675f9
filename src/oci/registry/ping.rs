//! Tests step by step whether a registry is reachable and usable, so that a failure shows where it is.

use std::time::{Duration, Instant};

use crate::http_client::proxy_of;
use crate::oci::auth::scope::Scope;
use crate::oci::error::Error;
use crate::oci::http::call::Call;
use crate::oci::http::client::Client;
use crate::oci::types::digest::Digest;
use crate::oci::types::reference::Repository;
use crate::text::{NAME, readable};

/// The result of a test.
#[derive(Clone, Debug)]
pub struct Ping {
    /// The steps, in order; only the last one can have failed.
    pub steps: Vec<PingStep>,
    /// `Docker-Distribution-API-Version`, if present.
    pub api_version: Option<String>,
    /// Whether the catalogue can be listed with these credentials.
    pub catalog: Option<bool>,
    /// Whether there is a referrers API; unknown if no repository is known.
    pub referrers: Option<bool>,
}

/// One step.
#[derive(Clone, Debug)]
pub struct PingStep {
    /// `resolve`, `connect`, `api` (with TLS and authorisation), `catalog`.
    pub name: &'static str,
    /// How long it took.
    pub took: Duration,
    /// The reason, if it failed.
    pub failure: Option<String>,
}

impl Ping {
    /// Whether the registry is usable. A refused catalogue isn't a failure.
    pub fn is_ok(&self) -> bool {
        self.steps.iter().all(|step| step.failure.is_none())
    }
}

impl Client {
    /// Tests the registry: name, connection, `/v2/`, and its features.
    pub async fn ping(&self) -> Ping {
        let mut ping = Ping {
            steps: Vec::new(),
            api_version: None,
            catalog: None,
            referrers: None,
        };
        // Behind a proxy, we can test neither names nor connections.
        if proxy_of(&self.inner.exchange.root).is_none() {
            let addresses = self
                .inner
                .exchange
                .transport
                .guard()
                .own_addresses(&self.inner.exchange.root);
            let Some(addresses) = ping.step("resolve", addresses).await else {
                return ping;
            };
            let connect = tokio::time::timeout(
                self.inner.exchange.idle_timeout,
                tokio::net::TcpStream::connect(addresses.as_slice()),
            );
            let connect = async { connect.await.map_err(std::io::Error::other)? };
            if ping.step("connect", connect).await.is_none() {
                return ping;
            }
        }
        // Callers who may test any address mustn't read responses of services meant for others.
        let is_public = self.inner.exchange.transport.guard().is_public().await;
        let version = async {
            let version = self.api_version().await;
            version.map_err(|error| {
                if is_public {
                    error
                } else {
                    error.without_words()
                }
            })
        };
        let Some(version) = ping.step("api", version).await else {
            return ping;
        };
        ping.api_version = version;
        let repositories = self.repositories(1).await;
        ping.catalog = Some(repositories.is_ok());
        let first = repositories.unwrap_or_default().entries.into_iter().next();
        let first = first.and_then(|name| Repository::parse(&name).ok());
        if let Some(repository) = first.and_then(|name| self.address().resolve(&name).ok()) {
            ping.referrers = self.has_referrers(&repository).await.ok();
        }
        ping
    }

    async fn api_version(&self) -> Result<Option<String>, Error> {
        let call = Call::get(self.root_url("v2/"), Scope::Base, "`/v2/`");
        let answer = self.send(call).await?;
        Ok(answer
            .header("docker-distribution-api-version")
            .map(|version| readable(version, NAME)))
    }

    async fn has_referrers(&self, repository: &Repository) -> Result<bool, Error> {
        let nothing = Digest::of(b"");
        let url = self.url(repository, &format!("referrers/{nothing}"));
        let call = Call::get(url, Scope::Pull(repository.clone()), "referrers");
        match self.send(call).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.status(), Some(400 | 404 | 405)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Ping {
    async fn step<T, E: std::fmt::Display>(
        &mut self,
        name: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Option<T> {
        let start = Instant::now();
        let result = work.await;
        let (value, failure) = match result {
            Ok(value) => (Some(value), None),
            Err(error) => (None, Some(error.to_string())),
        };
        self.steps.push(PingStep {
            name,
            took: start.elapsed(),
            failure,
        });
        value
    }
}
