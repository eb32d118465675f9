//! An OCI distribution 1.1 registry in this process: in memory, on its own port, with a log of all
//! requests, and able to misbehave in every way that a test needs.
//!
//! - [`Registry`], [`Builder`]: start one, script it, inspect it (this file).
//! - `content`, `state`: blob bytes; repositories, manifests, tags, uploads.
//! - `routes`: the endpoints, a file per kind; `auth`: Basic and bearer tokens, and the token server.
//! - `faults`: rules (status, cut, corrupted byte …) applied to any request, and the permanent
//!   [`Quirk`]s.
//! - `log`: the requests.
//! - [`tls`]: the certificate of those with TLS.
//!
//! Each registry has its own runtime, so that dropping it closes all its connections.

pub(crate) mod auth;
pub(crate) mod content;
pub(crate) mod faults;
pub(crate) mod log;
mod routes;
mod state;
pub(crate) mod tls;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::serve::ListenerExt as _;
use bytes::Bytes;
use tokio::{net::TcpListener, runtime::Runtime};

use auth::{Auth, TokenBook, TokenRequest};
use content::{Content, digest_of};
use faults::{Fault, Faults, Quirk};
use log::{Log, Requests};
use state::{Data, Manifest};
use tls::TlsListener;

/// How the `Link` header of a listing is written.
#[derive(Clone, Debug, Default)]
pub(crate) enum LinkStyle {
    /// `</v2/…?last=…&n=…>`
    #[default]
    Relative,
    /// `<http://host/v2/…>`, with the registry's own scheme.
    Absolute,
    /// A cursor that can't be guessed and must be returned byte for byte.
    Opaque,
    /// The next page is in its own field, after one with other relations.
    Apart,
    /// Each page names the first page as the next one.
    Looping,
    /// The next page is at this host.
    OtherHost(String),
}

/// How the `Location` of an upload is written.
#[derive(Clone, Debug, Default)]
pub(crate) enum LocationStyle {
    #[default]
    Relative,
    /// With a query that changes with each write; an older one is refused.
    RelativeWithQuery,
    /// The registry's own URL, or `http://HOST:PORT/…` of another host.
    Absolute(Option<String>),
}

/// The settings of a registry before it starts.
struct Config {
    listen: SocketAddr,
    tls: bool,
    auth: Auth,
    page_size: usize,
    link: LinkStyle,
    location: LocationStyle,
    chunk_min: u64,
    storage: Option<Arc<Shared>>,
}

/// State shared by all requests to one registry.
struct Shared {
    config: Config,
    address: String,
    data: Mutex<Data>,
    log: Log,
    faults: Faults,
    quirks: Mutex<HashSet<Quirk>>,
    tokens: TokenBook,
    /// Opaque page cursors: the issued query -> the last name of the previous page.
    cursors: Mutex<HashMap<String, String>>,
}

impl Shared {
    /// `http://127.0.0.1:PORT`, or with `https`.
    fn url(&self) -> String {
        let scheme = if self.config.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    fn has(&self, quirk: Quirk) -> bool {
        self.quirks.lock().unwrap().contains(&quirk)
    }
}

/// Scripts a registry before it starts.
pub(crate) struct Builder {
    config: Config,
    faults: Faults,
    quirks: HashSet<Quirk>,
}

impl Builder {
    /// Where to listen; port 0 (the default) picks a free one.
    pub(crate) fn listen(mut self, address: SocketAddr) -> Self {
        self.config.listen = address;
        self
    }

    /// Uses TLS, with [`tls::certificate`].
    pub(crate) fn tls(mut self) -> Self {
        self.config.tls = true;
        self
    }

    pub(crate) fn auth(mut self, auth: Auth) -> Self {
        self.config.auth = auth;
        self
    }

    /// Maximum entries of one page of a listing; default: 100.
    pub(crate) fn page_size(mut self, size: usize) -> Self {
        self.config.page_size = size;
        self
    }

    pub(crate) fn link(mut self, style: LinkStyle) -> Self {
        self.config.link = style;
        self
    }

    pub(crate) fn location(mut self, style: LocationStyle) -> Self {
        self.config.location = style;
        self
    }

    /// Minimum length in bytes of every chunk but the last (`OCI-Chunk-Min-Length`).
    pub(crate) fn chunk_min(mut self, bytes: u64) -> Self {
        self.config.chunk_min = bytes;
        self
    }

    /// Blob requests are redirected (307) to a presigned address of another registry, which refuses
    /// `Authorization`.
    pub(crate) fn blobs_at(mut self, storage: &Registry) -> Self {
        self.config.storage = Some(storage.shared.clone());
        self
    }

    pub(crate) fn fault(self, fault: Fault) -> Self {
        self.faults.add(fault);
        self
    }

    pub(crate) fn quirk(mut self, quirk: Quirk) -> Self {
        self.quirks.insert(quirk);
        self
    }

