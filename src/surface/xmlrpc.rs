//! XML-RPC at `/rpc/api`. The route is our own: the stock one of `dxr_server` repeats a
//! request that it can't parse in its fault, and refuses chunked and compressed requests.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use dxr::{Fault, Value};
use dxr_server::{Handler, HandlerResult};
use futures_util::stream;

use super::server::Surface;
use super::xml_write::Document;
use super::{apidoc, body, xml};
use crate::api::{ApiError, Dispatcher, Peer};
use crate::time_zone::server_zone;

/// The zone of an answer's dates.
const TIME_ZONE: HeaderName = HeaderName::from_static("registrysync-time-zone");

/// Answers a request; a fault is HTTP 200, as XML-RPC wants it.
pub(super) async fn call(
    State(surface): State<Surface>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    // Who follows the address in a browser wants to read about it.
    if [Method::GET, Method::HEAD].contains(request.method()) {
        return (StatusCode::FOUND, [(LOCATION, apidoc::ROOT)]).into_response();
    }
    if request.method() != Method::POST {
        let usage =
            "this is the XML-RPC API: POST a methodCall, such as auth.login, to this address\n";
        return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "POST")], usage).into_response();
    }
    let (parts, content) = request.into_parts();
    let peer = Peer {
        address: address.ip(),
    };
    let outcome = match body::read(&parts.headers, content, surface.limits.body_bytes).await {
        Ok(content) => answer(&surface.dispatcher, peer, parts.headers, &content).await,
        Err(error) => Err(Fault::new(-1, error.to_string())),
    };
    (
        [
            (CONTENT_TYPE, "text/xml; charset=utf-8"),
            // Dates have no zone on this wire.
            (TIME_ZONE, server_zone().name()),
        ],
        document_body(Document::of(outcome)),
    )
        .into_response()
}

/// In one piece with its length, or as the client takes it.
fn document_body(mut document: Document) -> Body {
    let first = document.next().unwrap_or_default();
    if document.is_done() {
        return Body::from(first);
    }
    let pieces = std::iter::once(first).chain(document);
    Body::from_stream(stream::iter(pieces.map(Ok::<_, Infallible>)))
}

async fn answer(
    dispatcher: &Dispatcher,
    peer: Peer,
    headers: HeaderMap,
    content: &[u8],
) -> HandlerResult {
    let charset = charset(&headers);
    let call = xml::read(content, charset.as_deref())
        .map_err(|error| Fault::new(-1, error.to_string()))?;
    let handler = MethodHandler {
        dispatcher,
        peer,
        name: &call.name,
    };
    handler.handle(&call.args, headers).await
}

/// One method of ours behind the interface that `dxr_server` dispatches to.
struct MethodHandler<'a> {
    dispatcher: &'a Dispatcher,
    peer: Peer,
    name: &'a str,
}

#[dxr_server::async_trait]
impl Handler for MethodHandler<'_> {
    async fn handle(&self, params: &[Value], _: HeaderMap) -> HandlerResult {
        let reply = self
            .dispatcher
            .call_positional(self.peer, self.name, params.to_vec())
            .await;
        reply
            .and_then(|reply| reply.value())
            .map_err(|error| fault(&error))
    }
}

fn fault(error: &ApiError) -> Fault {
    Fault::new(error.code(), error.message().to_owned())
}

/// The `charset` of the content type.
fn charset(headers: &HeaderMap) -> Option<String> {
    let parameters = headers.get(CONTENT_TYPE)?.to_str().ok()?.split(';').skip(1);
    let mut pairs = parameters.filter_map(|parameter| parameter.split_once('='));
    let (_, charset) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    Some(charset.trim().trim_matches('"').to_owned())
}
