//! Connections: accepted, wrapped in TLS if the server has a certificate, and served.
//!
//! A silent client can't keep a connection open: the first byte, the TLS handshake and each request's
//! head must arrive within [`ServeOptions::head_time`].

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, Version};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use super::admission::{Admission, Admitted, Visit};
use super::plain_http;
use super::tls::Certificate;
use super::watchdog::{Pace, Passing, Watchdog};
use crate::surface::requests::arrival::{Arrival, Origin};
use crate::surface::server::Routes;
use crate::surface::wires::encoding::{Encoder, accepted, weight};

/// The first byte of a TLS connection: a handshake record.
const HANDSHAKE: u8 = 0x16;
/// Pause after running out of file descriptors; some are free again after this.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Maximum bytes of a connection buffered in each direction.
const BUFFER: usize = 64 * 1024;
/// Limits of HTTP/2: simultaneous requests, unread bytes of one body and of all bodies, overhead of a
/// header field, and size of a head.
const STREAMS: u32 = 32;
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
const OF_FIELD: usize = 64;
const HEAD: u32 = 16 * 1024;
/// How long browsers may only use https after the first visit.
const A_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// How connections are accepted.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// With a certificate the server speaks https only.
    pub certificate: Option<Arc<Certificate>>,
    /// The address that users connect to, such as `https://sync.example.com`, if it isn't the one
    /// that the server listens on.
    pub public_url: Option<String>,
    /// Timeout for a connection's first bytes and for each head.
    pub head_time: Duration,
    /// A connection is closed after its client has read nothing of a response for this long.
    pub write_time: Duration,
    /// Maximum number of open connections.
    pub connections: usize,
    /// Maximum bytes of all requests without a known session together, not counting their bodies:
    /// their heads, and unread responses.
    pub unauthenticated_total_bytes: usize,
}

impl Default for ServeOptions {
    /// Plain http, with a timeout of one minute; it also closes idle connections.
    fn default() -> Self {
        Self {
            certificate: None,
            public_url: None,
            head_time: Duration::from_mins(1),
            write_time: Duration::from_secs(30),
            connections: 1000,
            unauthenticated_total_bytes: 32 * 1024 * 1024,
        }
    }
}

/// State shared by all connections.
struct Acceptor {
    routes: Routes,
    encoder: Encoder,
    options: ServeOptions,
    public: Option<Origin>,
    tls: Option<TlsAcceptor>,
    builder: Builder<TokioExecutor>,
    admission: Admission,
}

