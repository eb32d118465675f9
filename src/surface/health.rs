//! `/healthz`: the process is alive; `/readyz`: it can answer calls. For load balancers, without a
//! session.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::state::Surface;

pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

pub(super) async fn readyz(State(surface): State<Arc<Surface>>) -> Response {
    match surface.readiness.check().await {
        Ok(()) => "ready\n".into_response(),
        Err(why) => {
            let text = format!("not ready: {why}\n");
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}
