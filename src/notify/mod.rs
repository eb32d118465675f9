//! Notifications: a webhook and e-mail. A leaf, which knows neither runs nor the database.
//!
//! - `webhook`: a POST of JSON.
//! - `mail`: a text by SMTP.

mod mail;
mod webhook;

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

pub use mail::Mail;
pub use webhook::Webhook;

/// Timeout of a receiver.
const PATIENCE: Duration = Duration::from_secs(30);

/// The configured receivers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receivers {
    /// The URL of the webhook, which may be a secret.
    pub webhook: Option<String>,
    /// E-mail settings.
    pub mail: Option<MailSettings>,
    /// Whether to notify of warnings, too.
    pub warnings: bool,
}

/// E-mail settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailSettings {
    /// `smtp://` or `smtps://`, with login, password, host and port; `?tls=required` for STARTTLS.
    pub smtp_url: String,
    /// The sender's address.
    pub from: String,
    /// The receivers' addresses.
    pub to: Vec<String>,
}

/// A message.
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    /// One line: an e-mail's subject, and the member `text` of a webhook's JSON (which chat servers
    /// show).
    #[serde(rename = "text")]
    pub summary: String,
    /// An e-mail's body.
    #[serde(skip)]
    pub body: String,
    /// The other members of a webhook's JSON, an object.
    #[serde(flatten)]
    pub event: Value,
}

/// Why a message wasn't delivered, or can't be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The channel's configuration is invalid.
    #[error("`{key}`: {detail}")]
    Settings {
        /// The configuration key.
        key: &'static str,
        /// The error, without the value.
        detail: String,
    },
    /// The receiver refused it, or is unreachable.
    #[error("{channel} to `{receiver}`: {detail}")]
    Undelivered {
        /// `webhook` or `e-mail`.
        channel: &'static str,
        /// Host and port.
        receiver: String,
        /// The error.
        detail: String,
    },
}

/// Sends messages.
#[derive(Debug, Default)]
pub struct Notifier {
    webhook: Option<Webhook>,
    mail: Option<Mail>,
    warnings: bool,
}

impl Notifier {
    /// A sender to `receivers`; nothing is sent yet.
    pub fn new(receivers: &Receivers) -> Result<Notifier, Error> {
        Ok(Notifier {
            webhook: receivers.webhook.as_deref().map(Webhook::new).transpose()?,
            mail: receivers.mail.as_ref().map(Mail::new).transpose()?,
            warnings: receivers.warnings,
        })
    }

    /// The webhook, if configured.
    pub fn webhook(&self) -> Option<&Webhook> {
        self.webhook.as_ref()
    }

    /// Whether to notify of warnings, too.
    pub fn wants_warnings(&self) -> bool {
        self.warnings
    }

    /// E-mail, if configured.
    pub fn mail(&self) -> Option<&Mail> {
        self.mail.as_ref()
    }
}
