//! Failing transfers: nothing wrong ever arrives, and whatever can continue does.

use registrysync::oci::{Client, Digest, Reference};
use registrysync::sync::{Action, Status, SyncSpec};
use serde_json::json;

use super::{client, everything, item, lacking, literal, options, repository, run, spec, tags_at};
use crate::support::docker_registry::AnyRegistry;
use crate::support::images::{AMD64, Blob, Format, Image, OCI_MANIFEST};
use crate::support::registry::Registry;
use crate::support::registry::content::digest_of;
use crate::support::registry::faults::{Action as Misbehave, Fault, Quirk};
use crate::support::registry::log::Kind;

const SIZE: u64 = 400_000;

/// A source with one good tag and one whose layer has `SIZE` bytes; returns the layer's digest.
async fn source(fault: Misbehave) -> (Registry, String) {
    let registry = Registry::start().await;
    let layer = Blob::layer(1, SIZE);
    Image::single(Format::Oci, AMD64, std::slice::from_ref(&layer)).store(
        &registry,
        "app",
        Some("bad"),
    );
    Image::artifact(2, "a/b").store(&registry, "app", Some("good"));
    registry.fault_add(Fault::on("GET", &layer.digest, fault));
    (registry, layer.digest)
}

#[tokio::test]
async fn a_wrong_blob_never_arrives() {
    for (fault, words) in [
        (Misbehave::Corrupted { at: 200_000 }, "got sha256:"),
        (Misbehave::Corrupted { at: SIZE - 1 }, "got sha256:"),
        (Misbehave::TooLong { by: 5 }, "more than 400000 bytes"),
        (
            Misbehave::Truncated { to: 100_000 },
            "100000 of 400000 bytes",
        ),
    ] {
        let (source, layer) = source(fault.clone()).await;
        for target in AnyRegistry::each().await {
            let from = client(source.address());
            let to = client(target.address());
            let ran = run(&to, spec(vec![item(&from, "app", &everything())])).await;
            let error = ran.error("bad");
            for part in [layer.as_str(), source.address(), words] {
                assert!(error.contains(part), "{fault:?}: {error}");
            }
            assert_eq!(ran.of("good").status, Status::Done);
            let tags = tags_at(target.address(), "app").await;
            assert_eq!(tags.into_keys().collect::<Vec<_>>(), ["good"]);
            let path = super::repository("app");
            let digest = registrysync::oci::Digest::parse(&layer).unwrap();
            let there = to.blob_exists(&path, &digest).await;
            assert!(!there.unwrap(), "{fault:?}");
            if let AnyRegistry::InProcess(target) = &target {
                assert_eq!(target.broken_references(), Vec::<String>::new());
                assert_eq!(target.uploads_open(), 0, "{fault:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_download_that_breaks_off_goes_on_where_it_was() {
    for ignored in [false, true] {
        let (source, layer) = source(Misbehave::Cut { after: 150_000 }).await;
        source.faults_clear();
        let cut = Misbehave::Cut { after: 150_000 };
        source.fault_add(Fault::on("GET", &layer, cut).times(1));
        source.quirk_set(Quirk::RangeIgnored, ignored);
        let target = Registry::start().await;
        let from = client(source.address());
        let ran = run(
            &client(target.address()),
            spec(vec![item(&from, "app", &literal(&["bad"]))]),
        )
        .await;
        ran.all_done(Action::Copy, 1);
        assert_eq!(target.tags("app")["bad"], source.tags("app")["bad"]);
        let requests = source.requests();
        let gets = requests.of(Kind::Blob).into_iter();
        let statuses: Vec<u16> = gets
            .filter(|r| r.path.ends_with(&layer))
            .map(|r| r.status)
            .collect();
        assert_eq!(statuses, [200, if ignored { 200 } else { 206 }]);
        // Bytes sent for the tag are counted once.
        assert_eq!(target.blob_size("app", &layer), Some(SIZE));
        let puts = target.requests();
        let puts = puts
            .0
            .iter()
            .filter(|r| r.method == "PUT" && r.kind() == Kind::Upload);
        assert_eq!(puts.count(), 2, "configuration and layer, no second try");
    }
}

/// The end of a blob is known from its size; what the connection does afterwards doesn't matter.
#[tokio::test]
async fn a_connection_that_stalls_after_the_last_byte_is_no_failure() {
    let (source, layer) = source(Misbehave::TooLong { by: 0 }).await;
    source.faults_clear();
    source.fault_add(Fault::on("GET", &layer, Misbehave::Stall { after: SIZE }));
    let target = Registry::start().await;
    let mut options = options(source.address());
    options.idle_timeout = std::time::Duration::from_millis(300);
    let from = Client::new(options).unwrap();
    let wanted = spec(vec![item(&from, "app", &literal(&["bad"]))]);
    let ran = run(&client(target.address()), wanted).await;
    ran.all_done(Action::Copy, 1);
}

/// All transfers are interrupted at once while more blobs wait for a connection.
#[tokio::test]
async fn a_source_that_drops_all_connections_doesnt_lock_up_the_run() {
    let source = Registry::start().await;
    let layers: Vec<Blob> = (1..=10).map(|seed| Blob::layer(seed, SIZE)).collect();
    Image::single(Format::Oci, AMD64, &layers).store(&source, "app", Some("1"));
    let target = Registry::start().await;
    source.fault_add(Fault::on("GET", "/blobs/", Misbehave::Cut { after: 100_000 }).times(8));
    let few = |address: &str| {
        let mut options = options(address);
        options.max_connections = 2;
        Client::new(options).unwrap()
    };
    let from = few(source.address());
    let wanted = spec(vec![item(&from, "app", &everything())]);
    run(&few(target.address()), wanted)
        .await
        .all_done(Action::Copy, 1);
    assert_eq!(target.broken_references(), Vec::<String>::new());
}

#[tokio::test]
async fn a_target_that_breaks_off_gets_the_blob_again() {
    for fault in [
        Fault::on("PUT", "/uploads/", Misbehave::Cut { after: 50_000 }).times(1),
        Fault::on("PUT", "/uploads/", Misbehave::AnswerLost).times(1),
        Fault::on("PUT", "/manifests/", Misbehave::AnswerLost).times(1),
        Fault::status("PUT", "/uploads/", 503).times(2),
        Fault::status("PUT", "/manifests/", 502).times(2),
        Fault::status("POST", "/uploads/", 500).times(2),
    ] {
        let name = format!("{fault:?}");
        let source = Registry::start().await;
        Image::multi(Format::Oci, 1, 300_000).store(&source, "app", Some("1"));
        let target = Registry::builder().fault(fault).start().await;
        let from = client(source.address());
        let ran = run(
            &client(target.address()),
            spec(vec![item(&from, "app", &everything())]),
        )
        .await;
        assert_eq!(ran.of("1").status, Status::Done, "{name}: {ran:?}");
        assert_eq!(target.tags("app"), source.tags("app"), "{name}");
        assert_eq!(target.broken_references(), Vec::<String>::new(), "{name}");
    }
}

/// That the tag is there proves nothing while it is repaired.
#[tokio::test]
async fn a_repair_without_a_clear_answer_has_failed() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    for registry in [&source, &target] {
        Image::artifact(1, "a/b").store(registry, "app", Some("3"));
    }
    target.fault_add(Fault::status("PUT", "/manifests/3$", 500));
    let mut hasty = options(target.address());
    hasty.first_delay = std::time::Duration::from_millis(1);
    let from = client(source.address());
    let wanted = SyncSpec {
        lost: [("app".to_owned(), "3".to_owned())].into(),
        ..spec(vec![item(&from, "app", &everything())])
    };
    let ran = run(&Client::new(hasty).unwrap(), wanted).await;
    let outcome = ran.of("3");
    assert_eq!(
        (outcome.action, outcome.status),
        (Action::Update, Status::Failed),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_mount_that_is_refused_becomes_an_upload() {
    let quirk = |quirk| Registry::builder().quirk(quirk);
    let fault = |status| Registry::builder().fault(Fault::status("POST", "mount=", status));
    for target in [
        quirk(Quirk::MountIgnored),
        fault(401),
        fault(403),
        fault(404),
        fault(405),
    ] {
        let target = target.start().await;
        let source = Registry::start().await;
        let image = Image::artifact(1, "a/b");
        let from = client(source.address());
        let items = ["one", "two"].map(|path| {
            image.store(&source, path, Some("1"));
            item(&from, path, &everything())
        });
        let ran = run(&client(target.address()), spec(items.into())).await;
        ran.all_done(Action::Copy, 2);
        let moved = ran.end.totals.moved;
        assert_eq!((moved.blobs_copied, moved.blobs_mounted), (4, 0));
        assert_eq!(target.broken_references(), Vec::<String>::new());
        assert_eq!(target.uploads_open(), 0);
    }
}

/// If mounts aren't supported, a blob that the second repository already has isn't sent again.
#[tokio::test]
async fn a_refused_mount_of_a_blob_that_is_there_sends_nothing() {
    let mount_refused = Fault::status("POST", "mount=", 405);
    for target in [
        Registry::builder().quirk(Quirk::MountIgnored),
        Registry::builder().fault(mount_refused),
    ] {
        let (source, target) = (Registry::start().await, target.start().await);
        let layer = Blob::layer(1, SIZE);
        let old = Image::single(Format::Oci, AMD64, &[layer.clone(), Blob::layer(2, 100)]);
        old.store(&target, "two", Some("old"));
        let image = Image::single(Format::Oci, AMD64, std::slice::from_ref(&layer));
        let from = client(source.address());
        for path in ["one", "two"] {
            image.store(&source, path, Some("1"));
        }
        let mut wanted = spec(vec![
            item(&from, "one", &everything()),
            item(&from, "two", &everything()),
        ]);
        wanted.max_parallel = 1;
        let ran = run(&client(target.address()), wanted).await;
        ran.all_done(Action::Copy, 2);
        // The layer and the configuration for the first repository, the configuration for the second.
        assert_eq!(ran.end.totals.moved.blobs_copied, 3);
        assert_eq!(target.uploads_open(), 0);
    }
}

/// A signed schema 1 manifest: its digest is that of the text without the signatures.
#[tokio::test]
async fn schema_1_is_unsupported_not_corrupt_and_moves_no_blob() {
    let source = Registry::start().await;
    let signed = json!({
        "schemaVersion": 1, "name": "app", "tag": "old", "architecture": "amd64",
        "fsLayers": [{ "blobSum": digest_of(b"layer") }], "history": [], "signatures": [{}],
    });
    let kind = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let digest = digest_of(b"without the signatures");
    for method in ["HEAD", "GET"] {
        let answer = Misbehave::Answer {
            status: 200,
            headers: vec![
                ("content-type", kind.to_owned()),
                ("docker-content-digest", digest.clone()),
            ],
            body: signed.to_string(),
        };
        source.fault_add(Fault::on(method, "/manifests/", answer));
    }
    let target = Registry::start().await;
    let from = client(source.address());
    let wanted = || spec(vec![item(&from, "app", &literal(&["old"]))]);
    let ran = run(&client(target.address()), wanted()).await;
    let error = ran.error("old");
    assert!(
        error.contains("unsupported") && error.contains("schema 1"),
        "{error}"
    );
    let writes = target.requests();
    assert!(
        writes
            .0
            .iter()
            .all(|r| matches!(r.method.as_str(), "GET" | "HEAD"))
    );
    assert!(source.requests().of(Kind::Blob).is_empty());
    let engine = registrysync::sync::Engine::new(client(target.address()), wanted());
    let plan = engine.plan().await;
    assert_eq!((plan.copy, plan.failed), (0, 1), "{plan:?}");
}

#[tokio::test]
async fn foreign_layers_are_not_asked_for() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let config = source.blob_put("app", "{}");
    let layer = source.blob_put("app", "a layer");
    let foreign = digest_of(b"elsewhere");
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2 },
        "layers": [
            { "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "digest": foreign,
              "size": 1000, "urls": ["http://127.0.0.1:1/layer"] },
            { "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": 7 },
        ],
    });
    source.manifest_put("app", Some("1"), OCI_MANIFEST, manifest.to_string());
    let from = client(source.address());
    let ran = run(
        &client(target.address()),
        spec(vec![item(&from, "app", &everything())]),
    )
    .await;
    ran.all_done(Action::Copy, 1);
    assert_eq!(target.tags("app"), source.tags("app"));
    for requests in [source.requests(), target.requests()] {
        let asked = requests.0.iter().find(|r| r.path.contains(&foreign));
        assert!(asked.is_none(), "{asked:?}");
    }
}

/// A manifest that states more than there is: requesting the rest is answered with 416.
#[tokio::test]
async fn a_blob_shorter_than_its_manifest_says_is_named() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let config = source.blob_put("app", "{}");
    let layer = source.blob_put("app", "a layer");
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2 },
        "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": 100 }],
    });
    source.manifest_put("app", Some("1"), OCI_MANIFEST, manifest.to_string());
    let from = client(source.address());
    let ran = run(
        &client(target.address()),
        spec(vec![item(&from, "app", &everything())]),
    )
    .await;
    let error = ran.error("1");
    for part in [layer.as_str(), "got only 7 bytes"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(target.tags("app").is_empty());
}

