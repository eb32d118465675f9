//! Where a registry may send us: never to this machine or a private network, unless the registry
//! itself is there. Checked at the moment of connecting, so that a name can't change in between.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// The rule for hosts that a registry points at (token realm, redirect, upload location).
#[derive(Clone)]
pub(super) struct Guard {
    registry_host: String,
}

impl Guard {
    pub(super) fn new(root: &Url) -> Self {
        Self {
            registry_host: root.host_str().unwrap_or_default().to_owned(),
        }
    }

    /// Err: in words, why `url` is out of bounds. Names are judged when they are resolved.
    pub(super) async fn check(&self, url: &Url) -> Result<(), String> {
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err("it names no host".into()),
        };
        if is_public(literal) || self.registry_is_private().await {
            Ok(())
        } else {
            Err(refusal(literal))
        }
    }

    async fn registry_is_private(&self) -> bool {
        let bare = self
            .registry_host
            .trim_start_matches('[')
            .trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(address) => !is_public(address),
            Err(_) => lookup(bare)
                .await
                .is_ok_and(|found| found.iter().any(|a| !is_public(a.ip()))),
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = lookup(name.as_str()).await?;
            let private = found.iter().find(|address| !is_public(address.ip()));
            match private {
                Some(address) if !guard.registry_is_private().await => {
                    Err(refusal(address.ip()).into())
                }
                _ => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}

async fn lookup(host: &str) -> std::io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((host, 0)).await?.collect())
}

fn refusal(address: IpAddr) -> String {
    format!("`{address}` is a private address and the registry itself is not on one")
}

/// Scheme, host and port are equal: the only place where a registry's credentials go.
pub(super) fn is_same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host_str() == b.host_str()
        && a.port_or_known_default() == b.port_or_known_default()
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            !(v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || shared)
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_public(IpAddr::V4(v4)),
            None => !is_private_v6(v6),
        },
    }
}

fn is_private_v6(v6: Ipv6Addr) -> bool {
    v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_public_registry_may_not_point_at_private_addresses() {
        let public = Guard::new(&Url::parse("https://203.0.113.7/").unwrap());
        let private = Guard::new(&Url::parse("http://127.0.0.1:5000/").unwrap());
        for inside in [
            "http://127.0.0.1/token",
            "http://169.254.169.254/latest",
            "http://10.1.2.3/",
            "http://[::1]/",
            "http://[::ffff:192.168.0.1]/",
            "http://[fd00::1]/",
            "http://100.64.0.1/",
        ] {
            let url = Url::parse(inside).unwrap();
            assert!(public.check(&url).await.is_err(), "{inside}");
            assert!(private.check(&url).await.is_ok(), "{inside}");
        }
        assert!(
            public
                .check(&Url::parse("https://198.51.100.1/").unwrap())
                .await
                .is_ok()
        );
    }

    /// A name is judged by what it leads to, when it is connected to.
    #[tokio::test]
    async fn a_public_registry_may_not_point_at_private_addresses_by_name() {
        for (registry, allowed) in [
            ("https://203.0.113.7/", false),
            ("http://127.0.0.1:5000/", true),
        ] {
            let guard = Guard::new(&Url::parse(registry).unwrap());
            let found = guard.resolve("localhost".parse().unwrap()).await;
            assert_eq!(found.is_ok(), allowed, "{registry}");
        }
    }

    /// Anything else and credentials would go where they don't belong.
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
