//! The HTTP server: routes and listener.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::routing::{any, get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::body::Intake;
use super::encoding::compressed;
use super::health::{self, Readiness};
use super::{apidoc, events, json, openapi, xmlrpc};
use crate::api::Dispatcher;

/// What a request may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest request body in bytes, as sent and after decompression.
    pub body_bytes: usize,
    /// The largest one of who isn't known to have a session.
    pub stranger_bytes: usize,
    /// What all requests of that sort may take together: their bodies, decompressed, and what they
    /// are parsed to, in bytes.
    pub strangers_bytes: usize,
    /// How long such a request's body may take.
    pub stranger_time: Duration,
    /// How long the body of somebody with a session may take.
    pub body_time: Duration,
    /// A client that sends nothing for this long in the middle of a body is taken for gone.
    pub patience: Duration,
}

impl Default for Limits {
    /// 8 MiB: a project with some 100 000 tags still fits. 16 KiB: a login with the longest
    /// password, each character escaped, still fits.
    fn default() -> Limits {
        Limits {
            body_bytes: 8 * 1024 * 1024,
            stranger_bytes: 16 * 1024,
            strangers_bytes: 32 * 1024 * 1024,
            stranger_time: Duration::from_secs(30),
            body_time: Duration::from_mins(2),
            patience: Duration::from_secs(30),
        }
    }
}

/// What the routes share.
#[derive(Debug)]
pub(super) struct Surface {
    pub(super) dispatcher: Dispatcher,
    pub(super) intake: Intake,
    /// The document, which never changes while the server runs.
    pub(super) openapi: Bytes,
    pub(super) streams: events::Streams,
    pub(super) readiness: Readiness,
}

/// The routes of both wires. What goes on for long ends at `stop`.
pub fn router(dispatcher: Dispatcher, limits: Limits, stop: CancellationToken) -> Router {
    let openapi = Bytes::from(openapi::page(dispatcher.registry()));
    let mut router = Router::new();
    for path in ["/rpc/api", "/rpc/api/", "/rhn/rpc/api", "/rhn/rpc/api/"] {
        router = router.route(path, any(xmlrpc::call));
    }
    let router = router
        .merge(apidoc::router())
        .route("/", get(|| async { (StatusCode::SEE_OTHER, [(LOCATION, apidoc::ROOT)]) }))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route(events::PATH, get(events::listen))
        .route(json::ROOT, any(json::call))
        .route(&format!("{}/", json::ROOT), any(json::call))
        .route(&format!("{}/{{*path}}", json::ROOT), any(json::call))
        .fallback(|| async {
            (
                StatusCode::NOT_FOUND,
                "nothing here; the API is at /rpc/api and /rhn/manager/api, its documentation at /rhn/apidoc/\n",
            )
        });
    compressed(router).with_state(Arc::new(Surface {
        readiness: Readiness::new(dispatcher.clone()),
        dispatcher,
        intake: Intake::new(limits),
        openapi,
        streams: events::Streams::new(stop),
    }))
}

/// Opens the listening socket; port 0 takes a free one.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}
