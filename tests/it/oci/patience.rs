//! Registries that are busy, slow or silent: retries if useful, and timeouts by silence; by total time
//! only for manifests and configurations.

use std::time::{Duration, Instant};

use registrysync::oci::{Client, Reference};
use registrysync::sync::Action;
use serde_json::json;

use crate::support::images::{AMD64, Blob, Format, Image, OCI_MANIFEST};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action as Misbehave, Fault};
use crate::support::registry::log::Kind;
use crate::sync::spec;
use crate::sync::{client, everything, item, options, repository, run};

fn busy(retry_after: Option<&str>) -> Misbehave {
    let header = retry_after.map(|value| ("retry-after", value.to_owned()));
    Misbehave::Answer {
        status: 429,
        headers: header.into_iter().collect(),
        body: r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#.into(),
    }
}

#[tokio::test]
async fn a_busy_registry_is_asked_again_after_the_pause_it_wants() {
    for (wanted, least) in [
        (Some("1"), Duration::from_secs(1)),
        (Some("Wed, 21 Oct 2015 07:28:00 GMT"), Duration::ZERO),
        (None, Duration::from_secs(1)),
    ] {
        let source = Registry::start().await;
        let target = Registry::start().await;
        Image::multi(Format::Oci, 1, 1000).store(&source, "app", Some("1"));
        source.fault_add(Fault::on("GET", "/tags/list", busy(wanted)).times(1));
        target.fault_add(Fault::on("PUT", "/manifests/", busy(wanted)).times(1));
        let start = Instant::now();
        let from = client(source.address());
        let ran = run(
            &client(target.address()),
            spec(vec![item(&from, "app", &everything())]),
        )
        .await;
        ran.all_done(Action::Copy, 1);
        assert!(start.elapsed() >= least, "{wanted:?}");
    }
}

/// The tag fails with the requested delay, the host's other tags aren't tried, and other hosts
/// continue.
#[tokio::test]
async fn a_pause_beyond_our_patience_is_reported() {
    let (source, other) = (Registry::start().await, Registry::start().await);
    for number in 0..10 {
        let image = Image::artifact(number, "a/b");
        image.store(&source, "app", Some(&format!("v{number}")));
        image.store(&other, "other", Some(&format!("o{number}")));
    }
    source.fault_add(Fault::on("HEAD", "/manifests/", busy(Some("3600"))));
    let target = Registry::start().await;
    let mut wanted = spec(vec![
        item(&client(source.address()), "app", &everything()),
        item(&client(other.address()), "other", &everything()),
    ]);
    wanted.max_parallel = 1;
    let ran = run(&client(target.address()), wanted).await;
    let error = ran.error("v7");
    for part in ["429", "retry after 3600 s", source.address()] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(source.requests().count("HEAD", Kind::Manifest), 1);
    assert_eq!((ran.end.totals.copied, ran.end.totals.failed), (10, 10));
}

#[tokio::test]
async fn bursts_of_server_errors_are_survived_and_refusals_are_not_repeated() {
    for status in [500, 502, 503, 504, 408] {
        let registry = Registry::start().await;
        Image::artifact(1, "a/b").store(&registry, "app", Some("1"));
        registry.fault_add(Fault::status("GET", "/tags/list", status).times(2));
        let tags = client(registry.address())
            .tag_list(&repository("app"))
            .await;
        assert_eq!(tags.unwrap(), ["1"], "{status}");
    }
    for status in [400, 403, 404, 405] {
        let registry = Registry::start().await;
        registry.fault_add(Fault::status("GET", "/tags/list", status));
        let failed = client(registry.address())
            .tag_list(&repository("app"))
            .await;
        assert_eq!(failed.unwrap_err().status(), Some(status));
        assert_eq!(registry.requests().0.len(), 1, "{status}");
    }
}

fn impatient(address: &str, idle: Duration) -> Client {
    let mut options = options(address);
    options.idle_timeout = idle;
    Client::new(options).unwrap()
}

#[tokio::test]
async fn silence_is_given_up_and_named() {
    let idle = Duration::from_millis(200);
    for fault in [Misbehave::Hang, Misbehave::Stall { after: 3 }] {
        let registry = Registry::start().await;
        Image::artifact(1, "a/b").store(&registry, "app", Some("1"));
        registry.fault_add(Fault::on("GET", "/tags/list", fault.clone()));
        let client = impatient(registry.address(), idle);
        let failed = client.tag_list(&repository("app")).await;
        let text = failed.unwrap_err().to_string();
        for part in ["no data for 0.2 s", registry.address(), "tags of `app`"] {
            assert!(text.contains(part), "{fault:?}: {text}");
        }
    }
}

