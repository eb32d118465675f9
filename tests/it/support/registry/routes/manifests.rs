//! Manifests, by tag or digest: HEAD, GET, PUT (only complete ones) and DELETE.

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
    response::Response,
};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    super::{Shared, content::digest_of, faults::Quirk, state::Manifest},
    BODY_MAX, broken_off, empty, error, json_answer, set,
};

pub(super) async fn answer(
    shared: &Shared,
    parts: &Parts,
    repository: &str,
    reference: &str,
    body: Body,
) -> Response {
    match parts.method {
        Method::GET | Method::HEAD => get(shared, &parts.method, repository, reference),
        Method::PUT => match to_bytes(body, BODY_MAX).await {
            Ok(bytes) => put(shared, &parts.headers, repository, reference, bytes),
            Err(_) => broken_off(),
        },
        Method::DELETE => delete(shared, repository, reference),
        _ => error(
            StatusCode::METHOD_NOT_ALLOWED,
            "UNSUPPORTED",
            "no such operation",
        ),
    }
}

fn unknown() -> Response {
    error(
        StatusCode::NOT_FOUND,
        "MANIFEST_UNKNOWN",
        "no such manifest",
    )
}

fn get(shared: &Shared, method: &Method, repository: &str, reference: &str) -> Response {
    let found = shared.data.lock().unwrap().manifest(repository, reference);
    let Some((digest, manifest)) = found else {
        return unknown();
    };
    let mut response = empty(StatusCode::OK);
    let headers = response.headers_mut();
    if method == Method::GET || !shared.has(Quirk::HeadWithoutLength) {
        headers.insert(header::CONTENT_LENGTH, manifest.bytes.len().into());
    }
    if let Some(kind) = content_type(shared, &manifest) {
        set(headers, "content-type", &kind);
    }
    if shared.has(Quirk::WrongDigestHeader) {
        set(headers, "docker-content-digest", &digest_of(b"other bytes"));
    } else if method == Method::GET || !shared.has(Quirk::HeadWithoutDigest) {
        set(headers, "docker-content-digest", &digest);
    }
    if method == Method::GET {
        response = response.map(|_| manifest.bytes.into());
    }
    response
}

fn content_type(shared: &Shared, manifest: &Manifest) -> Option<String> {
    if shared.has(Quirk::ContentTypeMissing) {
        None
    } else if shared.has(Quirk::ContentTypeWrong) {
        Some("text/plain".to_owned())
    } else if shared.has(Quirk::ContentTypeCharset) {
        Some(format!("{}; charset=utf-8", manifest.media_type))
    } else {
        Some(manifest.media_type.clone())
    }
}

fn put(
    shared: &Shared,
    headers: &HeaderMap,
    repository: &str,
    reference: &str,
    bytes: Bytes,
) -> Response {
    let Ok(json) = serde_json::from_slice::<Value>(&bytes) else {
        return error(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", "no JSON");
    };
    let digest = digest_of(&bytes);
    let tag = (!reference.contains(':')).then_some(reference);
    if tag.is_none() && digest != reference {
        return error(StatusCode::BAD_REQUEST, "DIGEST_INVALID", "another digest");
    }
    let mut data = shared.data.lock().unwrap();
    let (blobs, children) = data.missing(repository, &bytes);
    let lacking = blobs.iter().chain(
        children
            .iter()
            .filter(|_| !shared.has(Quirk::SparseAllowed)),
    );
    let lacking: Vec<Value> = lacking
        .map(|digest| {
            json!({ "code": "MANIFEST_BLOB_UNKNOWN", "message": "unknown to the registry",
                    "detail": { "digest": digest } })
        })
        .collect();
    if !lacking.is_empty() {
        return json_answer(StatusCode::BAD_REQUEST, &json!({ "errors": lacking }));
    }
    let taken = tag.is_some_and(|tag| data.repository(repository).tags.contains_key(tag));
    if taken && shared.has(Quirk::ImmutableTags) {
        let message = "the tag is immutable";
        return error(StatusCode::CONFLICT, "TAG_IMMUTABLE", message);
    }
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok());
    let media_type = given
        .or_else(|| json["mediaType"].as_str())
        .unwrap_or_default()
        .to_owned();
    data.manifest_put(repository, tag, Manifest { media_type, bytes });

    let mut response = empty(stored_status(shared));
    let headers = response.headers_mut();
    set(
        headers,
        "location",
        &format!("/v2/{repository}/manifests/{digest}"),
    );
    set(headers, "docker-content-digest", &digest);
    if let Some(subject) = json["subject"]["digest"].as_str()
        && !shared.has(Quirk::NoOciSubject)
        && !shared.has(Quirk::NoReferrers)
    {
        set(headers, "oci-subject", subject);
    }
    response
}

/// The status of a successful PUT.
pub(super) fn stored_status(shared: &Shared) -> StatusCode {
    if shared.has(Quirk::PutNoContent) {
        StatusCode::NO_CONTENT
    } else if shared.has(Quirk::PutAccepted) {
        StatusCode::ACCEPTED
    } else {
        StatusCode::CREATED
    }
}

/// Deletes a tag, or a manifest with all its tags.
fn delete(shared: &Shared, repository: &str, reference: &str) -> Response {
    let mut data = shared.data.lock().unwrap();
    let repository = data.repository(repository);
    let removed = repository.tags.remove(reference).is_some()
        || repository.manifests.remove(reference).is_some();
    if !removed {
        return unknown();
    }
    repository.tags.retain(|_, digest| digest != reference);
    empty(StatusCode::ACCEPTED)
}
