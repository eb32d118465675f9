//! Mounts, sessions, sinks.

use reqwest::{Client, Method, Response, header};

use super::{ask, get, head};
use crate::support::{
    images::{Blob, client},
    registry::{
        LocationStyle, Registry,
        content::{Content, digest_of},
        faults::Quirk,
    },
};

const START: &str = "/v2/app/blobs/uploads/";

async fn send(client: &Client, method: Method, url: String, body: &'static str) -> Response {
    client
        .request(method, url)
        .body(body)
        .send()
        .await
        .expect("an answer")
}

#[tokio::test]
async fn a_mount_links_what_the_other_repository_has() {
    let registry = Registry::start().await;
    let digest = registry.blob_put("base", "layer");
    let client = client();
    let mount = format!("{START}?mount={digest}&from=base");
    for (ignored, from, status) in [
        (false, "base", 201),
        (true, "base", 202),
        (false, "none", 202),
    ] {
        registry.blob_remove("app", &digest);
        registry.quirk_set(Quirk::MountIgnored, ignored);
        let path = mount.replace("from=base", &format!("from={from}"));
        let answer = ask(&client, Method::POST, registry.address(), &path).await;
        assert_eq!(answer.status(), status);
        assert_eq!(
            registry.blob_size("app", &digest),
            (status == 201).then_some(5)
        );
    }
    assert_eq!(registry.uploads_open(), 2);
}

#[tokio::test]
async fn a_session_goes_on_at_its_newest_location() {
    for style in 0..3 {
        let location = match style {
            0 => LocationStyle::Relative,
            1 => LocationStyle::RelativeWithQuery,
            _ => LocationStyle::Absolute(None),
        };
        let registry = Registry::builder()
            .location(location)
            .chunk_min(4)
            .start()
            .await;
        let client = client();
        let url = |answer: &Response| {
            let location = head(answer, "location");
            let host = if style < 2 {
                format!("http://{}", registry.address())
            } else {
                String::new()
            };
            host + location
        };
        let started = ask(&client, Method::POST, registry.address(), START).await;
        assert_eq!(head(&started, "oci-chunk-min-length"), "4");
        let first = url(&started);
        let patched = send(&client, Method::PATCH, first.clone(), "01234").await;
        assert_eq!(
            (patched.status().as_u16(), head(&patched, "range")),
            (202, "0-4")
        );
        if style == 1 {
            let old = send(&client, Method::PATCH, first, "5").await;
            assert_eq!(old.status(), 404);
        }
        let elsewhere = client
            .patch(url(&patched))
            .header(header::CONTENT_RANGE, "9-9")
            .body("9");
        assert_eq!(elsewhere.send().await.unwrap().status(), 416);
        let short = send(&client, Method::PATCH, url(&patched), "56").await;
        let after_short = send(&client, Method::PATCH, url(&short), "7890").await;
        assert_eq!(after_short.status(), 400);
        let stands = client.get(url(&short)).send().await.unwrap();
        assert_eq!(
            (stands.status().as_u16(), head(&stands, "range")),
            (204, "0-6")
        );
        let and = if style == 1 { '&' } else { '?' };
        let digest = digest_of(b"012345678");
        let end = format!("{}{and}digest={digest}", url(&stands));
        assert_eq!(send(&client, Method::PUT, end, "78").await.status(), 201);
        assert_eq!(registry.blob_size("app", &digest), Some(9));
        assert_eq!(registry.uploads_open(), 0);
    }
}

#[tokio::test]
async fn a_wrong_digest_and_an_incomplete_manifest_are_refused() {
    let registry = Registry::start().await;
    let client = client();
    let wrong = digest_of(b"other");
    let url = format!("http://{}{START}?digest={wrong}", registry.address());
    assert_eq!(
        send(&client, Method::POST, url, "content").await.status(),
        400
    );
    assert_eq!(registry.blob_size("app", &wrong), None);

    let manifest =
        r#"{"layers":[{"digest":"sha256:0"},{"digest":"sha256:1","urls":["http://x"]}]}"#;
    let url = format!("http://{}/v2/app/manifests/1", registry.address());
    let refused = send(&client, Method::PUT, url.clone(), manifest).await;
    let refused = refused.text().await.unwrap();
    assert!(
        refused.contains("MANIFEST_BLOB_UNKNOWN") && !refused.contains("sha256:1"),
        "{refused}"
    );
    registry.manifest_put("app", Some("1"), "", manifest);
    let broken = registry.broken_references();
    assert!(
        broken.len() == 1 && broken[0].ends_with("lacks sha256:0"),
        "{broken:?}"
    );
    assert_eq!(
        ask(
            &client,
            Method::DELETE,
            registry.address(),
            "/v2/app/manifests/1"
        )
        .await
        .status(),
        202
    );
    assert_eq!(registry.tags("app").len(), 0);

    let index = r#"{"manifests":[{"digest":"sha256:0"}]}"#;
    assert_eq!(
        send(&client, Method::PUT, url.clone(), index)
            .await
            .status(),
        400
    );
    registry.quirk_set(Quirk::SparseAllowed, true);
    assert_eq!(send(&client, Method::PUT, url, index).await.status(), 201);
}

#[tokio::test]
async fn huge_blobs_need_no_memory() {
    let size = (40 << 20) + 123;
    let source = Registry::start().await;
    let sink = Registry::builder().quirk(Quirk::Sink).start().await;
    let Blob { digest, content } = Blob::layer(7, size);
    source.content_put("app", &digest, content.clone());
    let client = client();
    let blob = format!("/v2/app/blobs/{digest}");
    let got = get(&client, source.address(), &blob).await;
    let url = format!("http://{}{START}?digest={digest}", sink.address());
    let body = reqwest::Body::wrap_stream(got.bytes_stream());
    assert_eq!(
        client.post(url).body(body).send().await.unwrap().status(),
        201
    );
    assert_eq!(sink.blob_size("app", &digest), Some(size));
    assert_eq!(sink.requests().0[0].bytes_in, size);

    // A part is that part of the whole.
    let range = (1 << 20) - 5..(1 << 20) + 70_000;
    let whole: Vec<u8> = content.chunks(0..2 << 20).flatten().collect();
    let header_value = format!("bytes={}-{}", range.start, range.end - 1);
    let url = format!("http://{}{blob}", source.address());
    let part = client
        .get(url)
        .header(header::RANGE, header_value)
        .send()
        .await
        .unwrap();
    assert_eq!(part.status(), 206);
    assert!(part.bytes().await.unwrap() == whole[range]);
    assert_ne!(Content::generated(8, size).digest(), digest);
}

#[tokio::test]
async fn uploads_may_want_another_form() {
    let elsewhere = LocationStyle::Absolute(Some("example.test".to_owned()));
    let registry = Registry::builder()
        .location(elsewhere)
        .quirk(Quirk::SinglePostIgnored)
        .quirk(Quirk::PutBodyRefused)
        .start()
        .await;
    let client = client();
    let digest = digest_of(b"content");
    let base = format!("http://{}{START}", registry.address());
    let started = send(
        &client,
        Method::POST,
        format!("{base}?digest={digest}"),
        "content",
    )
    .await;
    let url = head(&started, "location").replace("example.test", registry.address());
    assert_ne!(url, head(&started, "location"));
    let end = format!("{url}?digest={digest}");
    let refused = send(&client, Method::PUT, end.clone(), "content").await;
    assert_eq!(refused.status(), 413);
    send(&client, Method::PATCH, url, "content").await;
    assert_eq!(send(&client, Method::PUT, end, "").await.status(), 201);
    assert_eq!(registry.blob_size("app", &digest), Some(7));
}