    /// Starts it; it accepts connections when this returns.
    pub(crate) async fn start(self) -> Registry {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime for the registry");
        let bound = runtime.spawn(TcpListener::bind(self.config.listen)).await;
        let listener = bound.unwrap().expect("a free address for the registry");
        let shared = Arc::new(Shared {
            address: listener.local_addr().unwrap().to_string(),
            config: self.config,
            data: Mutex::default(),
            log: Log::default(),
            faults: self.faults,
            quirks: Mutex::new(self.quirks),
            tokens: TokenBook::default(),
            cursors: Mutex::default(),
        });
        let tls = shared.config.tls;
        let app = routes::app(shared.clone());
        runtime.spawn(async move {
            if tls {
                axum::serve(TlsListener::new(listener), app).await
            } else {
                // Without TCP_NODELAY, small responses wait for the peer's delayed ACK.
                let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
                axum::serve(listener, app).await
            }
        });
        Registry {
            shared,
            runtime: Some(runtime),
        }
    }
}

/// A running registry; it stops on drop.
pub(crate) struct Registry {
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

impl Drop for Registry {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Blocking isn't allowed on a thread of the caller's runtime; the port is free
            // afterwards.
            let ended = std::thread::spawn(|| runtime.shutdown_timeout(Duration::from_secs(5)));
            ended.join().expect("the registry to end");
        }
    }
}

impl Registry {
    pub(crate) fn builder() -> Builder {
        Builder {
            config: Config {
                listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                tls: false,
                auth: Auth::None,
                page_size: 100,
                link: LinkStyle::default(),
                location: LocationStyle::default(),
                chunk_min: 0,
                storage: None,
            },
            faults: Faults::default(),
            quirks: HashSet::new(),
        }
    }

    /// A registry without quirks and without authentication.
    pub(crate) async fn start() -> Self {
        Self::builder().start().await
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> &str {
        &self.shared.address
    }

    /// `http://127.0.0.1:PORT`, or with `https`.
    pub(crate) fn url(&self) -> String {
        self.shared.url()
    }

    /// All requests so far, in the order of arrival.
    pub(crate) fn requests(&self) -> Requests {
        self.shared.log.copy()
    }

    pub(crate) fn requests_clear(&self) {
        self.shared.log.clear();
    }

    /// The requests to its token server (`/token`).
    pub(crate) fn token_requests(&self) -> Vec<TokenRequest> {
        self.shared.tokens.requests()
    }

    /// Adds a fault while it runs.
    pub(crate) fn fault_add(&self, fault: Fault) {
        self.shared.faults.add(fault);
    }

    /// Ends all faults.
    pub(crate) fn faults_clear(&self) {
        self.shared.faults.clear();
    }

    pub(crate) fn quirk_set(&self, quirk: Quirk, on: bool) {
        let mut quirks = self.shared.quirks.lock().unwrap();
        if on {
            quirks.insert(quirk);
        } else {
            quirks.remove(&quirk);
        }
    }

    /// Puts a blob directly into a repository; returns its digest.
    pub(crate) fn blob_put(&self, repository: &str, bytes: impl Into<Bytes>) -> String {
        let bytes = bytes.into();
        let digest = digest_of(&bytes);
        self.content_put(repository, &digest, Content::Kept(bytes));
        digest
    }

    /// Puts content with a known digest directly into a repository.
    pub(crate) fn content_put(&self, repository: &str, digest: &str, content: Content) {
        self.data(|data| data.blob_put(repository, digest, content));
    }

    /// Puts a manifest directly into a repository, even an incomplete one; returns its digest.
    pub(crate) fn manifest_put(
        &self,
        repository: &str,
        tag: Option<&str>,
        media_type: &str,
        bytes: impl Into<Bytes>,
    ) -> String {
        let manifest = Manifest {
            media_type: media_type.to_owned(),
            bytes: bytes.into(),
        };
        self.data(|data| data.manifest_put(repository, tag, manifest))
    }

    /// Tag -> digest.
    pub(crate) fn tags(&self, repository: &str) -> BTreeMap<String, String> {
        self.data(|data| data.repository(repository).tags.clone())
    }

    /// Media type and bytes of a tag's or digest's object.
    pub(crate) fn manifest(&self, repository: &str, reference: &str) -> Option<(String, Bytes)> {
        let found = self.data(|data| data.manifest(repository, reference));
        found.map(|(_, manifest)| (manifest.media_type, manifest.bytes))
    }

    /// The size in bytes of a blob that the repository has.
    pub(crate) fn blob_size(&self, repository: &str, digest: &str) -> Option<u64> {
        self.data(|data| data.blob(repository, digest).map(Content::size))
    }

    /// Removes a tag; its manifest stays.
    pub(crate) fn tag_remove(&self, repository: &str, tag: &str) {
        self.data(|data| data.repository(repository).tags.remove(tag));
    }

    /// Removes a blob from a repository, even if manifests refer to it.
    pub(crate) fn blob_remove(&self, repository: &str, digest: &str) {
        self.data(|data| data.repository(repository).blobs.remove(digest));
    }

    /// Upload sessions that were neither finished nor cancelled.
    pub(crate) fn uploads_open(&self) -> usize {
        self.data(|data| data.uploads.len())
    }

    /// A line for each stored manifest's reference to a blob or child missing in its repository.
    pub(crate) fn broken_references(&self) -> Vec<String> {
        self.data(|data| data.broken_references())
    }

    fn data<T>(&self, work: impl FnOnce(&mut Data) -> T) -> T {
        work(&mut self.shared.data.lock().unwrap())
    }
}
