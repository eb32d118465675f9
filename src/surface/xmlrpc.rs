//! XML-RPC at `/rpc/api`. The route is our own: the stock one of `dxr_server` repeats a
//! request that it can't parse in its fault, and refuses chunked and compressed requests.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use dxr::{Fault, Value};
use futures_util::stream;

use super::body::{BodyError, Sender};
use super::rooms::Visit;
use super::server::Surface;
use super::xml_write::Document;
use super::{apidoc, xml};
use crate::api::error::code;
use crate::api::{ApiError, Peer};

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
    let visit = request.extensions().get::<Visit>().cloned();
    let (parts, content) = request.into_parts();
    let peer = Peer {
        address: address.ip(),
    };
    let outcome = answer(&surface, peer, visit, &parts.headers, content).await;
    (
        [(CONTENT_TYPE, "text/xml; charset=utf-8")],
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
    surface: &Surface,
    peer: Peer,
    visit: Option<Visit>,
    headers: &HeaderMap,
    content: Body,
) -> Result<Value, Fault> {
    let Surface {
        dispatcher, intake, ..
    } = surface;
    let sender = Sender::Document(dispatcher);
    let received = intake.read(headers, content, sender).await;
    let received = received.map_err(|error| refusal(&error))?;
    let charset = charset(headers);
    let parser = move |content: &[u8]| xml::read(content, charset.as_deref());
    let (call, held) = intake
        .parse(received, parser)
        .await
        .map_err(|error| fault(&error))?;
    let call = call.map_err(|error| Fault::new(-1, error.to_string()))?;
    let reply = async {
        let seen = || visit.iter().for_each(Visit::known);
        let reply = dispatcher
            .call_positional_seen(peer, &call.name, call.args, seen)
            .await?;
        reply.value()
    };
    tokio::select! {
        value = reply => value.map_err(|error| fault(&error)),
        () = held.cut() => Err(refusal(&BodyError::Crowded)),
    }
}

fn refusal(error: &BodyError) -> Fault {
    let code = match error {
        BodyError::Session(error) => return fault(error),
        BodyError::Crowded => code::UNAVAILABLE,
        _ => code::GENERAL,
    };
    Fault::new(code, error.to_string())
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
