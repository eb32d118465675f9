//! The requests to a registry, in the order of arrival.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU16, AtomicU64, Ordering::Relaxed},
};

use axum::http::{HeaderMap, Method, Uri, header};

use super::routes::Route;

/// One request and the size of its response.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// As sent, without the question mark; empty if there was none.
    pub(crate) query: String,
    pub(crate) has_authorization: bool,
    /// 0 while there is no response yet, or if none was given.
    pub(crate) status: u16,
    /// Body bytes received with the request.
    pub(crate) bytes_in: u64,
    /// Body bytes sent with the response.
    pub(crate) bytes_out: u64,
}

impl Request {
    pub(crate) fn kind(&self) -> Kind {
        Route::parse(&self.path).kind()
    }
}

/// The object of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Base,
    Catalog,
    TagList,
    Manifest,
    Blob,
    Upload,
    Referrers,
    Token,
    Storage,
    Other,
}

/// A copy of a log.
#[derive(Clone, Debug)]
pub(crate) struct Requests(pub(crate) Vec<Request>);

impl Requests {
    /// The number of requests of a method and kind.
    pub(crate) fn count(&self, method: &str, kind: Kind) -> usize {
        (self
            .0
            .iter()
            .filter(|r| r.method == method && r.kind() == kind))
        .count()
    }

    /// Those of one kind.
    pub(crate) fn of(&self, kind: Kind) -> Vec<&Request> {
        self.0.iter().filter(|r| r.kind() == kind).collect()
    }
}

/// The running log.
#[derive(Default)]
pub(crate) struct Log(Mutex<Vec<Arc<Entry>>>);

/// A line of it; its numbers grow while the bodies move.
pub(crate) struct Entry {
    request: Request,
    pub(crate) status: AtomicU16,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
}

impl Log {
    pub(crate) fn begin(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Arc<Entry> {
        let entry = Arc::new(Entry {
            request: Request {
                method: method.to_string(),
                path: uri.path().to_owned(),
                query: uri.query().unwrap_or_default().to_owned(),
                has_authorization: headers.contains_key(header::AUTHORIZATION),
                status: 0,
                bytes_in: 0,
                bytes_out: 0,
            },
            status: AtomicU16::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
        });
        self.0.lock().unwrap().push(entry.clone());
        entry
    }

    pub(crate) fn copy(&self) -> Requests {
        let now = |entry: &Arc<Entry>| Request {
            status: entry.status.load(Relaxed),
            bytes_in: entry.bytes_in.load(Relaxed),
            bytes_out: entry.bytes_out.load(Relaxed),
            ..entry.request.clone()
        };
        Requests(self.0.lock().unwrap().iter().map(now).collect())
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }
}
