//! Telling people: a webhook and e-mail. A leaf, which knows neither runs nor the database.
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

/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where messages go, as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receivers {
    /// Where JSON is posted to. The whole URL may be a secret.
    pub webhook: Option<String>,
    /// Who gets e-mail.
    pub mail: Option<MailSettings>,
    /// Whether they are told of warnings too.
    pub warnings: bool,
}

/// How e-mail is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailSettings {
    /// `smtp://` or `smtps://`, with login, password, host and port; `?tls=required` for STARTTLS.
    pub smtp_url: String,
    /// The sender's address.
    pub from: String,
    /// The receivers' addresses.
    pub to: Vec<String>,
}

/// What is told.
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    /// One line: an e-mail's subject, the member `text` of a webhook's JSON (what chat servers
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

/// Why a message didn't arrive, or can't be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration makes no channel.
    #[error("`{key}`: {detail}")]
    Settings {
        /// The key of the configuration.
        key: &'static str,
        /// What is wrong, without the value.
        detail: String,
    },
    /// The receiver refused it, or isn't there.
    #[error("{channel} to `{receiver}`: {detail}")]
    Undelivered {
        /// `webhook` or `e-mail`.
        channel: &'static str,
        /// Host and port.
        receiver: String,
        /// What came of it.
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

    /// The webhook, where one is configured.
    pub fn webhook(&self) -> Option<&Webhook> {
        self.webhook.as_ref()
    }

    /// Whether people are told of warnings too.
    pub fn wants_warnings(&self) -> bool {
        self.warnings
    }

    /// E-mail, where it is configured.
    pub fn mail(&self) -> Option<&Mail> {
        self.mail.as_ref()
    }
}
