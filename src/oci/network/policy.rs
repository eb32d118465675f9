//! Which hosts and addresses a registry may have: an operator's lists, and the default without any.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use ipnet::IpNet;
use url::{Host, Url};

use super::reach::{Reach, is_metadata_name, reach_of, spellings};
use crate::oci::types::address::{HUB_ALIASES, RegistryAddress};
use crate::oci::types::name_error::NameError;

/// The lists. Without any, every host is allowed except those with a special address (link-local,
/// metadata, unspecified, multicast).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkPolicy {
    allow: Arc<[Rule]>,
    deny: Arc<[Rule]>,
}

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Network(IpNet),
    /// Exactly this host.
    Host(String),
    /// Every host below this domain.
    Below(String),
}

static OF_SERVER: OnceLock<NetworkPolicy> = OnceLock::new();

/// Sets the policy of this process for the stores of its database; only the first call counts.
pub fn server_policy_set(policy: NetworkPolicy) {
    let _ = OF_SERVER.set(policy);
}

/// The policy of this process for the stores of its database.
pub fn server_policy() -> NetworkPolicy {
    OF_SERVER.get().cloned().unwrap_or_default()
}

impl NetworkPolicy {
    /// Parses two comma-separated lists: hosts (`r.example`, `*.example.com`), addresses and
    /// networks (`10.0.0.0/8`).
    pub fn parse(allow: &str, deny: &str) -> Result<Self, NameError> {
        Ok(Self {
            allow: rules(allow)?,
            deny: rules(deny)?,
        })
    }

    /// Err: why the registry at `address`, as written, is forbidden; names may later resolve to
    /// forbidden addresses.
    pub fn registry_check(&self, address: &RegistryAddress) -> Result<(), String> {
        match address.root().ok().as_ref().and_then(Url::host) {
            Some(host) => self.host_check(&host),
            None => Ok(()),
        }
    }

    /// Err: why requests to `host` (from a URL) are forbidden, whatever its address.
    pub fn host_check(&self, host: &Host<&str>) -> Result<(), String> {
        let name = match host {
            Host::Ipv4(v4) => return self.address_check(None, IpAddr::V4(*v4)),
            Host::Ipv6(v6) => return self.address_check(None, IpAddr::V6(*v6)),
            Host::Domain(name) => plain(name),
        };
        if aliases(&name).any(|name| self.deny.iter().any(|rule| rule.is_host(name))) {
            return Err(format!("`{name}` is in `registry_deny`"));
        }
        if is_metadata_name(&name) && !self.allows_host(&name) {
            return Err(format!("`{name}` is a cloud's metadata service"));
        }
        // If the list has networks, the address may be in one of them.
        let by_name_only = self
            .allow
            .iter()
            .all(|rule| !matches!(rule, Rule::Network(_)));
        if !self.allow.is_empty() && by_name_only && !self.allows_host(&name) {
            return Err(format!("`{name}` isn't in `registry_allow`"));
        }
        Ok(())
    }

    /// Err: why requests to `address`, to which `host` was resolved, are forbidden.
    pub fn address_check(&self, host: Option<&str>, address: IpAddr) -> Result<(), String> {
        let ways = spellings(address);
        let is_in = |rules: &[Rule], address| rules.iter().any(|rule| rule.has(address));
        if ways.iter().any(|way| is_in(&self.deny, *way)) {
            return Err(format!("`{address}` is in `registry_deny`"));
        }
        // An embedded address allows nothing, since the route of the packets is unknown.
        let is_allowed = is_in(&self.allow, address.to_canonical());
        let may_be_special =
            |way: &IpAddr| reach_of(*way) == Reach::Special && !is_in(&self.allow, *way);
        if is_allowed && !ways[1..].iter().any(may_be_special) {
            return Ok(());
        }
        if reach_of(address) == Reach::Special {
            return Err(format!(
                "`{address}` is a link-local, metadata, multicast or unspecified address; the \
                 server's `registry_allow` can allow it"
            ));
        }
        let named = host.is_some_and(|host| self.allows_host(&plain(host)));
        if self.allow.is_empty() || named {
            return Ok(());
        }
        Err(format!("`{address}` isn't in `registry_allow`"))
    }

    fn allows_host(&self, name: &str) -> bool {
        aliases(name).any(|name| self.allow.iter().any(|rule| rule.is_host(name)))
    }
}

impl Rule {
    fn has(&self, address: IpAddr) -> bool {
        matches!(self, Self::Network(network) if network.contains(&address))
    }

    fn is_host(&self, name: &str) -> bool {
        match self {
            Self::Network(_) => false,
            Self::Host(host) => host == name,
            Self::Below(domain) => name
                .strip_suffix(domain.as_str())
                .is_some_and(|above| above.ends_with('.')),
        }
    }
}

/// A host's name and aliases: naming one of Docker Hub's means all.
fn aliases(name: &str) -> impl Iterator<Item = &str> {
    let of_hub = HUB_ALIASES.contains(&name);
    let others = HUB_ALIASES.into_iter().filter(move |_| of_hub);
    std::iter::once(name).chain(others)
}

/// A host's name in comparable form.
fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn rules(list: &str) -> Result<Arc<[Rule]>, NameError> {
    list.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .map(rule)
        .collect()
}

