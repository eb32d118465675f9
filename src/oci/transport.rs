//! The HTTP connections of one registry: one pool for the registry itself, and a guarded one for
//! other hosts that the registry points at.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::client::{ClientOptions, root_cause};
use super::error::{Error, TransportKind};
use super::guard::{Guard, is_same_origin};
use crate::http_client::client_builder;

/// How long a TCP and TLS handshake may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

pub(super) struct Transport {
    own: reqwest::Client,
    foreign: reqwest::Client,
    guard: Guard,
}

impl Transport {
    /// Err: in words, why the options make no client.
    pub(super) fn new(options: &ClientOptions, root: &Url) -> Result<Self, String> {
        let guard = Guard::new(root);
        let own = builder(options, root.scheme() == "http")?
            .build()
            .map_err(|e| root_cause(&e))?;
        // The registry's own trust settings hold for that one host; others get the usual ones.
        let public = ClientOptions {
            tls_verify: true,
            ..options.clone()
        };
        let foreign = builder(&public, root.scheme() == "http")?
            .dns_resolver(Arc::new(guard.clone()))
            .build()
            .map_err(|e| root_cause(&e))?;
        Ok(Self {
            own,
            foreign,
            guard,
        })
    }

    pub(super) fn for_url(&self, url: &Url, root: &Url) -> &reqwest::Client {
        if is_same_origin(url, root) {
            &self.own
        } else {
            &self.foreign
        }
    }

    pub(super) fn guard(&self) -> &Guard {
        &self.guard
    }

    pub(super) fn error(host: String, what: &str, error: &reqwest::Error) -> Error {
        let cause = root_cause(error);
        let (kind, detail) = if is_tls(error) {
            (TransportKind::Tls, tls_detail(&cause))
        } else if error.is_connect() {
            (
                TransportKind::Unreachable,
                format!("can't connect ({cause})"),
            )
        } else {
            (
                TransportKind::Broken,
                format!("the connection broke off ({cause})"),
            )
        };
        Error::Transport {
            host,
            phase: what.to_owned(),
            detail,
            kind,
        }
    }
}

fn tls_detail(cause: &str) -> String {
    if cause.contains("InvalidContentType") {
        "it doesn't speak TLS; if it is meant to be on plain http, write `http://` before its address".into()
    } else {
        format!("the TLS connection is refused ({cause})")
    }
}

fn is_tls(error: &reqwest::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<rustls::Error>() {
            return true;
        }
        // rustls' errors travel inside `io::Error`s, whose `source` skips what they hold.
        let held = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        cause = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    false
}

/// HTTP/1.1 only: one connection a transfer keeps a slow blob from holding up the others, and
/// measured faster than HTTP/2 for large bodies.
fn builder(options: &ClientOptions, plain_http: bool) -> Result<reqwest::ClientBuilder, String> {
    let mut builder = client_builder()
        .http1_only()
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(options.max_connections)
        .tls_danger_accept_invalid_certs(!options.tls_verify);
    if plain_http {
        // Loading the system's certificates costs tens of milliseconds; plain http needs none.
        return Ok(builder.tls_certs_only([]));
    }
    if let Some(pem) = &options.ca_certificate {
        let certificates = reqwest::Certificate::from_pem_bundle(pem.as_bytes())
            .map_err(|e| format!("`ca_certificate` is not PEM: {}", root_cause(&e)))?;
        if certificates.is_empty() {
            return Err("`ca_certificate` holds no certificate".into());
        }
        builder = builder.tls_certs_merge(certificates);
    }
    Ok(builder)
}
