//! Plain http on an https port: the request is refused, and the response names the https address.
//!
//! There is no redirect: a client would send each POST, including its password, unencrypted first.

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

/// Maximum bytes of a body that are read and discarded: many clients only read the response after they
/// have sent everything.
const BODY_BYTES: usize = 1 << 20;

/// Answers all requests.
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
