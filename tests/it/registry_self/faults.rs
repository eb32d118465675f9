//! Rules and quirks.

use std::time::Duration;

use reqwest::{Method, header};

use super::{ask, get, head};
use crate::support::{
    images::{Image, client},
    registry::{
        Registry,
        content::digest_of,
        faults::{Action, Fault, Quirk},
        log::Kind,
    },
};

#[tokio::test]
async fn a_rule_spares_hits_and_ends() {
    let limited = Action::Answer {
        status: 429,
        headers: vec![("retry-after", "1".to_owned())],
        body: "slow down".to_owned(),
    };
    let rule = Fault::on("GET", "/tags/list\\?n=1$", limited)
        .after(1)
        .times(2);
    let registry = Registry::builder().fault(rule).start().await;
    Image::artifact(1, "application/json").store(&registry, "app", Some("1"));
    let client = client();
    for (path, status) in [
        ("/v2/app/tags/list?n=1", 200),
        ("/v2/app/tags/list?n=1", 429),
        ("/v2/app/tags/list?n=2", 200),
        ("/v2/app/tags/list?n=1", 429),
        ("/v2/app/tags/list?n=1", 200),
    ] {
        let answer = get(&client, registry.address(), path).await;
        assert_eq!(answer.status(), status);
        assert_eq!(head(&answer, "retry-after").is_empty(), status == 200);
    }
    registry.fault_add(Fault::status("GET", "/v2/$", 503));
    assert_eq!(get(&client, registry.address(), "/v2/").await.status(), 503);
    registry.faults_clear();
    assert_eq!(get(&client, registry.address(), "/v2/").await.status(), 200);
    assert_eq!(registry.requests().of(Kind::TagList)[1].status, 429);
}

#[tokio::test]
async fn a_download_breaks_as_scripted() {
    let registry = Registry::start().await;
    let bytes: Vec<u8> = (0..100_000_u32)
        .map(|number| number.to_le_bytes()[0])
        .collect();
    let digest = registry.blob_put("app", bytes.clone());
    let client = client();
    // What arrives of the response before it ends or stops, and whether it ends properly.
    for (action, length, well) in [
        (Action::Cut { after: 30_000 }, 30_000, false),
        (Action::Truncated { to: 30_000 }, 30_000, true),
        (Action::TooLong { by: 10 }, 100_010, true),
        (Action::Corrupted { at: 70_000 }, 100_000, true),
        (Action::Stall { after: 30_000 }, 30_000, false),
        (
            Action::Slow {
                bytes: 40_000,
                pause: Duration::from_millis(1),
            },
            100_000,
            true,
        ),
        (Action::Delay(Duration::from_millis(1)), 100_000, true),
    ] {
        registry.faults_clear();
        registry.fault_add(Fault::on("GET", "/blobs/", action.clone()));
        let mut answer = get(
            &client,
            registry.address(),
            &format!("/v2/app/blobs/{digest}"),
        )
        .await;
        let mut got = Vec::new();
        let ended = loop {
            // Only a stalled answer waits for this.
            match tokio::time::timeout(Duration::from_secs(1), answer.chunk()).await {
                Ok(Ok(Some(chunk))) => got.extend(chunk),
                Ok(Ok(None)) => break true,
                Ok(Err(_)) | Err(_) => break false,
            }
        };
        assert_eq!((got.len(), ended), (length, well), "{action:?}");
        let right = !matches!(action, Action::TooLong { .. } | Action::Corrupted { .. });
        assert_eq!(bytes.starts_with(&got), right, "{action:?}");
    }
}

