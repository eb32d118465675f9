//! The HTTP server: routes, listener and shutdown.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::any;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tower_http::compression::CompressionLayer;

use super::{json, openapi, xmlrpc};
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
}

/// The routes of both wires.
pub fn router(dispatcher: Dispatcher, limits: Limits) -> Router {
    let openapi = Bytes::from(openapi::page(dispatcher.registry()));
    let mut router = Router::new();
    for path in ["/rpc/api", "/rpc/api/", "/rhn/rpc/api", "/rhn/rpc/api/"] {
        router = router.route(path, any(xmlrpc::call));
    }
    router
        .route(json::ROOT, any(json::call))
        .route(&format!("{}/", json::ROOT), any(json::call))
        .route(&format!("{}/{{*path}}", json::ROOT), any(json::call))
        .fallback(|| async {
            (
                StatusCode::NOT_FOUND,
                "nothing here; the API is at /rpc/api and /rhn/manager/api\n",
            )
        })
        .layer(CompressionLayer::new())
        .with_state(Surface {
            dispatcher,
            limits,
            openapi,
        })
}

/// Opens the listening socket; port 0 takes a free one.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until `shutdown` is done and the requests under way are answered.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    // Without TCP_NODELAY small writes wait for the acknowledgement of earlier ones.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY can't be set");
        }
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service)
        .with_graceful_shutdown(shutdown)
        .await
}
