//! The endpoints of the distribution API. Repository names contain slashes, so paths are parsed here
//! ([`Route`]) and not by a router; each kind of object has its file.

mod blobs;
mod listing;
mod manifests;
mod uploads;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use axum::{
    Router,
    body::{Body, HttpBody as _, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::{
    Shared, auth,
    faults::{Unsent, faulty},
    log::{Entry, Kind},
};

/// Maximum bytes of a manifest or form: more than any client accepts.
const BODY_MAX: usize = 64 << 20;

/// A path, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Base,
    Catalog,
    TagList(String),
    /// Repository, and tag or digest.
    Manifest(String, String),
    /// Repository and digest.
    Blob(String, String),
    UploadStart(String),
    /// Repository and session.
    Upload(String, String),
    /// Repository and the subject's digest.
    Referrers(String, String),
    Token,
    /// "Object storage" to which blob requests are redirected.
    Storage(String),
    Other,
}

impl Route {
    pub(crate) fn parse(path: &str) -> Self {
        if path == "/token" {
            return Self::Token;
        }
        if let Some(digest) = path.strip_prefix("/storage/") {
            return Self::Storage(digest.to_owned());
        }
        let Some(rest) = path.strip_prefix("/v2") else {
            return Self::Other;
        };
        match rest {
            "" | "/" => return Self::Base,
            "/_catalog" => return Self::Catalog,
            _ => {}
        }
        let rest = rest.trim_start_matches('/');
        if let Some(repository) = rest.strip_suffix("/tags/list") {
            return Self::TagList(repository.to_owned());
        }
        let split = |infix| {
            let (repository, last): (&str, &str) = rest.rsplit_once(infix)?;
            Some((repository.to_owned(), last.to_owned()))
        };
        if let Some((repository, id)) = split("/blobs/uploads/") {
            if id.is_empty() {
                return Self::UploadStart(repository);
            }
            return Self::Upload(repository, id);
        }
        let blob = split("/blobs/").map(|(repository, digest)| Self::Blob(repository, digest));
        let manifest = || split("/manifests/").map(|(name, last)| Self::Manifest(name, last));
        let referrers = || split("/referrers/").map(|(name, last)| Self::Referrers(name, last));
        blob.or_else(manifest)
            .or_else(referrers)
            .unwrap_or(Self::Other)
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Base => Kind::Base,
            Self::Catalog => Kind::Catalog,
            Self::TagList(_) => Kind::TagList,
            Self::Manifest(..) => Kind::Manifest,
            Self::Blob(..) => Kind::Blob,
            Self::UploadStart(_) | Self::Upload(..) => Kind::Upload,
            Self::Referrers(..) => Kind::Referrers,
            Self::Token => Kind::Token,
            Self::Storage(_) => Kind::Storage,
            Self::Other => Kind::Other,
        }
    }
}

/// The whole registry as one axum service.
pub(super) fn app(shared: Arc<Shared>) -> Router {
    Router::new().fallback(logged).with_state(shared)
}

/// Logs, applies faults, responds.
async fn logged(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let entry = shared
        .log
        .begin(request.method(), request.uri(), request.headers());
    let action = shared.faults.action(&request);
    let request = request.map(|body| counted(body, &entry, |entry| &entry.bytes_in));
    let response = match action {
        Some(action) => faulty(action, request, |request| answer(shared, request)).await,
        None => answer(shared, request).await,
    };
    if response.extensions().get::<Unsent>().is_none() {
        entry.status.store(response.status().as_u16(), Relaxed);
    }
    with_length(response).map(|body| counted(body, &entry, |entry| &entry.bytes_out))
}

/// Sets the body's length, which counting would hide.
fn with_length(mut response: Response) -> Response {
    if let Some(length) = response.body().size_hint().exact()
        && response.status() != StatusCode::NO_CONTENT
    {
        let headers = response.headers_mut();
        headers
            .entry(header::CONTENT_LENGTH)
            .or_insert(length.into());
    }
    response
}

/// Counts the bytes of a body as they pass.
fn counted(body: Body, entry: &Arc<Entry>, counter: fn(&Entry) -> &AtomicU64) -> Body {
    if body.is_end_stream() {
        return body;
    }
    let entry = entry.clone();
    Body::from_stream(body.into_data_stream().inspect(move |data| {
        if let Ok(data) = data {
            counter(&entry).fetch_add(data.len() as u64, Relaxed);
        }
    }))
}

async fn answer(shared: Arc<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Parts {
        method,
        uri,
        headers,
        ..
    } = &parts;
    let query = uri.query();
    let route = Route::parse(uri.path());
    if let Err(refusal) = auth::check(&shared, &route, method, query, headers) {
        return *refusal;
    }
    match (route, method) {
        (Route::Base, _) => json_answer(StatusCode::OK, &json!({})),
        (Route::Catalog, &Method::GET) => listing::catalog(&shared, uri),
        (Route::TagList(repository), &Method::GET) => listing::tags(&shared, &repository, uri),
        (Route::Referrers(repository, digest), &Method::GET) => {
            listing::referrers(&shared, &repository, &digest, uri)
        }
        (Route::Manifest(repository, reference), _) => {
            manifests::answer(&shared, &parts, &repository, &reference, body).await
        }
        (Route::Blob(repository, digest), _) => {
            blobs::answer(&shared, &parts, &repository, &digest)
        }
        (Route::Storage(digest), _) => blobs::storage(&shared, &parts, &digest),
        (Route::UploadStart(repository), &Method::POST) => {
            uploads::start(&shared, query, &repository, body).await
        }
        (Route::Upload(repository, id), _) => {
            uploads::session(&shared, &parts, &repository, &id, body).await
        }
        (Route::Token, _) => token(&shared, &parts, body).await,
        _ => error(
            StatusCode::METHOD_NOT_ALLOWED,
            "UNSUPPORTED",
            "no such operation",
        ),
    }
}

async fn token(shared: &Shared, parts: &Parts, body: Body) -> Response {
    let Ok(form) = to_bytes(body, BODY_MAX).await else {
        return broken_off();
    };
    let parameters = if parts.method == Method::POST {
        String::from_utf8_lossy(&form).into_owned()
    } else {
        parts.uri.query().unwrap_or_default().to_owned()
    };
    auth::token_answer(shared, &parts.method, &parts.headers, &parameters)
}

/// An error in the distribution API's form.
pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Response {
    json_answer(
        status,
        &json!({ "errors": [{ "code": code, "message": message }] }),
    )
}

pub(super) fn json_answer(status: StatusCode, json: &Value) -> Response {
    let mut response = Response::new(Body::from(json.to_string()));
    *response.status_mut() = status;
    set(response.headers_mut(), "content-type", "application/json");
    response
}

/// The request's body ended early; nobody will read this.
fn broken_off() -> Response {
    error(StatusCode::BAD_REQUEST, "UNKNOWN", "the request broke off")
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    headers.insert(name, HeaderValue::from_str(value).expect("a header value"));
}

/// `bytes=FIRST-[LAST]` of a `Range` header, as a half-open range within `size`; `None` if there is
/// no such header.
fn range(headers: &HeaderMap, size: u64) -> Option<Result<std::ops::Range<u64>, Box<Response>>> {
    let text = headers.get(header::RANGE)?.to_str().ok()?;
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let first: u64 = first.parse().ok()?;
    let last = last.parse().map_or(size, |last: u64| size.min(last + 1));
    if first >= last {
        let refusal = error(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "SIZE_INVALID",
            "no such range",
        );
        return Some(Err(Box::new(refusal)));
    }
    Some(Ok(first..last))
}
