//! What is pushed comes back, also from the real `docker-registry`.

use reqwest::{Method, StatusCode, header};

use super::{ask, get, head};
use crate::support::{
    docker_registry::AnyRegistry,
    images::{AMD64, Blob, Format, Image, client},
    registry::{Registry, content::digest_of, log::Kind},
};

#[tokio::test]
async fn pushed_content_is_returned_byte_for_byte() {
    let registry = Registry::start().await;
    let image = Image::multi(Format::Oci, 1, 200_000);
    image
        .push(registry.address(), "library/app", Some("1.0"))
        .await;
    assert_eq!(registry.tags("library/app")["1.0"], image.digest());
    assert_eq!(registry.broken_references(), Vec::<String>::new());
    assert_eq!(registry.uploads_open(), 0);
    let requests = registry.requests();
    // Three configs, the shared layer, three of their own; three children and the index.
    assert_eq!(requests.count("PUT", Kind::Upload), 7);
    assert_eq!(requests.count("PUT", Kind::Manifest), 4);
    let sent: u64 = requests.of(Kind::Upload).iter().map(|r| r.bytes_in).sum();
    assert_eq!(
        sent,
        image
            .blobs
            .iter()
            .map(|blob| blob.content.size())
            .sum::<u64>()
    );

    let client = client();
    registry.requests_clear();
    let response = get(&client, registry.address(), "/v2/library/app/manifests/1.0").await;
    assert_eq!(head(&response, "content-type"), image.top.media_type);
    assert_eq!(response.bytes().await.unwrap(), image.top.bytes);
    for Blob { digest, content } in &image.blobs {
        let path = format!("/v2/library/app/blobs/{digest}");
        let head_answer = ask(&client, Method::HEAD, registry.address(), &path).await;
        assert_eq!(
            head(&head_answer, "content-length"),
            content.size().to_string()
        );
        let bytes = get(&client, registry.address(), &path)
            .await
            .bytes()
            .await
            .unwrap();
        assert_eq!(&digest_of(&bytes), digest);
    }
    let requests = registry.requests();
    assert_eq!(requests.count("GET", Kind::Manifest), 1);
    assert_eq!(
        requests.of(Kind::Manifest)[0].bytes_out,
        image.top.bytes.len() as u64
    );
    assert!(
        requests
            .0
            .iter()
            .all(|r| r.status == 200 && !r.has_authorization)
    );
}

#[tokio::test]
async fn blobs_at_object_storage_take_no_authorization() {
    let storage = Registry::start().await;
    let registry = Registry::builder().blobs_at(&storage).start().await;
    let digest = registry.blob_put("app", "0123456789");
    let client = client();
    let answer = get(
        &client,
        registry.address(),
        &format!("/v2/app/blobs/{digest}"),
    )
    .await;
    assert_eq!(answer.status(), StatusCode::TEMPORARY_REDIRECT);
    let location = head(&answer, "location").to_owned();
    let part = client
        .get(&location)
        .header(header::RANGE, "bytes=3-5")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (part.status().as_u16(), head(&part, "content-range")),
        (206, "bytes 3-5/10")
    );
    assert_eq!(part.text().await.unwrap(), "345");
    let refused = client
        .get(&location)
        .bearer_auth("token")
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 400);
    let changed = location.replace("%2F", "/");
    assert_eq!(client.get(changed).send().await.unwrap().status(), 403);
    let kept: Vec<_> = (storage.requests().of(Kind::Storage).iter())
        .map(|request| (request.status, request.has_authorization))
        .collect();
    assert_eq!(kept, [(206, false), (400, true), (403, false)]);
}

#[tokio::test]
async fn both_kinds_of_registry_take_the_same_images() {
    for registry in AnyRegistry::each().await {
        let single = Image::single(
            Format::Docker,
            AMD64,
            &[Blob::layer(1, 100), Blob::layer(2, 3_000_000)],
        );
        let attested = Image::attested(3, 1000);
        let artifact = Image::artifact(4, "application/vnd.cncf.helm.config.v1+json");
        for (tag, image) in [
            ("single", &single),
            ("attested", &attested),
            ("artifact", &artifact),
        ] {
            image.push(registry.address(), "app", Some(tag)).await;
            registry.requests_clear();
            let client = client();
            let url = format!("http://{}/v2/app/manifests/{tag}", registry.address());
            let accept = client
                .get(url)
                .header(header::ACCEPT, &image.top.media_type);
            let answer = accept.send().await.unwrap();
            assert_eq!(head(&answer, "docker-content-digest"), image.digest());
            assert_eq!(head(&answer, "content-type"), image.top.media_type);
            assert_eq!(answer.bytes().await.unwrap(), image.top.bytes);
            let requests = registry.requests().await;
            assert_eq!(
                (requests.count("GET", Kind::Manifest), requests.0.len()),
                (1, 1)
            );
            assert_eq!(
                (requests.0[0].path.as_str(), requests.0[0].status),
                (&*format!("/v2/app/manifests/{tag}"), 200)
            );
            assert_eq!(requests.0[0].bytes_out, image.top.bytes.len() as u64);
        }
    }
}
