//! The HTTP server: routes and listener.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{any, get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;

use super::{apidoc, events, json, openapi, xmlrpc};
use crate::api::Dispatcher;

/// What a request may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest request body in bytes, as sent and after decompression.
    pub body_bytes: usize,
}

impl Default for Limits {
    /// 8 MiB: a project with some 100 000 tags still fits.
    fn default() -> Limits {
        Limits {
            body_bytes: 8 * 1024 * 1024,
        }
    }
}

/// What the routes share.
#[derive(Clone, Debug)]
pub(super) struct Surface {
    pub(super) dispatcher: Dispatcher,
    pub(super) limits: Limits,
    /// The document, which never changes while the server runs.
    pub(super) openapi: Bytes,
    pub(super) streams: events::Streams,
}

/// The routes of both wires. What goes on for long ends at `stop`.
pub fn router(dispatcher: Dispatcher, limits: Limits, stop: CancellationToken) -> Router {
    let openapi = Bytes::from(openapi::page(dispatcher.registry()));
    let mut router = Router::new();
    for path in ["/rpc/api", "/rpc/api/", "/rhn/rpc/api", "/rhn/rpc/api/"] {
        router = router.route(path, any(xmlrpc::call));
    }
    router
        .merge(apidoc::router())
        .route(events::PATH, get(events::listen))
        .route(json::ROOT, any(json::call))
        .route(&format!("{}/", json::ROOT), any(json::call))
        .route(&format!("{}/{{*path}}", json::ROOT), any(json::call))
        .fallback(|| async {
            (
                StatusCode::NOT_FOUND,
                "nothing here; the API is at /rpc/api and /rhn/manager/api, its documentation at /rhn/apidoc/\n",
            )
        })
        .layer(map_response(headers_secure))
        .layer(CompressionLayer::new())
        .with_state(Surface {
            dispatcher,
            limits,
            openapi,
            streams: events::Streams::new(stop),
        })
}

/// What every answer says to browsers: it is what it says it is, nobody may frame it, and nobody is
/// told where a link came from. A page that is more than data has its own policy.
async fn headers_secure(mut response: Response) -> Response {
    const DATA: HeaderValue =
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(DATA);
    response
}

/// Opens the listening socket; port 0 takes a free one.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}
