//! The HTTP server: routes and listener.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, LOCATION};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

use super::docs::apidoc::rendered::Rendered;
use super::docs::{apidoc, openapi};
use super::health;
use super::paths::{PAGES_ROOT, XMLRPC_PATHS};
use super::readiness::Readiness;
use super::requests::arrival::Arrival;
use super::requests::body::Intake;
use super::requests::limits::RequestLimits;
use super::state::Surface;
use super::wires::streams::Streams;
use super::wires::{events, json, xmlrpc};
use crate::api::Dispatcher;

/// The router: the wires of the API, and routes for everything else.
#[derive(Clone, Debug)]
pub struct Routes {
    wires: Option<Arc<Surface>>,
    others: Router,
}

impl From<Router> for Routes {
    fn from(others: Router) -> Routes {
        Routes {
            wires: None,
            others,
        }
    }
}

/// The routes of both wires and of the pages. Long-running responses end at `stop`.
pub fn routes(dispatcher: Dispatcher, limits: RequestLimits, stop: CancellationToken) -> Routes {
    let openapi = Bytes::from(openapi::page(dispatcher.catalog()));
    let surface = Arc::new(Surface {
        readiness: Readiness::new(dispatcher.clone()),
        dispatcher,
        intake: Intake::new(limits),
        openapi,
        rendered: Rendered::default(),
        streams: Streams::new(stop),
    });
    let others = apidoc::router()
        .route("/", get(|| async { (StatusCode::SEE_OTHER, [(LOCATION, PAGES_ROOT)]) }))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route(events::PATH, get(events::listen))
        .fallback(|| async {
            (
                StatusCode::NOT_FOUND,
                "not found; the API is at /rpc/api and /rhn/manager/api, its documentation at /rhn/apidoc/\n",
            )
        })
        .with_state(Arc::clone(&surface));
    Routes {
        wires: Some(surface),
        others,
    }
}

impl Routes {
    /// Answers a request. API calls, nearly all of the requests, bypass the router.
    pub(super) async fn answer(&mut self, mut request: Request, arrival: Arrival) -> Response {
        let (is_head, path) = (request.method() == Method::HEAD, request.uri().path());
        let mut response = match &self.wires {
            Some(surface) if XMLRPC_PATHS.contains(&path) => {
                xmlrpc::call(surface, &arrival, request).await
            }
            Some(surface) if json::is_at(path) => json::call(surface, &arrival, request).await,
            _ => {
                request.extensions_mut().insert(arrival);
                let Ok(response) = self.others.call(request).await;
                return response;
            }
        };
        if is_head {
            content_omit(&mut response);
        }
        response
    }
}

/// The response to HEAD states the length of the one to GET.
fn content_omit(response: &mut Response) {
    if let Some(length) = response.body().size_hint().exact() {
        let headers = response.headers_mut();
        headers.entry(CONTENT_LENGTH).or_insert(length.into());
    }
    *response.body_mut() = Body::empty();
}

/// Opens the listening socket; port 0 picks a free one.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}
