//! Credentials, and how they are sent.

use base64::Engine as _;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

/// A user name and a password (or a token used as one).
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// The password, wiped from memory after use.
    pub password: SecretString,
}

impl Credentials {
    /// `None` if both are empty: empty credentials mean none.
    pub fn from_parts(username: &str, password: &str) -> Option<Self> {
        if username.is_empty() && password.is_empty() {
            return None;
        }
        Some(Self {
            username: username.to_owned(),
            password: password.to_owned().into(),
        })
    }

    pub(super) fn basic(&self) -> Option<HeaderValue> {
        let pair = format!("{}:{}", self.username, self.password.expose_secret());
        let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
        sensitive(&format!("Basic {encoded}"))
    }
}

/// A sensitive header, which is never shown.
pub(super) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
