//! Connections: accepted, put into TLS where the server has a certificate, and served.
//!
//! Nobody can keep a connection open by saying nothing: the first byte, the TLS handshake and each
//! request's head have [`ServeOptions::head_time`] to arrive.

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
/// Without file descriptors a connection can't be accepted; some are free again after this.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// So much of a connection waits in memory, at most, in each direction.
const BUFFER: usize = 64 * 1024;
/// The same for HTTP/2: requests at once, what their bodies may be ahead of being read, one and all
/// together, what a field of a head takes besides itself, and the size of a head.
const STREAMS: u32 = 32;
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
const OF_FIELD: usize = 64;
const HEAD: u32 = 16 * 1024;
/// How long a browser that was here by https comes by nothing else.
const A_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// How connections are let in.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// With a certificate the server speaks https only.
    pub certificate: Option<Arc<Certificate>>,
    /// The address that users call the server by, such as `https://sync.example.com`, where that
    /// isn't the one that it listens at.
    pub public_url: Option<String>,
    /// How long a connection may take to say what it wants.
    pub head_time: Duration,
    /// How long a client may take nothing of an answer.
    pub write_time: Duration,
    /// Connections at once.
    pub connections: usize,
    /// What all requests without a known session may take together besides their bodies, in bytes:
    /// their heads, and answers that wait to be taken.
    pub strangers_bytes: usize,
}

impl Default for ServeOptions {
    /// Plain http; a minute, in which idle clients also keep their connection.
    fn default() -> Self {
        Self {
            certificate: None,
            public_url: None,
            head_time: Duration::from_mins(1),
            write_time: Duration::from_secs(30),
            connections: 1000,
            strangers_bytes: 32 * 1024 * 1024,
        }
    }
}

/// What each connection needs.
struct Acceptor {
    routes: Routes,
    encoder: Encoder,
    options: ServeOptions,
    public: Option<Origin>,
    tls: Option<TlsAcceptor>,
    builder: Builder<TokioExecutor>,
    admission: Admission,
}

/// Serves until `shutdown` is done and the requests under way are answered.
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
                    tracing::debug!(%peer, "no place for a connection: all others have a session");
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
                tracing::warn!(%error, "a connection can't be accepted");
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
            admission: Admission::new(options.connections, options.strangers_bytes),
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

    /// Errors of a connection are the client's: nobody else is told, and nothing else ends.
    async fn connection_handle(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        place: &Arc<Admitted>,
        watcher: Watcher,
    ) {
        // Without TCP_NODELAY small writes wait for the acknowledgement of earlier ones.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY can't be set");
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
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS handshake"),
                    Err(_) => tracing::debug!(%peer, "the TLS handshake takes too long"),
                }
            }
            Ok(Ok(1)) => {
                let routes = plain_http::router().into();
                self.serve(stream, peer, routes, place, watcher).await;
            }
            _ => tracing::debug!(%peer, "nothing was said"),
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
            // In a box, or each connection would carry the room for a request, idle or not.
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
        // What watches it isn't asked each time that something comes.
        let mut connection = AbortOnDropHandle::new(tokio::spawn(watcher.watch(connection)));
        // The protocol is told by the first bytes, before any bound of the protocol's own holds.
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
            () = silent => tracing::debug!(%peer, "no request came"),
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
            let text = "a request has one Host header, with the host that it is sent to\n";
            return (StatusCode::BAD_REQUEST, text).into_response();
        }
        // HTTP/2 has the host in the request's own address.
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

/// What every answer says to browsers: it is what it says it is, nobody may frame it, and nobody is
/// told where a link came from. A page that is more than data has its own policy.
fn headers_secure(headers: &mut HeaderMap) {
    const NEVER: HeaderValue = HeaderValue::from_static("no-store");
    const DATA: HeaderValue =
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(DATA);
    // Answers hold sessions and what only their caller may see.
    headers.entry(CACHE_CONTROL).or_insert(NEVER);
}

/// What a request's head takes.
fn head_bytes<B>(request: &Request<B>) -> usize {
    let fields = request.headers().iter();
    let fields = fields.map(|(name, value)| name.as_str().len() + value.len() + OF_FIELD);
    request.uri().path().len() + request.uri().query().map_or(0, str::len) + fields.sum::<usize>()
}

/// What nobody waits for: the connection is closed.
fn gone() -> Response {
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

/// Whether a request names one host, or none where that is allowed, and in the characters of one:
/// pages repeat it.
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
