//! Pages, links, referrers.

use reqwest::Client;
use serde_json::json;

use super::{get, head, json};
use crate::support::{
    images::{Image, client},
    registry::{LinkStyle, Registry, faults::Quirk, log::Kind},
};

/// Follows the links of a listing; returns the names under `key`.
async fn pages(client: &Client, address: &str, start: &str, key: &str) -> Vec<String> {
    let mut path = start.to_owned();
    let mut names = Vec::new();
    loop {
        let response = get(client, address, &path).await;
        assert_eq!(response.status(), 200, "{path}");
        let link = head(&response, "link").to_owned();
        let json = json(response).await;
        let page = json[key].as_array().unwrap();
        names.extend(page.iter().map(|name| name.as_str().unwrap().to_owned()));
        match link.strip_prefix('<').and_then(|link| link.split_once('>')) {
            None => return names,
            Some((next, _)) => path = next.replace(&format!("http://{address}"), ""),
        }
    }
}

#[tokio::test]
async fn listings_come_in_pages() {
    let names: Vec<String> = (0..7).map(|number| format!("t{number}")).collect();
    for style in [LinkStyle::Relative, LinkStyle::Absolute, LinkStyle::Opaque] {
        let registry = Registry::builder()
            .page_size(3)
            .link(style.clone())
            .start()
            .await;
        let image = Image::artifact(1, "application/json");
        for name in &names {
            image.store(&registry, "app", Some(name));
            image.store(&registry, name, None);
        }
        let (client, address) = (client(), registry.address());
        let tags = pages(&client, address, "/v2/app/tags/list?n=2", "tags").await;
        assert_eq!(tags, names, "{style:?}");
        let repositories = pages(&client, address, "/v2/_catalog", "repositories").await;
        assert_eq!(repositories[1..], names, "{style:?}");
        assert_eq!(registry.requests().count("GET", Kind::Catalog), 3);
        if matches!(style, LinkStyle::Opaque) {
            let query = registry.requests().of(Kind::Catalog)[1].query.clone();
            let decoded = format!("/v2/_catalog?{}", query.replace("%2B", "+"));
            assert_eq!(get(&client, address, &decoded).await.status(), 400);
        }
    }
}

#[tokio::test]
async fn listings_misbehave_when_asked_to() {
    let client = client();
    for (style, link) in [
        (
            LinkStyle::Looping,
            "</v2/app/tags/list?n=100>; rel=\"next\"",
        ),
        (LinkStyle::OtherHost("example.test".to_owned()), ""),
    ] {
        let registry = Registry::builder().link(style).start().await;
        Image::artifact(1, "application/json").store(&registry, "app", Some("1"));
        let answer = get(&client, registry.address(), "/v2/app/tags/list").await;
        assert_eq!(head(&answer, "link"), link);
        Image::artifact(1, "application/json").store(&registry, "app", Some("2"));
        let answer = get(&client, registry.address(), "/v2/app/tags/list?n=1").await;
        assert_eq!(
            head(&answer, "link").contains("//example.test/v2/"),
            link.is_empty()
        );
        let none = get(&client, registry.address(), "/v2/none/tags/list").await;
        assert_eq!(none.status(), 404);
        registry.quirk_set(Quirk::TagsMissing, true);
        let none = json(get(&client, registry.address(), "/v2/none/tags/list").await).await;
        assert_eq!(none, json!({ "name": "none" }));
        registry.quirk_set(Quirk::TagsNull, true);
        let none = json(get(&client, registry.address(), "/v2/none/tags/list").await).await;
        assert_eq!(none, json!({ "name": "none", "tags": null }));
    }
}

#[tokio::test]
async fn referrers_are_listed_by_subject_and_type() {
    let registry = Registry::start().await;
    let image = Image::artifact(1, "application/json");
    image.store(&registry, "app", Some("1"));
    let sbom = Image::referrer(2, "application/spdx+json", &image.top);
    sbom.push(registry.address(), "app", None).await;
    Image::referrer(3, "application/sig", &image.top).store(&registry, "app", None);
    let client = client();
    for (query, count) in [("", 2), ("?artifactType=application/spdx%2Bjson", 1)] {
        let path = format!("/v2/app/referrers/{}{query}", image.digest());
        let answer = get(&client, registry.address(), &path).await;
        assert_eq!(
            head(&answer, "oci-filters-applied").is_empty(),
            query.is_empty()
        );
        let answer = json(answer).await;
        let manifests = answer["manifests"].as_array().unwrap();
        assert_eq!(manifests.len(), count);
        let digest = sbom.digest();
        assert!(manifests.iter().any(|m| m["digest"] == digest));
    }
}
