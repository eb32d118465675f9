//! The number of requests of a copy: no more than the protocol needs.

use std::time::{Duration, Instant};

use registrysync::sync::{Action, Status, SyncItem, SyncSpec};

use super::{client, everything, item, literal, run, spec};
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action as Happens, Fault};
use crate::support::registry::log::Kind;

const REPOSITORIES: usize = 3;
const TAGS: usize = 20;

fn path(number: usize) -> String {
    format!("team/app{number}")
}

fn names() -> Vec<String> {
    (0..TAGS).map(|tag| format!("v{tag}")).collect()
}

/// A configuration and a layer, another one for each number.
fn image(seed: u64) -> Image {
    Image::single(Format::Oci, AMD64, &[Blob::layer(seed, 2000)])
}

/// Each tag with its own layer; all share a configuration.
async fn source() -> Registry {
    let source = Registry::start().await;
    for number in 0..REPOSITORIES {
        for (seed, tag) in (number * 1000..).zip(names()) {
            image(seed as u64).store(&source, &path(number), Some(&tag));
        }
    }
    source
}

/// All tags by name, so that the source lists nothing.
fn all(source: &Registry) -> SyncSpec {
    let names = names();
    let tags: Vec<&str> = names.iter().map(String::as_str).collect();
    let from = client(source.address());
    let items = (0..REPOSITORIES).map(|number| item(&from, &path(number), &literal(&tags)));
    spec(items.collect::<Vec<SyncItem>>())
}

/// N + B at the source, N + 2 B + R at the target.
#[tokio::test]
async fn a_cold_copy_asks_for_each_tag_and_blob_once() {
    let (source, target) = (source().await, Registry::start().await);
    let wanted = all(&source);
    // What is asked before the first tag is known to be missing.
    let constant = wanted.max_parallel;
    let ran = run(&client(target.address()), wanted).await;
    let tags = REPOSITORIES * TAGS;
    ran.all_done(Action::Copy, tags);
    let moved = ran.end.totals.moved;
    let blobs = usize::try_from(moved.blobs_copied).unwrap();
    let (from, to) = (source.requests(), target.requests());
    assert_eq!(from.count("GET", Kind::Manifest), tags);
    assert_eq!(from.count("GET", Kind::Blob), blobs);
    assert!(from.count("HEAD", Kind::Manifest) <= constant);
    assert!(from.0.len() <= tags + blobs + constant, "{}", from.0.len());

    assert_eq!(to.count("PUT", Kind::Manifest), tags);
    assert_eq!(to.count("GET", Kind::TagList), REPOSITORIES);
    assert_eq!(to.count("HEAD", Kind::Blob), 0);
    assert!(to.count("HEAD", Kind::Manifest) <= constant);
    let mounts = usize::try_from(moved.blobs_mounted).unwrap();
    let most = tags + 2 * blobs + mounts + REPOSITORIES + constant;
    assert!(to.0.len() <= most, "{} of {most}", to.0.len());
}

/// Nothing is listed at a target that has everything.
#[tokio::test]
async fn a_warm_copy_asks_both_ends_for_each_tag_once() {
    let (source, target) = (source().await, Registry::start().await);
    run(&client(target.address()), all(&source)).await;
    source.requests_clear();
    target.requests_clear();
    let tags = REPOSITORIES * TAGS;
    let ran = run(&client(target.address()), all(&source)).await;
    ran.all_done(Action::Skip, tags);
    for requests in [source.requests(), target.requests()] {
        assert_eq!(requests.count("HEAD", Kind::Manifest), tags);
        assert_eq!(requests.0.len(), tags);
    }
}

/// Tags that are missing cost a list of their repository; the others are compared as ever.
#[tokio::test]
async fn of_some_new_tags_only_these_are_fetched() {
    let (source, target) = (source().await, Registry::start().await);
    run(&client(target.address()), all(&source)).await;
    for tag in ["v3", "v4", "v5", "v6"] {
        target.tag_remove(&path(1), tag);
    }
    image(77).store(&source, &path(1), Some("v9"));
    source.requests_clear();
    target.requests_clear();
    let ran = run(&client(target.address()), all(&source)).await;
    let totals = &ran.end.totals;
    assert_eq!((totals.copied, totals.updated, totals.failed), (4, 1, 0));
    assert_eq!(source.requests().count("GET", Kind::Manifest), 5);
    assert!(target.requests().count("GET", Kind::TagList) <= REPOSITORIES);
    assert_eq!(target.tags(&path(1)), source.tags(&path(1)));
}

fn listed(tags: &[String]) -> Fault {
    let body = serde_json::json!({"name": "app", "tags": tags}).to_string();
    let answer = Happens::Answer {
        status: 200,
        headers: Vec::new(),
        body,
    };
    Fault::on("GET", "/tags/list", answer)
}