/// Serves until `shutdown` is done and the requests in progress are answered.
pub async fn serve(
    listener: TcpListener,
    routes: impl Into<Routes>,
    options: ServeOptions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let acceptor = Arc::new(Acceptor::new(routes.into(), options)?);
    let watch = async {
        match &acceptor.options.certificate {
            Some(certificate) => Arc::clone(certificate).watch().await,
            None => std::future::pending().await,
        }
    };
    let (mut shutdown, mut watch) = (pin!(shutdown), pin!(watch));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            never = &mut watch => match never {},
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(place) = acceptor.admission.enter() else {
                    tracing::debug!(%peer, "connection refused: the limit is reached and all others have a session");
                    continue;
                };
                let (acceptor, watcher) = (Arc::clone(&acceptor), graceful.watcher());
                tokio::spawn(async move {
                    tokio::select! {
                        () = acceptor.connection_handle(stream, peer, &place, watcher) => {}
                        () = place.evicted() => tracing::debug!(%peer, "a connection is closed"),
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    graceful.shutdown().await;
    Ok(())
}

impl Acceptor {
    fn new(routes: Routes, options: ServeOptions) -> io::Result<Self> {
        let config = options.certificate.as_ref().map(Certificate::config);
        let config = config.transpose().map_err(io::Error::other)?;
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .max_buf_size(BUFFER)
            .header_read_timeout(options.head_time);
        builder
            .http2()
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(BUFFER)
            .max_header_list_size(HEAD)
            .timer(TokioTimer::new())
            .keep_alive_interval(options.head_time)
            .keep_alive_timeout(options.head_time);
        Ok(Self {
            admission: Admission::new(options.connections, options.unauthenticated_total_bytes),
            routes,
            encoder: Encoder::new(),
            public: options
                .public_url
                .as_deref()
                .map(|url| Origin::Public(url.into())),
            tls: config.map(|config| TlsAcceptor::from(Arc::new(config))),
            options,
            builder,
        })
    }

    /// Errors of a connection affect no other, so they are only logged.
    async fn connection_handle(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        place: &Arc<Admitted>,
        watcher: Watcher,
    ) {
        // Without TCP_NODELAY small writes wait for the acknowledgement of earlier ones.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "can't set TCP_NODELAY");
        }
        let Some(tls) = &self.tls else {
            let routes = self.routes.clone();
            return self.serve(stream, peer, routes, place, watcher).await;
        };
        let mut first = [0];
        let peeked = tokio::time::timeout(self.options.head_time, stream.peek(&mut first)).await;
        match peeked {
            Ok(Ok(1)) if first == [HANDSHAKE] => {
                let handshake = tls.accept(stream);
                match tokio::time::timeout(self.options.head_time, handshake).await {
                    Ok(Ok(stream)) => {
                        let routes = self.routes.clone();
                        self.serve(stream, peer, routes, place, watcher).await;
                    }
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "the TLS handshake failed"),
                    Err(_) => tracing::debug!(%peer, "TLS handshake timeout"),
                }
            }
            Ok(Ok(1)) => {
                let routes = plain_http::router().into();
                self.serve(stream, peer, routes, place, watcher).await;
            }
            _ => tracing::debug!(%peer, "no data was sent"),
        }
    }

    async fn serve<S>(
        self: &Arc<Self>,
        stream: S,
        peer: SocketAddr,
        routes: Routes,
        place: &Arc<Admitted>,
        watcher: Watcher,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let asked = Arc::new(AtomicBool::new(false));
        let flow = Pace::new();
        let (acceptor, began) = (Arc::clone(self), Arc::clone(&asked));
        let (room, steps) = (Arc::clone(place), flow.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            began.store(true, Ordering::Relaxed);
            steps.request();
            let visit = room.visit(head_bytes(&request));
            let (acceptor, routes, steps) = (Arc::clone(&acceptor), routes.clone(), steps.clone());
            // Boxed, so that an idle connection doesn't reserve the memory of a request.
            Box::pin(async move {
                let request = request.map(|body| {
                    if body.is_end_stream() {
                        Body::empty()
                    } else {
                        Body::new(Passing::request(body, steps.clone(), ()))
                    }
                });
                let answer = if visit.is_over() {
                    gone()
                } else {
                    acceptor.answer(routes, request, peer, &visit).await
                };
                Ok::<_, Infallible>(answer.map(|body| Passing::answer(body, steps, visit)))
            })
        });
        let stream = Watchdog::new(stream, flow.clone(), self.options.write_time);
        let connection = self
            .builder
            .serve_connection_with_upgrades(TokioIo::new(stream), service)
            .into_owned();
        // The watcher isn't polled whenever bytes arrive.
        let mut connection = AbortOnDropHandle::new(tokio::spawn(watcher.watch(connection)));
        // The first bytes determine the protocol, before the protocol's own limits apply.
        let silent = async {
            tokio::time::sleep(self.options.head_time).await;
            if asked.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            ended = &mut connection => match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%peer, %error, "a connection ended"),
                Err(error) => tracing::error!(%peer, %error, "a connection ended"),
            },
            () = silent => tracing::debug!(%peer, "no request was received"),
            () = flow.stalled(self.options.write_time) => {
                tracing::debug!(%peer, "the client doesn't read");
            }
        }
    }

    async fn answer(
        &self,
        mut routes: Routes,
        mut request: Request<Body>,
        peer: SocketAddr,
        visit: &Visit,
    ) -> Response {
        if !is_host_clear(&request) {
            let text = "a request needs exactly one Host header with the server's host\n";
            return (StatusCode::BAD_REQUEST, text).into_response();
        }
        // HTTP/2 has the host in the request's URI.
        if let Some(host) = request.uri().authority()
            && let Ok(host) = HeaderValue::from_str(host.as_str())
        {
            request.headers_mut().insert(HOST, host);
        }
        let is_tls = self.tls.is_some();
        let origin = self.public.clone();
        let origin = origin.unwrap_or_else(|| Origin::asked(is_tls, request.headers()));
        let (accepted, is_strict) = (accepted(request.headers()), origin.is_all_of_its_host());
        let arrival = Arrival {
            address: peer,
            origin,
            visit: visit.clone(),
        };
        let mut response = routes.answer(request, arrival).await;
        if !visit.keeps(weight(&response)) {
            return gone();
        }
        headers_secure(response.headers_mut());
        if is_strict {
            response
                .headers_mut()
                .insert(STRICT_TRANSPORT_SECURITY, A_YEAR);
        }
        self.encoder.encode(accepted, response).await
    }
}

/// Headers of every response for browsers: no content sniffing, no framing, no referrer. Pages with
/// more than data have their own policy.
fn headers_secure(headers: &mut HeaderMap) {
    const NEVER: HeaderValue = HeaderValue::from_static("no-store");
    const DATA: HeaderValue =
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(DATA);
    // Responses contain sessions and data for their caller only.
    headers.entry(CACHE_CONTROL).or_insert(NEVER);
}

/// Memory of a request's head.
fn head_bytes<B>(request: &Request<B>) -> usize {
    let fields = request.headers().iter();
    let fields = fields.map(|(name, value)| name.as_str().len() + value.len() + OF_FIELD);
    request.uri().path().len() + request.uri().query().map_or(0, str::len) + fields.sum::<usize>()
}

/// A placeholder response: the connection is closed before it is sent.
fn gone() -> Response {
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

/// Whether a request names exactly one valid host, or none if that is allowed. Pages show the host, so it
/// must be valid.
fn is_host_clear(request: &Request<Body>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    let is_host = |host: &HeaderValue| {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_:[]%~".contains(byte);
        host.as_bytes().iter().all(is_plain)
    };
    match (first, second) {
        (Some(host), None) => is_host(host),
        (None, None) => request.version() != Version::HTTP_11,
        _ => false,
    }
}