fn rule(entry: &str) -> Result<Rule, NameError> {
    if let Ok(network) = entry.parse::<IpNet>() {
        return Ok(Rule::Network(network.trunc()));
    }
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(Rule::Network(address.into()));
    }
    let fail = || {
        NameError::new(
            "host or network",
            entry,
            "expected a host such as `r.example`, `*.example.com`, or a network such as `10.0.0.0/8`; no port",
        )
    };
    let (is_below, name) = match entry.strip_prefix("*.") {
        Some(domain) => (true, domain),
        None => (false, entry),
    };
    match Host::parse(name) {
        Ok(Host::Domain(name)) if !name.contains('*') => {
            let name = plain(&name);
            Ok(if is_below {
                Rule::Below(name)
            } else {
                Rule::Host(name)
            })
        }
        Ok(Host::Ipv4(v4)) if !is_below => Ok(Rule::Network(IpAddr::V4(v4).into())),
        _ => Err(fail()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(policy: &NetworkPolicy, url: &str) -> Result<(), String> {
        policy.host_check(&Url::parse(url).unwrap().host().unwrap())
    }

    #[test]
    fn without_lists_only_special_places_are_refused_in_all_their_spellings() {
        let usual = NetworkPolicy::default();
        for refused in [
            "http://169.254.169.254/",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "http://0251.0376.0251.0376/",
            "http://169.254.43518/",
            "http://[::ffff:169.254.169.254]/",
            "http://[64:ff9b::169.254.169.254]/",
            "http://169.254.169.254./",
            "http://0.0.0.0:5000/",
            "http://0:5000/",
            "http://[::]:5000/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://224.0.0.1/",
            "http://metadata.google.internal/",
            "http://Metadata.Google.Internal./",
        ] {
            assert!(check(&usual, refused).is_err(), "{refused}");
        }
        for allowed in [
            "http://127.0.0.1:5000/",
            "http://2130706433/",
            "http://10.0.0.1/",
            "http://[::1]/",
            "http://localhost/",
            "https://registry.example/",
        ] {
            assert_eq!(check(&usual, allowed), Ok(()), "{allowed}");
        }
        let at = |address: &str| usual.address_check(Some("r.example"), address.parse().unwrap());
        assert!(at("169.254.169.254").is_err() && at("::ffff:0.0.0.0").is_err());
        assert!(at("10.0.0.1").is_ok());
    }

    #[test]
    fn lists_allow_and_deny() {
        let policy = NetworkPolicy::parse(
            "*.example.com, 10.0.0.0/8, 169.254.7.7",
            "bad.example.com,10.9.0.0/16, fd00::/8",
        );
        let policy = policy.unwrap();
        let at =
            |host: &str, address: &str| policy.address_check(Some(host), address.parse().unwrap());
        assert!(check(&policy, "https://r.example.com/").is_ok());
        assert!(check(&policy, "https://Bad.example.com./").is_err());
        assert!(check(&policy, "http://10.1.1.1/").is_ok());
        assert!(check(&policy, "http://10.9.1.1/").is_err());
        assert!(check(&policy, "http://[::ffff:10.9.1.1]/").is_err());
        assert!(check(&policy, "http://8.8.8.8/").is_err());
        assert!(check(&policy, "http://169.254.7.7/").is_ok());
        assert!(check(&policy, "http://169.254.7.8/").is_err());
        assert!(at("r.example.com", "203.0.113.1").is_ok());
        assert!(at("r.example.com", "10.9.0.1").is_err());
        assert!(at("r.example.com", "169.254.169.254").is_err());
        assert!(at("elsewhere.example", "203.0.113.1").is_err());
        assert!(at("elsewhere.example", "10.2.0.1").is_ok());
        // An embedded address never allows, it only forbids.
        for embedding in [
            "64:ff9b:1:a00:0:100:a9fe:a9fe",
            "2001:0:a00:1::5601:5601",
            "2002:a00:1::1",
        ] {
            assert!(
                check(&policy, &format!("http://[{embedding}]/")).is_err(),
                "{embedding}"
            );
        }
        assert!(check(&policy, "http://[::ffff:10.1.1.1]/").is_ok());
        // Nor does allowing a whole network allow the special addresses in it.
        let around = NetworkPolicy::parse("2002::/16", "").unwrap();
        assert!(check(&around, "http://[2002:a9fe:a9fe::1]/").is_err());
        assert!(check(&around, "http://[2002:cb00:7101::1]/").is_ok());
        for hub in ["docker.io", "index.docker.io"] {
            let denied = NetworkPolicy::parse("", hub).unwrap();
            assert!(
                check(&denied, "https://registry-1.docker.io/").is_err(),
                "{hub}"
            );
            let allowed = NetworkPolicy::parse(hub, "").unwrap();
            assert!(
                check(&allowed, "https://registry-1.docker.io/").is_ok(),
                "{hub}"
            );
        }
        let names = NetworkPolicy::parse("r.example", "").unwrap();
        assert!(check(&names, "https://r.example/").is_ok());
        assert!(check(&names, "https://x.r.example/").is_err());
    }

    #[test]
    fn invalid_rules_are_refused() {
        for entry in [
            "r.example:5000",
            "*",
            "*.*.example",
            "a b",
            "http://x",
            "10.0.0.0/33",
        ] {
            assert!(NetworkPolicy::parse(entry, "").is_err(), "{entry}");
            assert!(NetworkPolicy::parse("", entry).is_err(), "{entry}");
        }
    }
}
