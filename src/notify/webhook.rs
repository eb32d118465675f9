//! A POST of JSON.

use std::error::Error as _;

use url::Url;

use super::{Error, Message, PATIENCE};
use crate::http_client::client_builder;

const KEY: &str = "webhook_url";

/// The webhook's URL.
#[derive(Debug)]
pub struct Webhook {
    http: reqwest::Client,
    url: Url,
}

impl Webhook {
    pub(super) fn new(url: &str) -> Result<Webhook, Error> {
        let settings = |detail: &str| Error::Settings {
            key: KEY,
            detail: detail.to_owned(),
        };
        let url = Url::parse(url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| {
                settings("expected an address such as `https://chat.example.com/hook`")
            })?;
        let http = client_builder()
            .timeout(PATIENCE)
            .build()
            .map_err(|error| settings(&error.to_string()))?;
        Ok(Webhook { http, url })
    }

    /// Sends one.
    pub async fn send(&self, message: &Message) -> Result<(), Error> {
        let body =
            serde_json::to_string(message).map_err(|error| self.failed(error.to_string()))?;
        let request = self.http.post(self.url.clone()).body(body);
        let request = request.header("content-type", "application/json");
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(self.failed(format!("answered {}", answer.status()))),
            Err(error) => {
                // The URL, which may be a secret, isn't part of the error.
                let cause = error.source().map(ToString::to_string);
                Err(self.failed(cause.unwrap_or_else(|| "no answer".to_owned())))
            }
        }
    }

    fn failed(&self, detail: String) -> Error {
        Error::Undelivered {
            channel: "webhook",
            receiver: self.url.origin().ascii_serialization(),
            detail,
        }
    }
}
