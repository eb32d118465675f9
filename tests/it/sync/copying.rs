//! Every kind of image, between every two kinds of registry.

use std::collections::{BTreeMap, HashMap};

use registrysync::sync::{Action, Moved, Status, SyncItem};

use super::{
    client, everything, item, lacking, literal, options, regex, repository, run, spec, tags_at,
};
use crate::support::docker_registry::AnyRegistry;
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::Quirk;
use crate::support::registry::log::{Kind, Requests};

/// One tag of each kind; returns the number of tags.
async fn seeded(address: &str, path: &str) -> usize {
    let inner = Image::multi(Format::Oci, 10, 200_000);
    let images = [
        ("multi", inner.clone()),
        ("docker-multi", Image::multi(Format::Docker, 20, 1000)),
        ("attested", Image::attested(30, 1000)),
        (
            "chart",
            Image::artifact(40, "application/vnd.cncf.helm.config.v1+json"),
        ),
        (
            "docker-single",
            Image::single(Format::Docker, AMD64, &[Blob::layer(50, 70_000)]),
        ),
        (
            "nothing-in-it",
            Image::single(Format::Oci, AMD64, &[Blob::layer(60, 0)]),
        ),
        ("nested", Image::index(Format::Oci, &[(AMD64, inner)])),
    ];
    for (tag, image) in &images {
        image.push(address, path, Some(tag)).await;
    }
    images.len()
}

/// How often each blob was fetched.
fn blob_gets(requests: &Requests) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in requests.of(Kind::Blob) {
        if request.method == "GET" {
            *counts.entry(request.path.clone()).or_default() += 1;
        }
    }
    counts
}

/// Only tag lists and HEADs of manifests, and exactly this many of these.
fn looks_only(requests: &Requests, heads: usize) {
    let other = requests.0.iter().find(|r| {
        !matches!(
            (r.method.as_str(), r.kind()),
            ("GET", Kind::TagList) | ("HEAD", Kind::Manifest)
        )
    });
    assert!(other.is_none(), "{other:?}");
    assert_eq!(requests.count("HEAD", Kind::Manifest), heads);
}

#[tokio::test]
async fn every_kind_of_image_arrives_unchanged_and_only_once() {
    for source in AnyRegistry::each().await {
        let count = seeded(source.address(), "team/app").await;
        let tags = tags_at(source.address(), "team/app").await;
        assert_eq!(tags.len(), count);
        for target in AnyRegistry::each().await {
            let (from, to) = (client(source.address()), client(target.address()));
            let wanted = || spec(vec![item(&from, "team/app", &everything())]);
            source.requests_clear();
            let first = run(&to, wanted()).await;
            first.all_done(Action::Copy, count);
            let fetched = blob_gets(&source.requests().await);
            assert!(fetched.values().all(|n| *n == 1), "{fetched:?}");
            assert_eq!(first.end.totals.moved.blobs_copied, fetched.len() as u64);
            assert_eq!(tags_at(target.address(), "team/app").await, tags);
            assert_eq!(
                lacking(target.address(), "team/app").await,
                Vec::<String>::new()
            );

            source.requests_clear();
            target.requests_clear();
            let second = run(&to, wanted()).await;
            second.all_done(Action::Skip, count);
            assert_eq!(second.end.totals.moved, Moved::default());
            looks_only(&source.requests().await, count);
            looks_only(&target.requests().await, count);
        }
    }
}

#[tokio::test]
async fn blobs_of_two_repositories_are_fetched_once_and_mounted() {
    let layers: Vec<Blob> = (1..=4).map(|seed| Blob::layer(seed, 50_000)).collect();
    let image = Image::single(Format::Oci, AMD64, &layers);
    for (source, target) in std::iter::zip(AnyRegistry::each().await, AnyRegistry::each().await) {
        for path in ["one/app", "two/app"] {
            image.push(source.address(), path, Some("1")).await;
            image.push(source.address(), path, Some("2")).await;
        }
        source.requests_clear();
        let from = client(source.address());
        let items = ["one/app", "two/app"].map(|path| item(&from, path, &everything()));
        let ran = run(&client(target.address()), spec(items.into())).await;
        ran.all_done(Action::Copy, 4);
        let moved = ran.end.totals.moved;
        assert_eq!((moved.blobs_copied, moved.blobs_mounted), (5, 5));
        let requests = source.requests().await;
        assert_eq!(requests.count("GET", Kind::Blob), 5);
        for path in ["one/app", "two/app"] {
            assert_eq!(tags_at(target.address(), path).await.len(), 2);
            assert_eq!(lacking(target.address(), path).await, Vec::<String>::new());
        }
    }
}