/// A layer that was listed but is gone: at most two requests, however many tags need it.
#[tokio::test]
async fn a_blob_that_is_gone_fails_its_tags_only() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let gone = Blob::layer(1, 1000);
    for number in 0..6 {
        let layers = [gone.clone(), Blob::layer(10 + number, 1000)];
        let image = Image::single(Format::Oci, AMD64, &layers);
        image.store(&source, "app", Some(&format!("bad{number}")));
    }
    Image::artifact(2, "a/b").store(&source, "app", Some("good"));
    source.blob_remove("app", &gone.digest);
    let from = client(source.address());
    let ran = run(
        &client(target.address()),
        spec(vec![item(&from, "app", &everything())]),
    )
    .await;
    let totals = &ran.end.totals;
    assert_eq!((totals.copied, totals.failed), (1, 6));
    let error = ran.error("bad3");
    assert!(
        error.contains(&gone.digest) && error.contains("404"),
        "{error}"
    );
    let requests = source.requests();
    let asked = requests.0.iter().filter(|r| r.path.ends_with(&gone.digest));
    assert!(asked.count() <= 2);
    assert_eq!(lacking(target.address(), "app").await, Vec::<String>::new());
}

/// A registry that continues at another position than requested.
#[tokio::test]
async fn a_part_that_was_not_asked_for_is_not_taken() {
    let (source, layer) = source(Misbehave::Cut { after: 150_000 }).await;
    source.faults_clear();
    let cut = Misbehave::Cut { after: 150_000 };
    source.fault_add(Fault::on("GET", &layer, cut).times(1));
    let part = Misbehave::Answer {
        status: 206,
        headers: vec![("content-range", format!("bytes 0-{}/{SIZE}", SIZE - 1))],
        body: "x".repeat(250_000),
    };
    source.fault_add(Fault::on("GET", &layer, part));
    let target = Registry::start().await;
    let from = client(source.address());
    let wanted = spec(vec![item(&from, "app", &literal(&["bad"]))]);
    let ran = run(&client(target.address()), wanted).await;
    let error = ran.error("bad");
    assert!(error.contains("not the requested range"), "{error}");
    assert_eq!(target.blob_size("app", &layer), None);
}

/// The content of a requested digest is what counts, whatever digest the registry states.
#[tokio::test]
async fn another_manifest_than_the_one_asked_for_by_digest_is_not_taken() {
    let registry = Registry::start().await;
    let [asked, other] = [1, 50].map(|seed| Image::multi(Format::Oci, seed, 1000));
    let answer = Misbehave::Answer {
        status: 200,
        headers: vec![
            ("docker-content-digest", other.digest().to_owned()),
            ("content-type", other.top.media_type.clone()),
        ],
        body: String::from_utf8(other.top.bytes.to_vec()).unwrap(),
    };
    registry.fault_add(Fault::on("GET", asked.digest(), answer));
    let reference = Reference::Digest(Digest::parse(asked.digest()).unwrap());
    let (from, path) = (client(registry.address()), repository("app"));
    let got = from.manifest_get(&path, &reference).await;
    let error = got.unwrap_err().to_string();
    for digest in [asked.digest(), other.digest()] {
        assert!(error.contains(digest), "{error}");
    }
}
