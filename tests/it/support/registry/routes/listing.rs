//! Listings: the catalogue and tags, page by page, and referrers.

use std::{collections::BTreeMap, ops::Bound};

use axum::{
    http::{StatusCode, Uri},
    response::Response,
};
use serde_json::{Value, json};

use super::{
    super::{
        LinkStyle, Shared, auth::parameter, content::digest_of, faults::Quirk, state::Manifest,
    },
    error, json_answer, set,
};

pub(super) fn catalog(shared: &Shared, uri: &Uri) -> Response {
    let Some((size, last)) = page_wanted(shared, uri.query()) else {
        return bad_cursor();
    };
    let data = shared.data.lock().unwrap();
    let all = data
        .repositories
        .range((after(last.as_ref()), Bound::Unbounded));
    let names = all.map(|(name, _)| name.clone()).take(size + 1).collect();
    page(
        shared,
        uri,
        names,
        size,
        |names| json!({ "repositories": names }),
    )
}

pub(super) fn tags(shared: &Shared, repository: &str, uri: &Uri) -> Response {
    let Some((size, last)) = page_wanted(shared, uri.query()) else {
        return bad_cursor();
    };
    let data = shared.data.lock().unwrap();
    let found = data.repositories.get(repository);
    let Some(found) = found.filter(|found| !found.tags.is_empty()) else {
        return match (shared.has(Quirk::TagsNull), shared.has(Quirk::TagsMissing)) {
            (true, _) => json_answer(StatusCode::OK, &json!({ "name": repository, "tags": null })),
            (_, true) => json_answer(StatusCode::OK, &json!({ "name": repository })),
            _ => error(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "no such repository"),
        };
    };
    let all = found.tags.range((after(last.as_ref()), Bound::Unbounded));
    let names = all.map(|(tag, _)| tag.clone()).take(size + 1).collect();
    page(
        shared,
        uri,
        names,
        size,
        |names| json!({ "name": repository, "tags": names }),
    )
}

fn bad_cursor() -> Response {
    error(
        StatusCode::BAD_REQUEST,
        "PAGINATION_CURSOR_INVALID",
        "no such cursor",
    )
}

fn after(last: Option<&String>) -> Bound<String> {
    last.map_or(Bound::Unbounded, |last| Bound::Excluded(last.clone()))
}

/// Page size and the name to start after; `None` for a cursor that was never issued.
fn page_wanted(shared: &Shared, query: Option<&str>) -> Option<(usize, Option<String>)> {
    let most = shared.config.page_size;
    if matches!(shared.config.link, LinkStyle::Opaque)
        && query.is_some_and(|q| q.contains("token="))
    {
        let last = shared.cursors.lock().unwrap().get(query?).cloned()?;
        return Some((most, Some(last)));
    }
    let wanted = parameter(query, "n").and_then(|n| n.parse().ok());
    Some((wanted.unwrap_or(most).min(most), parameter(query, "last")))
}

/// One page, with a `Link` if `names` has one more than fits the page.
fn page(
    shared: &Shared,
    uri: &Uri,
    mut names: Vec<String>,
    size: usize,
    json: impl Fn(&[String]) -> Value,
) -> Response {
    let more = names.len() > size;
    names.truncate(size);
    let mut response = json_answer(StatusCode::OK, &json(&names));
    let looping = matches!(shared.config.link, LinkStyle::Looping);
    if let Some(last) = names.last().filter(|_| more || looping) {
        let link = format!("<{}>; rel=\"next\"", next(shared, uri.path(), size, last));
        let headers = response.headers_mut();
        if matches!(shared.config.link, LinkStyle::Apart) {
            let others = format!(
                "<{path}>; rel=\"first\", <{path}>; rel=\"prev\"",
                path = uri.path()
            );
            set(headers, "link", &others);
        }
        headers.append("link", link.parse().expect("a link"));
    }
    response
}

fn next(shared: &Shared, path: &str, size: usize, last: &str) -> String {
    let plain = format!("{path}?last={last}&n={size}");
    match &shared.config.link {
        LinkStyle::Relative | LinkStyle::Apart => plain,
        LinkStyle::Absolute => format!("{}{plain}", shared.url()),
        LinkStyle::Looping => format!("{path}?n={size}"),
        LinkStyle::OtherHost(host) => format!("http://{host}{plain}"),
        LinkStyle::Opaque => {
            let number = digest_of(format!("{path} {last}").as_bytes());
            let query = format!("token={}%2B%3D&x=%2F", &number[7..23]);
            let mut cursors = shared.cursors.lock().unwrap();
            cursors.insert(query.clone(), last.to_owned());
            format!("{path}?{query}")
        }
    }
}

/// The manifests of a repository with this subject, as an index, page by page.
pub(super) fn referrers(shared: &Shared, repository: &str, subject: &str, uri: &Uri) -> Response {
    if shared.has(Quirk::NoReferrers) {
        return not_a_page();
    }
    let Some((size, last)) = page_wanted(shared, uri.query()) else {
        return bad_cursor();
    };
    let wanted = parameter(uri.query(), "artifactType");
    let data = shared.data.lock().unwrap();
    let manifests = data.repositories.get(repository).map(|r| &r.manifests);
    let referrers = manifests.into_iter().flatten();
    let descriptors: BTreeMap<String, Value> = referrers
        .filter_map(|(digest, manifest)| {
            let descriptor = descriptor(digest, manifest, subject)?;
            let artifact_type = descriptor["artifactType"].as_str();
            let is_wanted = wanted.is_none() || artifact_type == wanted.as_deref();
            is_wanted.then(|| (digest.clone(), descriptor))
        })
        .collect();
    let names = descriptors.range((after(last.as_ref()), Bound::Unbounded));
    let names = names.map(|(digest, _)| digest.clone()).take(size + 1);
    let media_type = "application/vnd.oci.image.index.v1+json";
    let mut response = page(shared, uri, names.collect(), size, |names| {
        let descriptors: Vec<_> = names.iter().map(|name| &descriptors[name]).collect();
        json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": descriptors })
    });
    set(response.headers_mut(), "content-type", media_type);
    if wanted.is_some() {
        set(
            response.headers_mut(),
            "oci-filters-applied",
            "artifactType",
        );
    }
    response
}

/// As a router answers that doesn't know the path.
fn not_a_page() -> Response {
    let mut response = Response::new("404 page not found\n".into());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// The entry of a manifest that has this subject.
fn descriptor(digest: &str, manifest: &Manifest, subject: &str) -> Option<Value> {
    let json: Value = serde_json::from_slice(&manifest.bytes).ok()?;
    if json["subject"]["digest"] != subject {
        return None;
    }
    let artifact_type = match &json["artifactType"] {
        Value::Null => &json["config"]["mediaType"],
        own => own,
    };
    let mut descriptor = json!({
        "mediaType": manifest.media_type, "digest": digest, "size": manifest.bytes.len(),
        "artifactType": artifact_type,
    });
    if !json["annotations"].is_null() {
        descriptor["annotations"] = json["annotations"].clone();
    }
    Some(descriptor)
}