/// From one repository to another of the same registry, blobs are mounted: none is read or sent.
#[tokio::test]
async fn within_one_registry_every_blob_is_mounted() {
    let image = Image::single(Format::Oci, AMD64, &[Blob::layer(1, 50_000)]);
    for registry in AnyRegistry::each().await {
        image.push(registry.address(), "one/app", Some("1")).await;
        registry.requests_clear();
        let both = client(registry.address());
        let copy = SyncItem {
            target_repository: Some(repository("two/app")),
            ..item(&both, "one/app", &everything())
        };
        let ran = run(&both, spec(vec![copy])).await;
        ran.all_done(Action::Copy, 1);
        let moved = ran.end.totals.moved;
        assert_eq!((moved.blobs_copied, moved.blobs_mounted), (0, 2));
        let requests = registry.requests().await;
        assert_eq!(requests.count("GET", Kind::Blob), 0);
        assert_eq!(
            lacking(registry.address(), "two/app").await,
            Vec::<String>::new()
        );
    }
}

#[tokio::test]
async fn an_update_names_the_old_digest_and_a_missing_tag_stops_nothing() {
    let (old, new) = (Image::artifact(1, "a/b"), Image::artifact(2, "a/b"));
    for (source, target) in std::iter::zip(AnyRegistry::each().await, AnyRegistry::each().await) {
        old.push(target.address(), "app", Some("1.0")).await;
        new.push(source.address(), "app", Some("1.0")).await;
        new.push(source.address(), "app", Some("2.0")).await;
        let from = client(source.address());
        let wanted = spec(vec![item(&from, "app", &literal(&["1.0", "gone", "2.0"]))]);
        let ran = run(&client(target.address()), wanted).await;
        let updated = ran.of("1.0");
        assert_eq!(
            (updated.status, updated.action),
            (Status::Done, Action::Update)
        );
        let digest =
            |found: &Option<registrysync::oci::Digest>| found.as_ref().unwrap().to_string();
        assert_eq!(digest(&updated.previous_digest), old.digest());
        assert_eq!(digest(&updated.target_digest), new.digest());
        assert_eq!(ran.of("2.0").action, Action::Copy);
        let error = ran.error("gone");
        assert!(
            error.contains("not found") && error.contains("app:gone"),
            "{error}"
        );
        let totals = &ran.end.totals;
        assert_eq!((totals.updated, totals.copied, totals.failed), (1, 1, 1));
    }
}

/// The right digest with a wrong length: trusting the index would read too little or wait for more.
#[tokio::test]
async fn an_index_that_is_wrong_about_a_length_is_named_and_not_copied() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    for format in [Format::Oci, Format::Docker] {
        Image::index_mistaken(format, 1).store(&source, "app", Some("wrong"));
        let (from, to) = (client(source.address()), client(target.address()));
        let ran = run(&to, spec(vec![item(&from, "app", &literal(&["wrong"]))])).await;
        let error = ran.error("wrong");
        assert!(error.contains("bytes, but its index states"), "{error}");
        assert!(target.tags("app").is_empty());
    }
}

