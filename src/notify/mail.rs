//! Sends a text by SMTP.

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MessageBuilder};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use url::Url;

use super::{Error, MailSettings, Message, PATIENCE};

/// Recipients of e-mail, and the server.
#[derive(Debug)]
pub struct Mail {
    smtp: AsyncSmtpTransport<Tokio1Executor>,
    server: String,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Mail {
    pub(super) fn new(settings: &MailSettings) -> Result<Mail, Error> {
        let refused = |key, detail: String| Error::Settings { key, detail };
        let url = Url::parse(&settings.smtp_url).ok().filter(Url::has_host);
        let usage = "expected an address such as `smtp://mail.example.com`, \
                     `smtp://LOGIN:PASSWORD@mail.example.com:587?tls=required` or \
                     `smtps://LOGIN:PASSWORD@mail.example.com`";
        let url = url.ok_or_else(|| refused("smtp_url", usage.to_owned()))?;
        let smtp = AsyncSmtpTransport::<Tokio1Executor>::from_url(&settings.smtp_url)
            .map_err(|_| refused("smtp_url", usage.to_owned()))?
            .timeout(Some(PATIENCE))
            .build();
        let mailbox = |key, address: &String| {
            let read = address.trim().parse();
            read.map_err(|_| refused(key, format!("`{address}` isn't an e-mail address")))
        };
        let port = url.port().map(|port| format!(":{port}"));
        Ok(Mail {
            smtp,
            server: format!(
                "{}{}",
                url.host_str().unwrap_or_default(),
                port.unwrap_or_default()
            ),
            from: mailbox("mail_from", &settings.from)?,
            to: settings
                .to
                .iter()
                .map(|address| mailbox("mail_to", address))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Sends one.
    pub async fn send(&self, message: &Message) -> Result<(), Error> {
        let failed = |detail: String| Error::Undelivered {
            channel: "e-mail",
            receiver: self.server.clone(),
            detail,
        };
        let envelope = lettre::Message::builder()
            .from(self.from.clone())
            .subject(message.summary.as_str())
            .message_id(None)
            .header(ContentType::TEXT_PLAIN);
        let mail = self
            .to
            .iter()
            .cloned()
            .fold(envelope, MessageBuilder::to)
            .body(message.body.clone())
            .map_err(|error| failed(error.to_string()))?;
        let sent = self.smtp.send(mail).await;
        sent.map(|_| ()).map_err(|error| failed(error.to_string()))
    }
}