/// Slow in total, but never silent for long.
#[tokio::test]
async fn a_slow_blob_is_waited_for() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let layer = Blob::layer(1, 100_000);
    Image::single(Format::Oci, AMD64, std::slice::from_ref(&layer)).store(
        &source,
        "app",
        Some("1"),
    );
    let pause = Duration::from_millis(100);
    let slow = Misbehave::Slow { bytes: 8000, pause };
    source.fault_add(Fault::on("GET", &layer.digest, slow));
    let idle = Duration::from_millis(800);
    let from = impatient(source.address(), idle);
    let to = impatient(target.address(), idle);
    let ran = run(&to, spec(vec![item(&from, "app", &everything())])).await;
    ran.all_done(Action::Copy, 1);
    let gets = source.requests();
    let gets = gets.0.iter().filter(|r| r.path.ends_with(&layer.digest));
    assert_eq!(gets.count(), 1);
}

/// A byte at a time, faster than the idle timeout.
fn dripping() -> Misbehave {
    let pause = Duration::from_millis(100);
    Misbehave::Slow { bytes: 1, pause }
}

/// Never silent for long, but it would take minutes.
#[tokio::test]
async fn a_manifest_or_configuration_that_drips_is_given_up() {
    let image = Image::dated(1, "2024-01-01T00:00:00Z");
    for path in ["/manifests/", &image.blobs[0].digest] {
        let registry = Registry::start().await;
        image.store(&registry, "app", Some("1"));
        registry.fault_add(Fault::on("GET", path, dripping()));
        let client = impatient(registry.address(), Duration::from_secs(1));
        let tag = Reference::parse("1").unwrap();
        let created = client.image_created(&repository("app"), &tag).await;
        let text = created.unwrap_err().to_string();
        for part in ["takes longer than 0.5 s", registry.address()] {
            assert!(text.contains(part), "{path}: {text}");
        }
        let requests = registry.requests();
        let asked = requests.0.iter().filter(|r| r.path.contains(path));
        assert!(asked.count() > 1, "{path}: it is tried again");
    }
}

/// There is room for one large manifest at a time.
#[tokio::test]
async fn a_large_manifest_that_drips_lets_others_have_theirs() {
    let large = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [],
        "annotations": {"x": "y".repeat(300_000)}});
    let (slow, well) = (Registry::start().await, Registry::start().await);
    for registry in [&slow, &well] {
        registry.manifest_put("app", Some("1"), OCI_MANIFEST, large.to_string());
    }
    slow.fault_add(Fault::on("GET", "/manifests/", dripping()));
    let get = |client: Client| async move {
        let tag = Reference::parse("1").unwrap();
        client.manifest_get(&repository("app"), &tag).await
    };
    let from = impatient(slow.address(), Duration::from_secs(1));
    let given_up = tokio::spawn(get(from));
    // The first answer says how large it is, the second one is read.
    while slow.requests().0.len() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let got = get(client(well.address()));
    let got = tokio::time::timeout(Duration::from_mins(1), got).await;
    assert_eq!(got.expect("room for it").unwrap().bytes, large.to_string());
    assert!(given_up.await.unwrap().is_err());
}

/// A registry on object storage is silent for long after the last byte, before it confirms the
/// blob.
#[tokio::test]
async fn the_answer_after_the_last_byte_is_waited_for_longer() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    Image::artifact(1, "a/b").store(&source, "app", Some("1"));
    let idle = Duration::from_millis(300);
    target.fault_add(Fault::on("PUT", "/uploads/", Misbehave::Delay(idle * 2)));
    let to = impatient(target.address(), idle);
    let from = client(source.address());
    let ran = run(&to, spec(vec![item(&from, "app", &everything())])).await;
    ran.all_done(Action::Copy, 1);
    let puts = target.requests();
    assert_eq!(puts.count("PUT", Kind::Upload), 2, "one for each blob");
}

/// A target that hangs during an upload fails the tag, with the side named.
#[tokio::test]
async fn a_target_that_hangs_fails_the_tag() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    Image::artifact(1, "a/b").store(&source, "app", Some("1"));
    target.fault_add(Fault::on("PUT", "/uploads/", Misbehave::Hang));
    let to = impatient(target.address(), Duration::from_millis(100));
    let from = client(source.address());
    let ran = run(&to, spec(vec![item(&from, "app", &everything())])).await;
    let error = ran.error("1");
    assert!(
        error.starts_with("target ") && error.contains("no data for"),
        "{error}"
    );
    assert!(target.tags("app").is_empty());
}

/// A pause requested by a host applies to all requests, not only to the one it answered.
#[tokio::test]
async fn a_pause_holds_for_all_requests_to_the_host() {
    let registry = Registry::start().await;
    for path in ["first", "second"] {
        Image::artifact(1, "a/b").store(&registry, path, Some("1"));
    }
    registry.fault_add(Fault::on("GET", "/first/tags/list", busy(Some("1"))).times(1));
    let mut options = options(registry.address());
    // The second request starts when the first one has its response.
    options.max_connections = 1;
    let client = Client::new(options).unwrap();
    let start = Instant::now();
    let [first, second] = ["first", "second"].map(|path| {
        let client = client.clone();
        async move {
            client
                .tag_list(&repository(path))
                .await
                .map(|_| start.elapsed())
        }
    });
    let (first, second) = tokio::join!(first, second);
    for took in [first.unwrap(), second.unwrap()] {
        assert!(took >= Duration::from_secs(1), "{took:?}");
    }
}
