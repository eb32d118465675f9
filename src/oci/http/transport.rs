//! The HTTP connections of one registry: a pool for the registry itself, and a guarded one for other
//! hosts that it points at.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Certificate;
use tokio::sync::OnceCell;
use url::Url;

use super::failure::{host_of, root_cause};
use super::options::ClientOptions;
use crate::blocking::spawn_blocking;
use crate::http_client::{Failure, client_builder, failure_of, proxy_of, with_marked_certificates};
use crate::oci::error::{Error, TransportKind};
use crate::oci::network::guard::{Guard, is_same_origin};

/// Timeout of a TCP and TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

pub(in crate::oci) struct Transport {
    own: reqwest::Client,
    /// Created on demand: loading the system's certificates takes tens of milliseconds, and a
    /// registry on plain http seldom points elsewhere.
    foreign: OnceCell<reqwest::Client>,
    settings: Settings,
}

/// The settings of both pools.
#[derive(Clone)]
struct Settings {
    guard: Guard,
    certificates: Vec<Certificate>,
    max_connections: usize,
}

impl Transport {
    /// Err: why the options are invalid.
    pub(in crate::oci) fn new(options: &ClientOptions, root: &Url) -> Result<Self, String> {
        let settings = Settings {
            guard: Guard::new(root, options.policy.clone()),
            certificates: certificates(options.ca_certificate.as_deref())?,
            max_connections: options.max_connections,
        };
        let mut own = settings
            .builder(true)
            .tls_danger_accept_invalid_certs(!options.tls_verify);
        own = match root.scheme() {
            "http" if proxy_of(root).is_none_or(|proxy| proxy.scheme() == "http") => {
                own.tls_certs_only([])
            }
            _ => settings.trusting(own),
        };
        Ok(Self {
            own: own.build().map_err(|e| root_cause(&e))?,
            foreign: OnceCell::new(),
            settings,
        })
    }

    /// The connections for `url`. Err: why there can't be any.
    pub(super) async fn for_url(&self, url: &Url, root: &Url) -> Result<&reqwest::Client, String> {
        if is_same_origin(url, root) {
            self.guard().check_own(url)?;
            return Ok(&self.own);
        }
        let reason = |reason| format!("the registry points at `{}`: {reason}", host_of(url));
        self.guard().check(url).await.map_err(reason)?;
        self.foreign
            .get_or_try_init(|| async {
                // Certificates of other hosts are always verified, whatever this registry's
                // setting.
                let settings = self.settings.clone();
                let build = move || settings.trusting(settings.builder(false)).build();
                let made = spawn_blocking(build).await;
                made.map_err(|e| e.to_string())?.map_err(|e| root_cause(&e))
            })
            .await
    }

    pub(in crate::oci) fn guard(&self) -> &Guard {
        &self.settings.guard
    }

    /// The failure of a request to `url` at `host`.
    pub(in crate::oci) fn error(
        host: String,
        what: &str,
        url: &Url,
        error: &reqwest::Error,
    ) -> Error {
        let (kind, detail) = match failure_of(error) {
            Failure::Untrusted => (TransportKind::Tls, UNTRUSTED.to_owned()),
            Failure::NotTls => (TransportKind::Tls, NO_TLS.to_owned()),
            Failure::Tls(detail) => (
                TransportKind::Tls,
                format!("the TLS handshake failed: {detail}"),
            ),
            Failure::NotHttp => (TransportKind::Tls, NO_HTTP.to_owned()),
            Failure::Forbidden(detail) | Failure::Unmakeable(detail) => {
                return Error::Protocol {
                    host,
                    what: what.to_owned(),
                    detail,
                };
            }
            Failure::Unconnected(cause) => (
                TransportKind::Unreachable,
                format!("can't connect{} ({cause})", by_proxy(url)),
            ),
            Failure::Broken(cause) => (
                TransportKind::Broken,
                format!("the connection{} was lost ({cause})", by_proxy(url)),
            ),
        };
        Error::Transport {
            host,
            phase: what.to_owned(),
            detail,
            kind,
        }
    }
}

const UNTRUSTED: &str = "the certificate is signed by an authority that isn't trusted here (UnknownIssuer); if it is the right \
    one, give the authority's certificate (PEM) as `ca_certificate` of the image store, on the command line with \
    `--ca-certificate FILE`, or in the file that `SSL_CERT_FILE` names";
const NO_TLS: &str =
    "the server doesn't speak TLS; if plain http is intended, write `http://` before its address";
const NO_HTTP: &str = "the server doesn't answer in HTTP; if it speaks TLS, write `https://` before its address, without \
    `plain_http`";

/// The proxy of a request to `url`, for messages; never its login.
pub(super) fn by_proxy(url: &Url) -> String {
    proxy_of(url).map_or_else(String::new, |proxy| {
        format!(
            " through the proxy `{}://{}`",
            proxy.scheme(),
            host_of(&proxy)
        )
    })
}

fn certificates(pem: Option<&str>) -> Result<Vec<Certificate>, String> {
    let Some(pem) = pem else {
        return Ok(Vec::new());
    };
    let pem = pem.trim_start_matches('\u{feff}');
    let found = Certificate::from_pem_bundle(pem.as_bytes())
        .map_err(|e| format!("`ca_certificate` is not PEM: {}", root_cause(&e)))?;
    if found.is_empty() {
        return Err("`ca_certificate` has no certificate".into());
    }
    Ok(found)
}

impl Settings {
    /// HTTP/1.1 only: with one connection per transfer a slow blob doesn't delay others, and it
    /// measured faster than HTTP/2 for large bodies.
    fn builder(&self, is_own: bool) -> reqwest::ClientBuilder {
        client_builder()
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(self.max_connections)
            .dns_resolver(Arc::new(self.guard.resolver(is_own)))
    }

    /// With the system's certificates, and the store's.
    fn trusting(&self, builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
        let builder = with_marked_certificates(builder);
        if self.certificates.is_empty() {
            builder
        } else {
            builder.tls_certs_merge(self.certificates.clone())
        }
    }
}
