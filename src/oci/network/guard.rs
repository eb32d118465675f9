//! Which addresses requests may reach. The registry itself is at the address its operator gave, subject
//! to the server's policy. It may point elsewhere (redirect, token realm, upload location) under the
//! same policy, but never closer to us than it is itself: to this machine only from this machine, to a
//! private network only from one. Names are judged by the address used for the connection, so that they
//! can't change in between.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::policy::NetworkPolicy;
use super::reach::{Reach, reach_of};
use crate::http_client::{Forbidden, proxy_hosts};
use crate::text::{SENTENCE, readable};

/// The rule for all requests of one registry's client. Clones share what was learnt.
#[derive(Clone)]
pub(in crate::oci) struct Guard {
    inner: Arc<Inner>,
}

struct Inner {
    registry_host: String,
    /// For the registry itself; other hosts always have one.
    policy: Option<NetworkPolicy>,
    /// The farthest reach at which the registry was ever found.
    farthest: AtomicU8,
    /// Connections to these were configured by the operator.
    proxies: Vec<String>,
}

/// A resolver that refuses addresses forbidden by the guard.
#[derive(Clone)]
pub(in crate::oci) struct Resolver {
    guard: Guard,
    is_own: bool,
}

impl Guard {
    /// Without a policy the registry itself may be anywhere.
    pub(in crate::oci) fn new(root: &Url, policy: Option<NetworkPolicy>) -> Self {
        let inner = Inner {
            registry_host: root.host_str().unwrap_or_default().to_owned(),
            policy,
            farthest: AtomicU8::new(0),
            proxies: proxy_hosts(),
        };
        match root.host() {
            Some(Host::Ipv4(v4)) => inner.seen(IpAddr::V4(v4)),
            Some(Host::Ipv6(v6)) => inner.seen(IpAddr::V6(v6)),
            _ => {}
        }
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The resolver for requests to the registry itself, or to other hosts.
    pub(in crate::oci) fn resolver(&self, is_own: bool) -> Resolver {
        Resolver {
            guard: self.clone(),
            is_own,
        }
    }

    /// Err: why requests to the registry itself are forbidden.
    pub(in crate::oci) fn check_own(&self, url: &Url) -> Result<(), String> {
        match (&self.inner.policy, url.host()) {
            (Some(policy), Some(host)) => policy.host_check(&host),
            _ => Ok(()),
        }
    }

    /// The addresses of the registry itself. Err: why none may be used.
    pub(in crate::oci) async fn own_addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, String> {
        self.check_own(url)?;
        let host = url.host_str().unwrap_or_default();
        let found = self.resolve_checked(host, true).await;
        let port = url.port_or_known_default().unwrap_or(443);
        let with_port = |address: SocketAddr| SocketAddr::new(address.ip(), port);
        match found {
            Ok(found) => Ok(found.into_iter().map(with_port).collect()),
            Err(error) => Err(readable(&error.to_string(), SENTENCE)),
        }
    }

    /// Whether anyone may see the registry's responses.
    pub(in crate::oci) async fn is_public(&self) -> bool {
        self.registry_reach().await == Reach::Public
    }

    /// Err: why the registry may not point us to `url`. Names are judged when they are resolved,
    /// too.
    pub(in crate::oci) async fn check(&self, url: &Url) -> Result<(), String> {
        if !matches!(url.scheme(), "https" | "http") {
            return Err(format!("`{}://` is neither https nor http", url.scheme()));
        }
        let host = url.host().ok_or("it names no host")?;
        self.policy().host_check(&host)?;
        let literal = match host {
            Host::Ipv4(address) => IpAddr::V4(address),
            Host::Ipv6(address) => IpAddr::V6(address),
            Host::Domain(_) => return Ok(()),
        };
        self.near_check(literal).await
    }

    fn policy(&self) -> NetworkPolicy {
        self.inner.policy.clone().unwrap_or_default()
    }

    /// Refuses what is closer to us than the registry.
    async fn near_check(&self, address: IpAddr) -> Result<(), String> {
        let reach = reach_of(address);
        if reach == Reach::Public || self.registry_reach().await <= reach {
            return Ok(());
        }
        let kind = match reach {
            Reach::Loopback => "a loopback address",
            _ => "a private address",
        };
        Err(format!(
            "`{address}` is {kind}, but the registry itself isn't on one"
        ))
    }

    async fn registry_reach(&self) -> Reach {
        if self.inner.farthest.load(Ordering::Relaxed) == 0 {
            // Behind a proxy no name was resolved yet.
            for found in lookup(&self.inner.registry_host).await.unwrap_or_default() {
                self.inner.seen(found.ip());
            }
        }
        match self.inner.farthest.load(Ordering::Relaxed) {
            1 => Reach::Special,
            2 => Reach::Loopback,
            3 => Reach::Private,
            _ => Reach::Public,
        }
    }

    async fn resolve_checked(&self, name: &str, is_own: bool) -> Result<Vec<SocketAddr>, Failed> {
        let found = lookup(name).await?;
        if self.inner.proxies.iter().any(|proxy| proxy == name) {
            return Ok(found);
        }
        for address in found.iter().map(SocketAddr::ip) {
            if is_own {
                self.inner.seen(address);
                if let Some(policy) = &self.inner.policy {
                    policy
                        .address_check(Some(name), address)
                        .map_err(Forbidden)?;
                }
            } else {
                self.policy()
                    .address_check(Some(name), address)
                    .map_err(Forbidden)?;
                self.near_check(address).await.map_err(Forbidden)?;
            }
        }
        Ok(found)
    }
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

impl Inner {
    fn seen(&self, address: IpAddr) {
        let step = match reach_of(address) {
            Reach::Special => 1,
            Reach::Loopback => 2,
            Reach::Private => 3,
            Reach::Public => 4,
        };
        self.farthest.fetch_max(step, Ordering::Relaxed);
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { guard, is_own } = self.clone();
        Box::pin(async move {
            let found = guard.resolve_checked(name.as_str(), is_own).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

async fn lookup(host: &str) -> std::io::Result<Vec<SocketAddr>> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    Ok(tokio::net::lookup_host((bare, 0)).await?.collect())
}

/// Same scheme, host and port: the only origin that gets a registry's credentials.
pub(in crate::oci) fn is_same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host_str() == b.host_str()
        && a.port_or_known_default() == b.port_or_known_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(root: &str) -> Guard {
        Guard::new(&Url::parse(root).unwrap(), None)
    }

    #[tokio::test]
    async fn a_registry_may_not_point_nearer_than_it_is() {
        let public = guard("https://203.0.113.7/");
        let private = guard("http://10.0.0.1:5000/");
        let loopback = guard("http://127.0.0.1:5000/");
        for (inside, from_private) in [
            ("http://127.0.0.1/token", false),
            ("http://[::1]/", false),
            ("http://2130706433/", false),
            ("http://10.1.2.3/", true),
            ("http://[::ffff:192.168.0.1]/", true),
            ("http://[fd00::1]/", true),
            ("http://100.64.0.1/", true),
        ] {
            let url = Url::parse(inside).unwrap();
            assert!(public.check(&url).await.is_err(), "{inside}");
            assert_eq!(private.check(&url).await.is_ok(), from_private, "{inside}");
            assert!(loopback.check(&url).await.is_ok(), "{inside}");
        }
        for never in [
            "http://169.254.169.254/latest",
            "http://0.0.0.0/",
            "http://[fe80::1]/",
            "http://metadata.google.internal./",
            "ftp://203.0.113.9/",
        ] {
            let url = Url::parse(never).unwrap();
            for guard in [&public, &private, &loopback] {
                assert!(guard.check(&url).await.is_err(), "{never}");
            }
        }
        let elsewhere = Url::parse("https://198.51.100.1/").unwrap();
        assert!(public.check(&elsewhere).await.is_ok());
    }

    /// A name allows no more than its address.
    #[tokio::test]
    async fn names_are_judged_by_what_they_are_resolved_to() {
        let outside = guard("https://203.0.113.7/");
        assert!(outside.resolve_checked("localhost", false).await.is_err());
        let inside = guard("http://127.0.0.1:5000/");
        assert!(inside.resolve_checked("localhost", false).await.is_ok());
        // A registry that was once found outside stays outside, wherever its name points now.
        let moved = guard("http://localhost:5000/");
        moved.inner.seen("203.0.113.7".parse().unwrap());
        assert!(moved.resolve_checked("localhost", false).await.is_err());
    }

    #[tokio::test]
    async fn the_policy_is_for_what_the_registry_itself_is_resolved_to() {
        let policy = NetworkPolicy::parse("", "127.0.0.0/8, ::1").unwrap();
        let root = Url::parse("http://localhost:5000/").unwrap();
        let bound = Guard::new(&root, Some(policy));
        assert!(bound.resolve_checked("localhost", true).await.is_err());
        let free = Guard::new(&root, None);
        assert!(free.resolve_checked("localhost", true).await.is_ok());
    }

    /// A name is judged by its address, when connecting.
    #[tokio::test]
    async fn a_public_registry_may_not_point_at_private_addresses_by_name() {
        for (registry, allowed) in [
            ("https://203.0.113.7/", false),
            ("http://127.0.0.1:5000/", true),
        ] {
            let guard = guard(registry).resolver(false);
            let found = guard.resolve("localhost".parse().unwrap()).await;
            assert_eq!(found.is_ok(), allowed, "{registry}");
        }
    }

    /// Otherwise credentials would be sent to the wrong place.
    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let root = Url::parse("https://r.example/").unwrap();
        for (other, same) in [
            ("https://r.example/token?x", true),
            ("https://R.example:443/", true),
            ("http://r.example/", false),
            ("http://r.example:443/", false),
            ("https://r.example:444/", false),
            ("https://sub.r.example/", false),
            ("https://r.example.evil.example/", false),
        ] {
            let other = Url::parse(other).unwrap();
            assert_eq!(is_same_origin(&root, &other), same, "{other}");
        }
    }
}
