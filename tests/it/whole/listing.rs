//! Parts of listings match the complete listing.

use serde_json::json;

use super::server::Server;
use crate::support::images::{Format, Image};
use crate::support::registry::{Registry, tls};

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_listing_is_that_part_of_the_whole() {
    let source = Registry::start().await;
    for (seed, repository, tag) in [
        (1, "a", "1"),
        (2, "a", "2"),
        (3, "a", "3"),
        (4, "b", "1"),
        (5, "c", "1"),
    ] {
        Image::multi(Format::Oci, seed, 1000).store(&source, repository, Some(tag));
    }
    let server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), "target.example", &["a", "b", "c"])
        .await;
    let body = json!({"label": "app", "srcStore": "from", "destStore": "to"});
    session.post("registrysync/create", body).await.unwrap();
    let selector = r#"{"tags_regex": "[12]"}"#;
    for (method, query) in [
        ("image/store/listImageStores", vec![]),
        ("registrysync/listProjects", vec![]),
        ("image/sync/listProjects", vec![]),
        ("registrysync/listImages", vec![("label", "web")]),
        (
            "registrysync/listRepositories",
            vec![("storeLabel", "from"), ("filter", "")],
        ),
        (
            "image/sync/listImages",
            vec![("storeLabel", "from"), ("filter", "")],
        ),
        (
            "registrysync/listTags",
            vec![("storeLabel", "from"), ("repository", "a"), ("filter", "")],
        ),
        (
            "image/sync/listImageTags",
            vec![("storeLabel", "from"), ("image", "a")],
        ),
        (
            "registrysync/listArchitectures",
            vec![("storeLabel", "from"), ("repository", "a"), ("tag", "1")],
        ),
        (
            "registrysync/previewTags",
            vec![
                ("storeLabel", "from"),
                ("repository", "a"),
                ("selector", selector),
            ],
        ),
    ] {
        let whole = session.get(method, &query).await.unwrap();
        let whole = whole.as_array().unwrap();
        assert!(whole.len() > 1, "{method}: {whole:?}");
        let part = |limit, offset| {
            let query = [query.clone(), vec![("limit", limit), ("offset", offset)]].concat();
            let session = session.clone();
            async move { session.get(method, &query).await }
        };
        assert_eq!(part("1", "1").await, Ok(json!(whole[1..2])), "{method}");
        assert_eq!(part("9", "0").await, Ok(json!(whole)), "{method}");
        assert_eq!(part("0", "0").await, Ok(json!([])), "{method}");
        assert_eq!(part("1", "99").await, Ok(json!([])), "{method}");
        for (limit, offset, field) in [("-1", "0", "`limit`"), ("1", "-1", "`offset`")] {
            let fault = part(limit, offset).await.unwrap_err();
            assert!(
                fault.contains(field) && fault.contains("must not be negative"),
                "{method}: {fault}"
            );
        }
    }
}

/// An untrusted certificate: refused, unless the store is configured otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn a_stores_certificate_is_checked_unless_it_says_otherwise() {
    let registry = Registry::builder().tls().start().await;
    Image::artifact(1, "a/b").store(&registry, "app", Some("1"));
    let server = Server::start(None);
    let session = server.login().await;
    let pem = tls::certificate();
    for (label, credentials, trusted) in [
        ("usual", json!({}), false),
        ("checked", json!({"tls_verify": true}), false),
        ("given", json!({"ca_certificate": pem}), true),
        ("unchecked", json!({"tls_verify": false}), true),
    ] {
        let store = json!({"label": label, "uri": registry.url(), "storeType": "registry",
            "credentials": credentials});
        session.post("image/store/create", store).await.unwrap();
        let query = [("storeLabel", label), ("repository", "app"), ("filter", "")];
        let listed = session.get("registrysync/listTags", &query).await;
        assert_eq!(listed.is_ok(), trusted, "{label}: {listed:?}");
        if let Err(message) = listed {
            assert!(message.contains("certificate"), "{message}");
            assert!(registry.requests().0.is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_tag_is_listed_selected_and_copied() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let longest = "x".repeat(128);
    Image::artifact(1, "a/b").store(&source, "app", Some(&longest));
    let server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    let query = [
        ("storeLabel", "from"),
        ("repository", "app"),
        ("filter", ""),
    ];
    let listed = session.get("registrysync/listTags", &query).await;
    assert_eq!(listed, Ok(json!([longest])));
    let run = session.run_ended(session.run().await).await;
    assert_eq!(run["counts"]["copied"], 1, "{run}");
    assert!(target.tags("app").contains_key(&longest));
}
