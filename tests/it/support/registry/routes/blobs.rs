//! Blobs: HEAD, GET (whole or a range, served here or redirected to object storage) and DELETE.

use axum::{
    body::Body,
    http::{Method, StatusCode, header, request::Parts},
    response::Response,
};

use super::{
    super::{
        Shared,
        content::{Content, digest_of},
        faults::Quirk,
    },
    empty, error, range, set,
};

pub(super) fn answer(shared: &Shared, parts: &Parts, repository: &str, digest: &str) -> Response {
    let mut data = shared.data.lock().unwrap();
    let Some(content) = data.blob(repository, digest).cloned() else {
        return error(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "no such blob");
    };
    match parts.method {
        Method::DELETE => {
            data.repository(repository).blobs.remove(digest);
            empty(StatusCode::ACCEPTED)
        }
        Method::GET if shared.config.storage.is_some() => sent_on(shared, digest, content),
        Method::GET | Method::HEAD => bytes(shared, parts, digest, &content),
        _ => error(
            StatusCode::METHOD_NOT_ALLOWED,
            "UNSUPPORTED",
            "no such operation",
        ),
    }
}

fn bytes(shared: &Shared, parts: &Parts, digest: &str, content: &Content) -> Response {
    let size = content.size();
    let wanted = range(&parts.headers, size).filter(|_| !shared.has(Quirk::RangeIgnored));
    let mut response = empty(StatusCode::OK);
    let whole = 0..size;
    let part = match wanted {
        None => whole,
        Some(Err(refusal)) => return *refusal,
        Some(Ok(part)) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let text = format!("bytes {}-{}/{size}", part.start, part.end - 1);
            set(response.headers_mut(), "content-range", &text);
            part
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, (part.end - part.start).into());
    set(headers, "content-type", "application/octet-stream");
    set(headers, "accept-ranges", "bytes");
    set(headers, "docker-content-digest", digest);
    if parts.method == Method::GET {
        response = response.map(|_| content.body(part));
    }
    response
}

/// A query like object storages sign: it must be returned byte for byte.
fn presigned(digest: &str) -> String {
    let signature = digest_of(format!("presigned {digest}").as_bytes());
    format!("X-Amz-Credential=key%2Fus-east-1%2Fs3&X-Amz-Signature={signature}%3D%3D&response=a+b")
}

fn sent_on(shared: &Shared, digest: &str, content: Content) -> Response {
    let storage = shared
        .config
        .storage
        .as_ref()
        .expect("a storage to send on to");
    let mut stored = storage.data.lock().unwrap();
    stored.blobs.insert(digest.to_owned(), content);
    let mut response = empty(StatusCode::TEMPORARY_REDIRECT);
    let location = format!("{}/storage/{digest}?{}", storage.url(), presigned(digest));
    set(response.headers_mut(), "location", &location);
    response
}

/// The object storage's side.
pub(super) fn storage(shared: &Shared, parts: &Parts, digest: &str) -> Response {
    if parts.headers.contains_key(header::AUTHORIZATION) {
        let message = "only one authorisation may be given";
        return error(StatusCode::BAD_REQUEST, "InvalidArgument", message);
    }
    if parts.uri.query() != Some(presigned(digest).as_str()) {
        let message = "the signature doesn't match";
        return error(StatusCode::FORBIDDEN, "SignatureDoesNotMatch", message);
    }
    let content = shared.data.lock().unwrap().blobs.get(digest).cloned();
    match content {
        Some(content) => bytes(shared, parts, digest, &content),
        None => Response::builder()
            .status(StatusCode::NOT_FOUND)
            .body(Body::empty())
            .expect("an answer"),
    }
}