#[tokio::test]
async fn a_digest_is_copied_without_a_tag() {
    let image = Image::multi(Format::Oci, 3, 1000);
    for (source, target) in std::iter::zip(AnyRegistry::each().await, AnyRegistry::each().await) {
        image.push(source.address(), "app", Some("1")).await;
        let wanted = literal(&[image.digest()]);
        let from = client(source.address());
        let to = client(target.address());
        let first = run(&to, spec(vec![item(&from, "app", &wanted)])).await;
        first.all_done(Action::Copy, 1);
        let found = super::digest_at(target.address(), "app", image.digest()).await;
        assert_eq!(found.as_deref(), Some(image.digest()));
        assert!(tags_at(target.address(), "app").await.is_empty());
        let second = run(&to, spec(vec![item(&from, "app", &wanted)])).await;
        second.all_done(Action::Skip, 1);
    }
}

/// HEAD named an image that is gone when it is fetched: the tag was moved, and is copied as it is
/// now.
#[tokio::test]
async fn a_tag_that_moves_in_between_is_copied_as_it_is_now() {
    use crate::support::registry::faults::{Action as Misbehave, Fault};
    let (source, target) = (Registry::start().await, Registry::start().await);
    let (old, new) = (Image::artifact(1, "a/b"), Image::artifact(2, "a/b"));
    new.store(&source, "app", Some("1"));
    let before = Misbehave::Answer {
        status: 200,
        headers: vec![("docker-content-digest", old.digest().to_owned())],
        body: String::new(),
    };
    source.fault_add(Fault::on("HEAD", "/manifests/1", before).times(1));
    let from = client(source.address());
    let wanted = spec(vec![item(&from, "app", &everything())]);
    let ran = run(&client(target.address()), wanted).await;
    ran.all_done(Action::Copy, 1);
    let outcome = ran.of("1");
    assert_eq!(
        outcome.source_digest.as_ref().unwrap().as_str(),
        new.digest()
    );
    assert_eq!(outcome.target_digest, outcome.source_digest);
    assert_eq!(target.tags("app"), source.tags("app"));
}

/// More blobs at once than connections, all of them through one client.
#[tokio::test]
async fn a_registry_is_copied_into_itself() {
    let registry = Registry::builder().quirk(Quirk::MountIgnored).start().await;
    let layers: Vec<Blob> = (1..=12).map(|seed| Blob::layer(seed, 30_000)).collect();
    let image = Image::single(Format::Oci, AMD64, &layers);
    image.store(&registry, "old/app", Some("1"));
    let mut options = options(registry.address());
    options.max_connections = 2;
    let own = registrysync::oci::Client::new(options).unwrap();
    let mut moved = item(&own, "old/app", &everything());
    moved.target_repository = Some(super::repository("new/app"));
    run(&own, spec(vec![moved])).await.all_done(Action::Copy, 1);
    assert_eq!(registry.tags("new/app"), registry.tags("old/app"));
    assert_eq!(registry.broken_references(), Vec::<String>::new());
}

#[tokio::test]
async fn many_tags_of_many_repositories_arrive() {
    let source = Registry::start().await;
    let target = Registry::start().await;
    let from = client(source.address());
    let mut wanted = HashMap::new();
    for repository in 0..8u64 {
        let path = format!("team{repository}/app");
        for tag in 0..30u64 {
            let image = Image::artifact(tag % 7 + repository, "a/b");
            image.store(&source, &path, Some(&format!("v{tag}")));
            image.store(&source, &path, Some(&format!("x{tag}")));
        }
        wanted.insert(path.clone(), item(&from, &path, &regex("^v")));
    }
    let paths: Vec<String> = wanted.keys().cloned().collect();
    let ran = run(
        &client(target.address()),
        spec(wanted.into_values().collect()),
    )
    .await;
    ran.all_done(Action::Copy, 240);
    for path in paths {
        let mut tags = source.tags(&path);
        tags.retain(|tag, _| tag.starts_with('v'));
        assert_eq!(target.tags(&path), tags);
    }
    assert_eq!(target.broken_references(), Vec::<String>::new());
    let fetched = blob_gets(&source.requests());
    let digests: Vec<&str> = fetched
        .keys()
        .filter_map(|p| p.rsplit('/').next())
        .collect();
    let distinct: std::collections::HashSet<_> = digests.iter().collect();
    assert_eq!(distinct.len(), digests.len(), "fetched once, then mounted");
}
