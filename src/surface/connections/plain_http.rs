//! Plain http at a port that speaks https: the request is refused with the address that is right.
//!
//! Never a redirect: a client would send a POST, with its password, in the open again and again.

use axum::Router;
use axum::extract::{Extension, Request};
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::surface::paths::JSON_ROOT;
use crate::surface::requests::arrival::Arrival;
use crate::surface::requests::body::Intake;
use crate::surface::requests::limits::RequestLimits;

/// Some times so much is read of a body that isn't wanted; many clients read no answer before they
/// have sent all of it.
const BODY_BYTES: usize = 1 << 20;

/// Answers everything.
pub(in crate::surface) fn router() -> Router {
    Router::new().fallback(refuse)
}

async fn refuse(Extension(arrival): Extension<Arrival>, request: Request) -> Response {
    let (parts, content) = request.into_parts();
    let limits = RequestLimits {
        body_bytes: BODY_BYTES,
        ..RequestLimits::default()
    };
    Intake::new(limits).discard(content).await;
    let (origin, path) = (arrival.origin.text(), parts.uri.path());
    let message = format!("this port speaks https only: use {origin}{path}");
    let (kind, text) = if path.starts_with(JSON_ROOT) {
        let body = json!({"success": false, "message": message});
        ("application/json; charset=utf-8", body.to_string())
    } else {
        ("text/plain; charset=utf-8", format!("{message}\n"))
    };
    let headers = [(CONTENT_TYPE, kind), (CONNECTION, "close")];
    (StatusCode::BAD_REQUEST, headers, text).into_response()
}
