//! The address of a registry: scheme, host, port and an optional path prefix; the aliases of Docker
//! Hub.

use std::fmt;

use url::Url;

use super::name_error::NameError;
use super::reference::Repository;
use crate::text::{NAME, readable};

/// The common name of Docker Hub, and the host that serves its API.
const HUB: &str = "docker.io";
const HUB_API: &str = "registry-1.docker.io";
pub(in crate::oci) const HUB_ALIASES: [&str; 3] =
    ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// A registry's address: `host[:port][/prefix]`, optionally with `https://` or `http://`.
///
/// `http://` means plain http; without a scheme it is https only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RegistryAddress {
    plain_http: bool,
    host: String,
    port: Option<u16>,
    prefix: Option<Repository>,
}

impl RegistryAddress {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let fail = |reason: &str| NameError::new("registry address", text, reason);
        if text.trim().is_empty() {
            return Err(fail("it is empty; give `host[:port][/prefix]`"));
        }
        let (plain_http, rest) = match text.split_once("://") {
            None => (false, text),
            Some(("https", rest)) => (false, rest),
            Some(("http", rest)) => (true, rest),
            Some(_) => return Err(fail("only `https://` and `http://` are supported")),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(NameError::new(
                "registry address",
                rest.rsplit('@').next().unwrap_or_default(),
                "an address must not contain credentials",
            ));
        }
        if let Some((_, after)) = authority.split_once(['?', '#']) {
            let after = readable(after, NAME);
            return Err(fail(&format!(
                "a query or fragment (`{after}`) isn't allowed; give `host[:port][/prefix]`"
            )));
        }
        let url = Url::parse(&format!("http://{authority}/"))
            .map_err(|_| fail("expected `host[:port][/prefix]`"))?;
        let host = url
            .host_str()
            .filter(|host| !host.is_empty() && url.path() == "/")
            .ok_or_else(|| fail("it names no host; give `host[:port][/prefix]`"))?
            .to_owned();
        // `Url` omits a port that is the scheme's default; the text still has it.
        let port = authority
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok())
            .filter(|port| *port != if plain_http { 80 } else { 443 });
        let mut address = Self {
            plain_http,
            host,
            port,
            prefix: None,
        };
        let mut path = path.trim_end_matches('/');
        if address.is_hub() {
            HUB.clone_into(&mut address.host);
            // `https://index.docker.io/v1/` is how Docker's own configuration spells it.
            path = if path == "v1" || path == "v2" {
                ""
            } else {
                path
            };
        }
        if !path.is_empty() {
            let prefix =
                Repository::parse(path).map_err(|e| fail(&format!("its path: {}", e.reason)))?;
            address.prefix = Some(prefix);
        }
        Ok(address)
    }

    /// The same address, with plain http if `plain_http` is set.
    #[must_use]
    pub fn with_plain_http(mut self, plain_http: bool) -> Self {
        self.plain_http |= plain_http;
        self
    }

    /// Whether to use plain http.
    pub fn is_plain_http(&self) -> bool {
        self.plain_http
    }

    /// Host and port as users write them: `docker.io`, `localhost:5000`.
    pub fn host(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// The common path prefix of all repositories of this address.
    pub fn prefix(&self) -> Option<&Repository> {
        self.prefix.as_ref()
    }

    /// The full path of `repository` here: with the prefix, and with `library/` at Docker Hub.
    pub fn resolve(&self, repository: &Repository) -> Result<Repository, NameError> {
        match &self.prefix {
            Some(prefix) => Repository::parse(&format!("{prefix}/{repository}")),
            None if self.is_hub() && !repository.as_str().contains('/') => {
                Repository::parse(&format!("library/{repository}"))
            }
            None => Ok(repository.clone()),
        }
    }

    /// `host/repository` of the full path, for people.
    pub fn place_of(&self, repository: &Repository) -> String {
        match self.resolve(repository) {
            Ok(path) => format!("{}/{path}", self.host()),
            Err(_) => format!("{self}/{repository}"),
        }
    }

    /// Whether both are the same registry, whatever the spelling and the prefix.
    pub fn is_same_registry(&self, other: &Self) -> bool {
        let port = |a: &Self| a.port.unwrap_or(if a.plain_http { 80 } else { 443 });
        self.host == other.host && port(self) == port(other)
    }

    /// The root of the API, such as `https://registry-1.docker.io/`.
    pub(crate) fn root(&self) -> Result<Url, NameError> {
        let scheme = if self.plain_http { "http" } else { "https" };
        let host = if self.is_hub() { HUB_API } else { &self.host };
        let port = self.port.map_or(String::new(), |port| format!(":{port}"));
        Url::parse(&format!("{scheme}://{host}{port}/"))
            .map_err(|e| NameError::new("registry address", &self.host(), e.to_string()))
    }

    fn is_hub(&self) -> bool {
        HUB_ALIASES.contains(&self.host.as_str()) && self.port.is_none() && !self.plain_http
    }
}

impl fmt::Display for RegistryAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host())?;
        match &self.prefix {
            Some(prefix) => write!(f, "/{prefix}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> RegistryAddress {
        RegistryAddress::parse(text).unwrap()
    }

    #[test]
    fn forms() {
        for (text, shown, root) in [
            (
                "localhost:5000",
                "localhost:5000",
                "https://localhost:5000/",
            ),
            (
                "http://127.0.0.1:5000",
                "127.0.0.1:5000",
                "http://127.0.0.1:5000/",
            ),
            (
                "https://r.example/a/b/",
                "r.example/a/b",
                "https://r.example/",
            ),
            ("r.example:443", "r.example", "https://r.example/"),
            (
                "http://r.example:443",
                "r.example:443",
                "http://r.example:443/",
            ),
            ("[::1]:5000", "[::1]:5000", "https://[::1]:5000/"),
            ("docker.io", "docker.io", "https://registry-1.docker.io/"),
            (
                "https://index.docker.io/v1/",
                "docker.io",
                "https://registry-1.docker.io/",
            ),
            (
                "registry-1.docker.io",
                "docker.io",
                "https://registry-1.docker.io/",
            ),
        ] {
            let address = parse(text);
            assert_eq!(address.to_string(), shown, "{text}");
            assert_eq!(address.root().unwrap().as_str(), root, "{text}");
        }
        for bad in [
            "",
            " ",
            "ftp://x",
            "user:secret@host",
            "http://",
            "host:99999",
            "host/UPPER",
            "a b",
            "host?x",
            "host#x",
        ] {
            assert!(RegistryAddress::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hub_has_a_library_and_aliases() {
        let alpine = Repository::parse("alpine").unwrap();
        assert_eq!(
            parse("docker.io").resolve(&alpine).unwrap().as_str(),
            "library/alpine"
        );
        assert_eq!(
            parse("docker.io/me").resolve(&alpine).unwrap().as_str(),
            "me/alpine"
        );
        assert_eq!(
            parse("r.example").resolve(&alpine).unwrap().as_str(),
            "alpine"
        );
        assert!(parse("docker.io").is_same_registry(&parse("https://index.docker.io/v1/")));
        assert!(!parse("r.example").is_same_registry(&parse("http://r.example")));
        assert!(parse("r.example:443/a").is_same_registry(&parse("r.example")));
    }
}
