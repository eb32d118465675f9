//! XML-RPC at `/rpc/api`. The route of the crate `dxr_server` isn't used: it quotes an invalid request in
//! its fault, refuses chunked and compressed requests, and copies the arguments of each call.
//! `dxr_handlers` is for programs that already have such a server.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ALLOW, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::{response, xml};
use crate::api::ApiError;
use crate::surface::paths::PAGES_ROOT;
use crate::surface::requests::arrival::Arrival;
use crate::surface::requests::body::Sender;
use crate::surface::requests::body_error::BodyError;
use crate::surface::state::Surface;
use crate::time_zone::server_zone;

/// The time zone of dates in responses.
const TIME_ZONE: HeaderName = HeaderName::from_static("registrysync-time-zone");

/// Answers a request; a fault is HTTP 200, as XML-RPC requires.
pub(in crate::surface) async fn call(
    surface: &Surface,
    arrival: &Arrival,
    request: Request,
) -> Response {
    // Opening the address in a browser shows an explanation.
    if [Method::GET, Method::HEAD].contains(request.method()) {
        return (StatusCode::FOUND, [(LOCATION, PAGES_ROOT)]).into_response();
    }
    if request.method() != Method::POST {
        let usage =
            "this is the XML-RPC API: POST a methodCall, such as auth.login, to this address\n";
        return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "POST")], usage).into_response();
    }
    let (parts, content) = request.into_parts();
    let document = match answer(surface, arrival, &parts.headers, content).await {
        Ok(document) => document,
        Err(error) => response::fault(&error).await,
    };
    // Dates have no time zone on this wire.
    let headers = [
        (CONTENT_TYPE, "text/xml; charset=utf-8"),
        (TIME_ZONE, server_zone().name()),
    ];
    (headers, document).into_response()
}

async fn answer(
    surface: &Surface,
    arrival: &Arrival,
    headers: &HeaderMap,
    content: Body,
) -> Result<Body, ApiError> {
    let Surface {
        dispatcher, intake, ..
    } = surface;
    let sender = Sender::Document(dispatcher);
    let received = intake.read(headers, content, sender).await;
    let charset = charset(headers);
    let parser = move |content: &[u8]| xml::read(content, charset.as_deref());
    let (call, held) = intake.parse(received.map_err(refusal)?, parser).await?;
    let call = call.map_err(|error| ApiError::malformed(error.to_string()))?;
    let (peer, seen) = (arrival.peer(), || arrival.visit.known());
    let reply = tokio::select! {
        reply = dispatcher.call_positional_seen(peer, &call.name, call.args, seen) => reply?,
        () = held.evicted() => return Err(refusal(BodyError::Crowded)),
    };
    response::xml(reply, held).await
}

fn refusal(error: BodyError) -> ApiError {
    match error {
        BodyError::Session(error) => error,
        BodyError::Crowded => ApiError::unavailable(error.to_string()),
        _ => ApiError::malformed(error.to_string()),
    }
}

/// The `charset` of the content type.
fn charset(headers: &HeaderMap) -> Option<String> {
    let parameters = headers.get(CONTENT_TYPE)?.to_str().ok()?.split(';').skip(1);
    let mut pairs = parameters.filter_map(|parameter| parameter.split_once('='));
    let (_, charset) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    Some(charset.trim().trim_matches('"').to_owned())
}
