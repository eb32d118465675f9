//! What all HTTP clients of this program have in common.

use std::time::Duration;

use reqwest::{ClientBuilder, redirect};

const USER_AGENT: &str = concat!("registrysync/", env!("CARGO_PKG_VERSION"));

/// How long a connection that nobody uses is kept. The next request of a run comes within moments;
/// a process that works for many projects must not hold a descriptor for each that it once talked to.
const IDLE: Duration = Duration::from_secs(10);

/// A client that says who it is and follows no redirect by itself.
pub(crate) fn client_builder() -> ClientBuilder {
    // The process-wide choice of TLS implementation; it stands already after the first client.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .pool_idle_timeout(IDLE)
        .redirect(redirect::Policy::none())
}