#[tokio::test]
async fn an_upload_breaks_as_scripted() {
    let registry = Registry::start().await;
    let client = client();
    let start = "/v2/app/blobs/uploads/";
    let started = ask(&client, Method::POST, registry.address(), start).await;
    let url = format!(
        "http://{}{}",
        registry.address(),
        head(&started, "location")
    );
    registry.fault_add(Fault::on("PATCH", "/uploads/", Action::Cut { after: 10_000 }).times(1));
    let broken = client.patch(&url).body(vec![0; 3_000_000]).send().await;
    assert!(broken.is_err(), "{broken:?}");
    let stands = client.get(&url).send().await.unwrap();
    assert_eq!(head(&stands, "range"), "0-9999");

    registry.fault_add(Fault::on("PUT", "/uploads/", Action::AnswerLost));
    let digest = digest_of(&[0; 10_001]);
    let lost = client
        .put(format!("{url}?digest={digest}"))
        .body(vec![0; 1])
        .send()
        .await;
    assert!(lost.is_err(), "{lost:?}");
    assert_eq!(registry.blob_size("app", &digest), Some(10_001));
    assert_eq!(
        registry.requests().of(Kind::Upload).last().unwrap().status,
        0
    );

    registry.fault_add(Fault::on("GET", "/v2/$", Action::Hang));
    let hung = get(&client, registry.address(), "/v2/");
    assert!(
        tokio::time::timeout(Duration::from_millis(200), hung)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_dropped_registry_is_gone_with_its_connections() {
    let client = client();
    let registry = Registry::start().await;
    let address = registry.address().to_owned();
    assert_eq!(get(&client, &address, "/v2/").await.status(), 200);
    drop(registry);
    let gone = client.get(format!("http://{address}/v2/")).send().await;
    assert!(gone.is_err(), "{gone:?}");
    let builder = Registry::builder().listen(address.parse().unwrap());
    let again = builder.start().await;
    assert_eq!(get(&client, &address, "/v2/").await.status(), 200);
    assert_eq!(again.requests().0.len(), 1);
}

#[tokio::test]
async fn manifests_are_told_of_in_odd_ways() {
    let registry = Registry::start().await;
    let image = Image::artifact(1, "application/json");
    image.store(&registry, "app", Some("1"));
    let (media_type, _) = registry.manifest("app", "1").unwrap();
    let charset = format!("{media_type}; charset=utf-8");
    let other = digest_of(b"other bytes");
    let client = client();
    // Content type and digest header of HEAD.
    for (quirk, kind, digest) in [
        (Quirk::HeadWithoutDigest, &*media_type, ""),
        (Quirk::WrongDigestHeader, &media_type, &other),
        (Quirk::ContentTypeCharset, &charset, image.digest()),
        (Quirk::ContentTypeMissing, "", image.digest()),
        (Quirk::ContentTypeWrong, "text/plain", image.digest()),
    ] {
        registry.quirk_set(quirk, true);
        let answer = ask(
            &client,
            Method::HEAD,
            registry.address(),
            "/v2/app/manifests/1",
        )
        .await;
        assert_eq!(head(&answer, "content-type"), kind, "{quirk:?}");
        assert_eq!(head(&answer, "docker-content-digest"), digest, "{quirk:?}");
        registry.quirk_set(quirk, false);
    }
}

#[tokio::test]
async fn quirks_change_the_response_to_a_stored_manifest() {
    let registry = Registry::start().await;
    let image = Image::artifact(1, "application/json");
    image.store(&registry, "app", Some("1"));
    let referrer = Image::referrer(2, "application/sig", &image.top);
    referrer.store(&registry, "app", None);
    let client = client();
    // Status and subject of the same PUT.
    for (quirk, status, subject) in [
        (Quirk::TagsNull, 201, image.digest()),
        (Quirk::NoOciSubject, 201, ""),
        (Quirk::PutAccepted, 202, image.digest()),
        (Quirk::PutNoContent, 204, image.digest()),
        (Quirk::ImmutableTags, 409, ""),
    ] {
        registry.quirk_set(quirk, true);
        let url = format!("http://{}/v2/app/manifests/sbom", registry.address());
        let answer = client
            .put(url)
            .body(referrer.top.bytes.clone())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{quirk:?}");
        assert_eq!(head(&answer, "oci-subject"), subject, "{quirk:?}");
        registry.quirk_set(quirk, false);
    }

    registry.quirk_set(Quirk::RangeIgnored, true);
    let digest = registry.blob_put("app", "0123456789");
    let url = format!("http://{}/v2/app/blobs/{digest}", registry.address());
    let whole = client
        .get(url)
        .header(header::RANGE, "bytes=5-")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (whole.status().as_u16(), whole.text().await.unwrap().len()),
        (200, 10)
    );
}
