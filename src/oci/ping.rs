//! Is a registry there, and does it take us? Step by step, so that a failure says where it is.

use std::time::{Duration, Instant};

use super::auth::Scope;
use super::call::Call;
use super::client::Client;
use super::digest::Digest;
use super::error::Error;
use super::reference::Repository;

/// How a registry answered.
#[derive(Clone, Debug)]
pub struct Ping {
    /// The steps taken, in order; the last one failed if any did.
    pub steps: Vec<PingStep>,
    /// `Docker-Distribution-API-Version`, where given.
    pub api_version: Option<String>,
    /// Whether the catalogue can be listed with these credentials.
    pub catalog: Option<bool>,
    /// Whether there is a referrers API; unknown where no repository is known to ask.
    pub referrers: Option<bool>,
}

/// One step.
#[derive(Clone, Debug)]
pub struct PingStep {
    /// `resolve`, `connect`, `api` (with TLS and authorisation), `catalog`.
    pub name: &'static str,
    /// How long it took.
    pub took: Duration,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

impl Ping {
    /// Whether the registry can be used. A refused catalogue is no failure.
    pub fn is_ok(&self) -> bool {
        self.steps.iter().all(|step| step.failure.is_none())
    }
}

impl Client {
    /// Tries the registry: name, connection, `/v2/`, and what it is able to do.
    pub async fn ping(&self) -> Ping {
        let mut ping = Ping {
            steps: Vec::new(),
            api_version: None,
            catalog: None,
            referrers: None,
        };
        // Behind a proxy, neither names nor connections are ours to try.
        if !self.is_proxied() {
            let root = &self.inner.root;
            let host = root.host_str().unwrap_or_default();
            let bare = host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned();
            let port = root.port_or_known_default().unwrap_or(443);
            let found = ping
                .step("resolve", tokio::net::lookup_host((bare, port)))
                .await;
            let Some(found) = found else { return ping };
            let addresses: Vec<_> = found.collect();
            let connect = tokio::time::timeout(
                self.inner.idle_timeout,
                tokio::net::TcpStream::connect(addresses.as_slice()),
            );
            let connect = async { connect.await.map_err(std::io::Error::other)? };
            if ping.step("connect", connect).await.is_none() {
                return ping;
            }
        }
        let Some(version) = ping.step("api", self.api_version()).await else {
            return ping;
        };
        ping.api_version = version;
        let repositories = self.repository_list().await;
        ping.catalog = Some(repositories.is_ok());
        let first = repositories.unwrap_or_default().into_iter().next();
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
            .map(str::to_owned))
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

    fn is_proxied(&self) -> bool {
        let variables: &[&str] = match self.inner.root.scheme() {
            "http" => &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
            _ => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        };
        variables
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
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
