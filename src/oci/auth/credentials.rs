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
    /// Whether the password is an identity token instead, which is good for tokens only.
    is_identity_token: bool,
}

impl Credentials {
    /// A user name and a password, neither of which is checked.
    pub fn new(username: String, password: SecretString) -> Self {
        Self {
            username,
            password,
            is_identity_token: false,
        }
    }

    /// `None` if both are empty: empty credentials mean none.
    pub fn from_parts(username: &str, password: &str) -> Option<Self> {
        if username.is_empty() && password.is_empty() {
            return None;
        }
        Some(Self::new(username.to_owned(), password.to_owned().into()))
    }

    /// A refresh token for the registry's token server; `None` if it is empty.
    pub(super) fn from_identity_token(token: &str) -> Option<Self> {
        (!token.is_empty()).then(|| Self {
            is_identity_token: true,
            ..Self::new(String::new(), token.to_owned().into())
        })
    }

    /// The refresh token, if it is one.
    pub(super) fn identity_token(&self) -> Option<&SecretString> {
        self.is_identity_token.then_some(&self.password)
    }

    /// Whose login it is, for messages.
    pub(super) fn told(&self) -> String {
        if self.is_identity_token {
            "the identity token".to_owned()
        } else {
            format!("the credentials of `{}`", self.username)
        }
    }

    /// `None`: they can't be sent in this way.
    pub(super) fn basic(&self) -> Option<HeaderValue> {
        if self.is_identity_token {
            return None;
        }
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
