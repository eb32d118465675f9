//! One request and its response, over the right connections: no authorisation, no retries.

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Method};
use url::Url;

use super::call::{Call, Response};
use super::failure::{host_of, idle_error};
use super::tally::Tally;
use super::transport::Transport;
use super::waits::Waits;
use crate::oci::error::Error;
use crate::oci::network::guard::is_same_origin;

/// The longest URL that is sent; servers accept at least 8 KiB, and few more than this.
const MAX_URL: usize = 32 * 1024;

/// What sends requests to a registry, and to where it points.
pub(in crate::oci) struct Exchange {
    /// The registry's name for users.
    pub(in crate::oci) host: String,
    pub(in crate::oci) root: Url,
    pub(in crate::oci) transport: Transport,
    pub(in crate::oci) idle_timeout: Duration,
    pub(in crate::oci) tally: Tally,
    pub(in crate::oci) waits: Option<Arc<Waits>>,
}

impl Exchange {
    /// Sends a request to a token server once; needs no connection permit of the registry.
    pub(in crate::oci) async fn token_answer(
        &self,
        call: &Call,
        authorization: Option<HeaderValue>,
    ) -> Result<Response, Error> {
        let response = self
            .request(call, &call.url, authorization.as_ref())
            .await?;
        Ok(self.answer(response, &call.url, call.what.clone()))
    }

    /// A response from `url` that holds no connection permit.
    pub(in crate::oci) fn answer(
        &self,
        response: reqwest::Response,
        url: &Url,
        what: String,
    ) -> Response {
        Response {
            inner: response,
            host: self.name_of(url),
            what,
            idle_timeout: self.idle_timeout,
            _permit: None,
        }
    }

    /// The host of `url` for messages: this registry's name for users, or another host.
    pub(in crate::oci) fn name_of(&self, url: &Url) -> String {
        if is_same_origin(url, &self.root) {
            self.host.clone()
        } else {
            host_of(url)
        }
    }

    /// Sends one request, and waits for the head of its response.
    pub(super) async fn request(
        &self,
        call: &Call,
        url: &Url,
        token: Option<&HeaderValue>,
    ) -> Result<reqwest::Response, Error> {
        let mut request = self
            .request_builder(&call.method, url, token, &call.what)
            .await?
            .headers(call.headers.clone());
        if !call.body.is_empty() {
            request = request.body(call.body.clone());
        }
        let idle = self.idle_timeout;
        let _waiting =
            (self.waits.as_ref()).map(|waits| waits.begin(self.name_of(url), call.what.clone()));
        match tokio::time::timeout(idle, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(Transport::error(self.name_of(url), &call.what, url, &error)),
            Err(_) => Err(idle_error(&self.name_of(url), &call.what, idle)),
        }
    }

    /// A request to `url` over the right connections; other hosts are checked first.
    pub(in crate::oci) async fn request_builder(
        &self,
        method: &Method,
        url: &Url,
        token: Option<&HeaderValue>,
        what: &str,
    ) -> Result<reqwest::RequestBuilder, Error> {
        let connections = self.transport.for_url(url, &self.root).await;
        let connections = connections.map_err(|detail| Error::Protocol {
            host: self.host.clone(),
            what: what.to_owned(),
            detail,
        })?;
        if url.as_str().len() > MAX_URL {
            return Err(Error::Protocol {
                host: self.name_of(url),
                what: what.to_owned(),
                detail: format!("its URL would be {} bytes long", url.as_str().len()),
            });
        }
        if is_same_origin(url, &self.root) {
            self.tally.note(method, url);
        }
        let mut url = url.clone();
        // A redirect or a token realm doesn't choose the credentials. Both only fail for URLs without
        // a host.
        let _ = (url.set_username(""), url.set_password(None));
        let request = connections.request(method.clone(), url);
        Ok(match token {
            Some(token) => request.header(AUTHORIZATION, token),
            None => request,
        })
    }
}
