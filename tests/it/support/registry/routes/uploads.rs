//! Blob uploads: mount, one request, or a session of PATCH and PUT.

use std::sync::{Arc, Mutex};

use axum::{
    body::{Body, HttpBody as _},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
    response::Response,
};
use futures_util::StreamExt as _;

use super::{
    super::{LocationStyle, Shared, auth::parameter, faults::Quirk, state::Upload},
    broken_off, empty, error,
    manifests::stored_status,
    set,
};

/// POST: a mount if requested and possible, a blob in one request, or a new session.
pub(super) async fn start(
    shared: &Shared,
    query: Option<&str>,
    repository: &str,
    body: Body,
) -> Response {
    if let Some((digest, from)) = parameter(query, "mount").zip(parameter(query, "from"))
        && !shared.has(Quirk::MountIgnored)
    {
        let mut data = shared.data.lock().unwrap();
        if data.blob_linked(&from, &digest) {
            data.blob_link(repository, &digest);
            return created(StatusCode::CREATED, repository, &digest);
        }
    }
    let id = shared.data.lock().unwrap().upload_start();
    let upload = upload_of(shared, &id).expect("a session that was just started");
    match parameter(query, "digest") {
        Some(digest) if !shared.has(Quirk::SinglePostIgnored) => {
            finish(shared, repository, &id, &upload, &digest, body).await
        }
        _ => going_on(shared, StatusCode::ACCEPTED, repository, &id, &upload),
    }
}

/// GET, PATCH, PUT and DELETE of a session.
pub(super) async fn session(
    shared: &Shared,
    parts: &Parts,
    repository: &str,
    id: &str,
    body: Body,
) -> Response {
    let query = parts.uri.query();
    let found = upload_of(shared, id).filter(|upload| {
        let state = format!("_state={}", upload.lock().unwrap().writes);
        !matches!(shared.config.location, LocationStyle::RelativeWithQuery)
            || query.is_some_and(|query| query.split('&').any(|pair| pair == state))
    });
    let Some(upload) = found else {
        return error(
            StatusCode::NOT_FOUND,
            "BLOB_UPLOAD_UNKNOWN",
            "no such upload",
        );
    };
    match parts.method {
        Method::GET => going_on(shared, StatusCode::NO_CONTENT, repository, id, &upload),
        Method::DELETE => {
            shared.data.lock().unwrap().uploads.remove(id);
            empty(StatusCode::NO_CONTENT)
        }
        _ if !starts_at_end(&parts.headers, &upload) => {
            let status = StatusCode::RANGE_NOT_SATISFIABLE;
            going_on(shared, status, repository, id, &upload)
        }
        Method::PATCH if upload.lock().unwrap().short => {
            let message = "only the last chunk may be shorter than the minimum";
            error(StatusCode::BAD_REQUEST, "SIZE_INVALID", message)
        }
        Method::PATCH => match receive(shared, &upload, body).await {
            Ok(()) => going_on(shared, StatusCode::ACCEPTED, repository, id, &upload),
            Err(refusal) => *refusal,
        },
        Method::PUT if !body.is_end_stream() && shared.has(Quirk::PutBodyRefused) => {
            let message = "the content has to come before";
            error(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", message)
        }
        Method::PUT => match parameter(query, "digest") {
            Some(digest) => finish(shared, repository, id, &upload, &digest, body).await,
            None => error(StatusCode::BAD_REQUEST, "DIGEST_INVALID", "no digest given"),
        },
        _ => error(
            StatusCode::METHOD_NOT_ALLOWED,
            "UNSUPPORTED",
            "no such operation",
        ),
    }
}

fn upload_of(shared: &Shared, id: &str) -> Option<Arc<Mutex<Upload>>> {
    shared.data.lock().unwrap().uploads.get(id).cloned()
}

/// Whether `Content-Range`, if given, continues at the upload's position.
fn starts_at_end(headers: &HeaderMap, upload: &Mutex<Upload>) -> bool {
    let Some(range) = headers.get(header::CONTENT_RANGE) else {
        return true;
    };
    let text = range.to_str().unwrap_or_default();
    let text = text.strip_prefix("bytes ").unwrap_or(text);
    let start = text
        .split_once('-')
        .and_then(|(start, _)| start.parse().ok());
    start == Some(upload.lock().unwrap().size)
}

/// Adds the body's bytes; those before an interruption are kept.
async fn receive(shared: &Shared, upload: &Mutex<Upload>, body: Body) -> Result<(), Box<Response>> {
    let keep = !shared.has(Quirk::Sink);
    let before = upload.lock().unwrap().size;
    let mut data = body.into_data_stream();
    while let Some(bytes) = data.next().await {
        let bytes = bytes.map_err(|_| Box::new(broken_off()))?;
        upload.lock().unwrap().write(bytes, keep);
    }
    let mut upload = upload.lock().unwrap();
    upload.writes += 1;
    upload.short = upload.size - before < shared.config.chunk_min;
    Ok(())
}

async fn finish(
    shared: &Shared,
    repository: &str,
    id: &str,
    upload: &Mutex<Upload>,
    wanted: &str,
    body: Body,
) -> Response {
    if let Err(refusal) = receive(shared, upload, body).await {
        return *refusal;
    }
    let (digest, content) = upload.lock().unwrap().finish(!shared.has(Quirk::Sink));
    let mut data = shared.data.lock().unwrap();
    data.uploads.remove(id);
    if digest != wanted {
        let message = "the digest isn't that of the content";
        return error(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message);
    }
    data.blob_put(repository, &digest, content);
    created(stored_status(shared), repository, &digest)
}

fn created(status: StatusCode, repository: &str, digest: &str) -> Response {
    let mut response = empty(status);
    let headers = response.headers_mut();
    set(
        headers,
        "location",
        &format!("/v2/{repository}/blobs/{digest}"),
    );
    set(headers, "docker-content-digest", digest);
    response
}

/// The session's position and location.
fn going_on(
    shared: &Shared,
    status: StatusCode,
    repository: &str,
    id: &str,
    upload: &Mutex<Upload>,
) -> Response {
    let upload = upload.lock().unwrap();
    let path = format!("/v2/{repository}/blobs/uploads/{id}");
    let location = match &shared.config.location {
        LocationStyle::Relative => path,
        LocationStyle::RelativeWithQuery => format!("{path}?_state={}", upload.writes),
        LocationStyle::Absolute(None) => format!("{}{path}", shared.url()),
        LocationStyle::Absolute(Some(other)) => format!("http://{other}{path}"),
    };
    let mut response = empty(status);
    let headers = response.headers_mut();
    set(headers, "location", &location);
    set(
        headers,
        "range",
        &format!("0-{}", upload.size.saturating_sub(1)),
    );
    set(headers, "docker-upload-uuid", id);
    if shared.config.chunk_min > 0 {
        let minimum = shared.config.chunk_min.to_string();
        set(headers, "oci-chunk-min-length", &minimum);
    }
    response
}
