//! What all HTTP clients of this program have in common.

use reqwest::{ClientBuilder, redirect};

const USER_AGENT: &str = concat!("registrysync/", env!("CARGO_PKG_VERSION"));

/// A client that says who it is and follows no redirect by itself.
pub(crate) fn client_builder() -> ClientBuilder {
    // The process-wide choice of TLS implementation; it stands already after the first client.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(redirect::Policy::none())
}
