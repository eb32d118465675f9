//! Metadata of a request: where it came from, and the address it was sent to.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::header::HOST;
use axum::http::{HeaderMap, HeaderValue};

use crate::api::Peer;
use crate::surface::connections::admission::Visit;

/// Stored in the extensions of each request that the router handles.
#[derive(Clone, Debug)]
pub(in crate::surface) struct Arrival {
    pub(in crate::surface) address: SocketAddr,
    pub(in crate::surface) origin: Origin,
    pub(in crate::surface) visit: Visit,
}

impl Arrival {
    pub(in crate::surface) fn peer(&self) -> Peer {
        Peer {
            address: self.address.ip(),
        }
    }
}

/// The address of a request to the server: scheme, host and port.
#[derive(Clone, Debug)]
pub(in crate::surface) enum Origin {
    /// The configured address.
    Public(Arc<str>),
    /// As the client sees it.
    Asked {
        is_tls: bool,
        /// Validated characters of a host.
        host: Option<HeaderValue>,
    },
}

impl Origin {
    /// From the request's own headers, if no address is configured.
    pub(in crate::surface) fn asked(is_tls: bool, headers: &HeaderMap) -> Origin {
        let host = headers.get(HOST).cloned();
        Origin::Asked { is_tls, host }
    }

    /// The address as text, such as `https://sync.example.com:8443`.
    pub(in crate::surface) fn text(&self) -> String {
        format!("{}://{}", self.scheme(), self.host())
    }

    /// Whether users reach the server by https.
    pub(in crate::surface) fn is_secure(&self) -> bool {
        self.scheme() == "https"
    }

    pub(in crate::surface) fn scheme(&self) -> &str {
        match self {
            Origin::Public(url) => url.split_once("://").map_or("", |(scheme, _)| scheme),
            Origin::Asked { is_tls: true, .. } => "https",
            Origin::Asked { .. } => "http",
        }
    }

    /// The host, with its port unless that is the scheme's default.
    pub(in crate::surface) fn host(&self) -> &str {
        match self {
            Origin::Public(url) => url.split_once("://").map_or(url, |(_, host)| host),
            Origin::Asked { host, .. } => {
                let host = host.as_ref().and_then(|host| host.to_str().ok());
                host.unwrap_or("localhost")
            }
        }
    }

    /// Whether this is the default https port of its host. `Strict-Transport-Security` applies to
    /// all ports of a host, so only a server on that port may send it.
    pub(in crate::surface) fn is_all_of_its_host(&self) -> bool {
        let is_port_default = |url: url::Url| url.port().is_none();
        self.is_secure() && url::Url::parse(&self.text()).is_ok_and(is_port_default)
    }
}