/// A target that has all tags but one, of 60.
async fn nearly_done() -> (Registry, Registry, SyncSpec) {
    let (source, target) = (Registry::start().await, Registry::start().await);
    for seed in 0..60 {
        let tag = format!("v{seed}");
        image(seed).store(&source, "app", Some(&tag));
        if seed != 0 {
            image(seed).store(&target, "app", Some(&tag));
        }
    }
    let from = client(source.address());
    let wanted = SyncSpec {
        max_parallel: 1,
        ..spec(vec![item(&from, "app", &everything())])
    };
    (source, target, wanted)
}

/// Nothing is written on the word of a list that isn't whole, or isn't one.
#[tokio::test]
async fn a_list_that_can_not_be_relied_on_counts_for_nothing() {
    let page: Vec<String> = (0..1000).map(|number| format!("x{number}")).collect();
    for fault in [
        // A full page without a link to the next.
        listed(&page),
        listed(&["-bad-".to_owned()]),
        Fault::status("GET", "/tags/list", 403),
        Fault::status("GET", "/tags/list", 405),
        Fault::on("GET", "/tags/list", Happens::Truncated { to: 9 }),
    ] {
        let (_source, target, wanted) = nearly_done().await;
        target.fault_add(fault.clone());
        let ran = run(&client(target.address()), wanted).await;
        let totals = &ran.end.totals;
        assert_eq!((totals.copied, totals.skipped), (1, 59), "{fault:?}");
    }
}

/// A list that takes its time delays nobody for long.
#[tokio::test]
async fn a_list_that_never_ends_is_given_up() {
    let (_source, target, wanted) = nearly_done().await;
    target.fault_add(Fault::on("GET", "/tags/list", Happens::Hang));
    let begun = Instant::now();
    let ran = run(&client(target.address()), wanted).await;
    let totals = &ran.end.totals;
    assert_eq!((totals.copied, totals.skipped), (1, 59));
    assert!(begun.elapsed() < Duration::from_secs(30));
}

/// A copy that was killed may have left blobs in a repository without tags: large ones aren't sent
/// again.
#[tokio::test]
async fn large_blobs_of_a_repository_without_tags_are_not_sent_again() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let layer = Blob::layer(1, 9 << 20);
    let image = Image::single(Format::Oci, AMD64, std::slice::from_ref(&layer));
    image.store(&source, "app", Some("1"));
    let from = client(source.address());
    target.content_put("app", &layer.digest, layer.content.clone());
    let wanted = spec(vec![item(&from, "app", &everything())]);
    let ran = run(&client(target.address()), wanted).await;
    ran.all_done(Action::Copy, 1);
    assert_eq!(
        ran.end.totals.moved.blobs_copied, 1,
        "only the configuration"
    );
}

/// Somebody creates a tag while its image is copied, which takes a while: theirs stays, and isn't
/// claimed if it is the same image.
#[tokio::test]
async fn a_new_tag_that_somebody_else_creates_meanwhile_is_not_overwritten() {
    for theirs in [3, 1] {
        let (source, target) = (Registry::start().await, Registry::start().await);
        image(1).store(&source, "app", Some("1"));
        image(2).store(&target, "app", Some("other"));
        let slow = Happens::Delay(Duration::from_secs(6));
        target.fault_add(Fault::on("PUT", "/blobs/uploads", slow));
        let from = client(source.address());
        let wanted = spec(vec![item(&from, "app", &everything())]);
        let write = async {
            while target.requests().count("PUT", Kind::Upload) == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            image(theirs).store(&target, "app", Some("1"));
        };
        let to = client(target.address());
        let (ran, ()) = tokio::join!(run(&to, wanted), write);
        assert_eq!(target.tags("app")["1"], image(theirs).digest());
        if theirs == 1 {
            let outcome = ran.of("1");
            assert_eq!(
                (outcome.action, outcome.status),
                (Action::Skip, Status::Done)
            );
            assert!(!outcome.is_written, "{outcome:?}");
        } else {
            let error = ran.error("1");
            let words = "it was not there, now it is `sha256:";
            assert!(error.contains(words), "{error}");
        }
    }
}

/// A write is tried again only after another look.
#[tokio::test]
async fn a_tag_that_is_moved_before_its_write_is_tried_again_stays() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    image(1).store(&source, "app", Some("1"));
    image(2).store(&target, "app", Some("1"));
    let busy = Happens::Answer {
        status: 429,
        headers: vec![("Retry-After", "2".to_owned())],
        body: String::new(),
    };
    target.fault_add(Fault::on("PUT", "/manifests/1$", busy).times(1));
    let from = client(source.address());
    let wanted = spec(vec![item(&from, "app", &everything())]);
    let write = async {
        while target.requests().count("PUT", Kind::Manifest) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        image(3).store(&target, "app", Some("1"));
    };
    let to = client(target.address());
    let (ran, ()) = tokio::join!(run(&to, wanted), write);
    assert!(
        ran.error("1").contains("was moved at the target"),
        "{ran:?}"
    );
    assert_eq!(target.tags("app")["1"], image(3).digest());
}
