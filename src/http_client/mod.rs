//! What all HTTP clients of this program have in common.
//!
//! - `proxy`: which requests use a proxy.
//! - `failure`: why a request got no response.

mod failure;
mod proxy;

pub(crate) use failure::{Failure, Forbidden, failure_of};
pub(crate) use proxy::{proxy_hosts, proxy_of};

use std::time::Duration;

use reqwest::{Certificate, ClientBuilder, Proxy, redirect};

const USER_AGENT: &str = concat!("registrysync/", env!("CARGO_PKG_VERSION"));
/// How long an idle connection is kept. The next request of a run comes within moments; a process
/// that works for many projects must not hold a file descriptor for each of them.
const IDLE: Duration = Duration::from_secs(10);
/// The byte order mark that some editors put before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A client with our user agent that follows no redirects itself and uses the environment's
/// proxies.
pub(crate) fn client_builder() -> ClientBuilder {
    // Sets the process-wide TLS implementation; no effect after the first client.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .pool_idle_timeout(IDLE)
        .redirect(redirect::Policy::none())
        .no_proxy();
    if !proxy_hosts().is_empty() {
        builder = builder.proxy(Proxy::custom(proxy_of));
    }
    builder
}

/// The same, with certificates that the system's reader would skip: those of an `SSL_CERT_FILE`
/// that begins with a byte order mark.
pub(crate) fn with_marked_certificates(builder: ClientBuilder) -> ClientBuilder {
    let file = std::env::var_os("SSL_CERT_FILE").and_then(|path| std::fs::read(path).ok());
    let marked = file
        .as_deref()
        .and_then(|f| f.strip_prefix(BYTE_ORDER_MARK));
    match marked.map(Certificate::from_pem_bundle) {
        Some(Ok(certificates)) => builder.tls_certs_merge(certificates),
        _ => builder,
    }
}
