//! Which requests use a proxy: the variables `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`,
//! also in capitals, as in curl and Go's tools.
//!
//! Source: curl(1), "ENVIRONMENT"; the package `golang.org/x/net/http/httpproxy` (networks, ports).

use std::net::IpAddr;

use ipnet::IpNet;
use url::{Host, Url};

/// The proxy for a request to `url`, if any.
pub(crate) fn proxy_of(url: &Url) -> Option<Url> {
    let names: &[&str] = match url.scheme() {
        "http" => &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
        "https" => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        _ => &[],
    };
    let proxy = names.iter().find_map(|name| proxy_in(name))?;
    let exempt = variable("no_proxy").or_else(|| variable("NO_PROXY"));
    (!is_exempt(url, &exempt.unwrap_or_default())).then_some(proxy)
}

/// The hosts of all configured proxies.
pub(crate) fn proxy_hosts() -> Vec<String> {
    [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ]
    .into_iter()
    .filter_map(|name| Some(proxy_in(name)?.host_str()?.to_owned()))
    .collect()
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.trim().is_empty())
}

fn proxy_in(name: &str) -> Option<Url> {
    let value = variable(name)?;
    let value = value.trim();
    // Otherwise `host:3128` would be parsed as a scheme and a path.
    let url = if value.contains("://") {
        Url::parse(value)
    } else {
        Url::parse(&format!("http://{value}"))
    };
    url.ok().filter(Url::has_host)
}

/// Whether the list of exceptions includes the host of `url`.
fn is_exempt(url: &Url, list: &str) -> bool {
    let Some(host) = url.host() else { return false };
    let mut entries = list
        .split([',', ' ', '\t'])
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    let port = url.port_or_known_default();
    entries.any(|entry| {
        let entry = entry.to_ascii_lowercase();
        entry == "*" || names(&entry, &host, port)
    })
}

/// Whether an entry matches `host`: a network, an address or a name, optionally with a port.
fn names(entry: &str, host: &Host<&str>, port: Option<u16>) -> bool {
    let address = match host {
        Host::Domain(_) => None,
        Host::Ipv4(v4) => Some(IpAddr::V4(*v4)),
        Host::Ipv6(v6) => Some(IpAddr::V6(*v6)),
    };
    if let Ok(network) = entry.parse::<IpNet>() {
        return address.is_some_and(|address| network.contains(&address));
    }
    let bare = |text: &str| {
        text.trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>()
    };
    if let Ok(wanted) = bare(entry) {
        return address == Some(wanted);
    }
    let (name, wanted_port) = match entry.rsplit_once(':') {
        Some((name, digits)) => match digits.parse::<u16>() {
            Ok(number) => (name, Some(number)),
            Err(_) => return false,
        },
        None => (entry, None),
    };
    if wanted_port.is_some() && wanted_port != port {
        return false;
    }
    if let Ok(wanted) = bare(name) {
        return address == Some(wanted);
    }
    let Host::Domain(host) = host else {
        return name == "*";
    };
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let name = name.trim_start_matches('*').trim_matches('.');
    name.is_empty()
        || host == name
        || host
            .strip_suffix(name)
            .is_some_and(|above| above.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_as_curl_and_go_know_them() {
        for (list, url, exempt) in [
            ("*", "http://127.0.0.1:5000/", true),
            ("*", "https://r.example/", true),
            ("a.example, *", "http://[::1]/", true),
            ("127.0.0.1:5000", "http://127.0.0.1:5000/", true),
            ("127.0.0.1:5000", "http://127.0.0.1:5001/", false),
            ("127.0.0.1", "http://127.0.0.1:5001/", true),
            ("localhost:5000", "http://localhost:5000/", true),
            ("localhost:5000", "http://localhost/", false),
            ("r.example:443", "https://r.example/", true),
            ("r.example:80", "https://r.example/", false),
            ("10.0.0.0/8", "http://10.9.8.7:5000/", true),
            ("10.0.0.0/8", "http://11.9.8.7:5000/", false),
            ("10.0.0.0/8", "http://10.example/", false),
            ("fd00::/8", "http://[fd12::1]/", true),
            ("::1", "http://[::1]:5000/", true),
            ("[::1]:5000", "http://[::1]:5000/", true),
            ("[::1]:5000", "http://[::1]:5001/", false),
            ("example.com", "http://r.example.com/", true),
            (".example.com", "http://r.example.com/", true),
            (".example.com", "http://example.com/", true),
            ("*.example.com", "http://r.example.com/", true),
            ("example.com", "http://notexample.com/", false),
            ("EXAMPLE.com", "http://r.Example.COM./", true),
            ("a.example b.example", "http://b.example/", true),
            ("", "http://r.example/", false),
            (",, ,", "http://r.example/", false),
            ("r.example:port", "http://r.example/", false),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(is_exempt(&url, list), exempt, "`{list}` and {url}");
        }
    }
}
