//! Several writers of one index of referrers: no entry is lost.

use std::time::Duration;

use registrysync::sync::input::referrer_choice::ReferrerChoice;
use registrysync::sync::{Engine, Status, SyncSpec};

use super::{fallback_at, tag_for, wanted};
use crate::support::docker_registry::AnyRegistry;
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault, Quirk};
use crate::support::registry::log::Kind;
use crate::sync::{Ran, client, everything, item, regex, run, spec};

const IMAGES: u64 = 6;
/// Requests for an index under a fallback tag.
const INDEX: &str = "manifests/sha256-[0-9a-f]{64}$";

fn image(number: u64) -> Image {
    Image::single(Format::Oci, AMD64, &[Blob::layer(number, 500)])
}

/// A source with the same images as the others, and with own referrers.
async fn source(own: u64) -> Registry {
    let registry = Registry::start().await;
    for number in 0..IMAGES {
        let image = image(number);
        image.store(&registry, "app", Some(&format!("v{number}")));
        let kind = format!("application/vnd.example.{own}");
        let referrer = Image::referrer(1000 * own + number, &kind, &image.top);
        referrer.store(&registry, "app", None);
    }
    registry
}

async fn project(source: &Registry, target: &str) -> Ran {
    let from = client(source.address());
    let all = SyncSpec {
        referrers: ReferrerChoice::All,
        ..spec(vec![item(&from, "app", &everything())])
    };
    run(&client(target), all).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_projects_write_one_index_without_losing_an_entry() {
    for target in AnyRegistry::each().await {
        if let AnyRegistry::InProcess(registry) = &target {
            registry.quirk_set(Quirk::NoReferrers, true);
            // Between reading and writing there is time for another writer.
            let slow = Action::Delay(Duration::from_millis(50));
            registry.fault_add(Fault::on("PUT", INDEX, slow));
        }
        let (one, two) = (source(1).await, source(2).await);
        let (first, second) = tokio::join!(
            project(&one, target.address()),
            project(&two, target.address())
        );
        for ran in [&first, &second] {
            assert_eq!(ran.end.totals.failed, 0, "{ran:?}");
        }
        for number in 0..IMAGES {
            let index = fallback_at(target.address(), image(number).digest()).await;
            assert_eq!(index["manifests"].as_array().unwrap().len(), 2, "{index}");
        }
        for source in [&one, &two] {
            target.requests_clear();
            project(source, target.address()).await;
            assert_eq!(target.requests().await.count("PUT", Kind::Manifest), 0);
        }
    }
}

/// Nobody else knows that source.
#[tokio::test]
async fn a_source_that_hangs_keeps_no_other_project_from_its_referrers() {
    let target = Registry::builder().quirk(Quirk::NoReferrers).start().await;
    let (hanging, well) = (source(1).await, source(2).await);
    // The images themselves are fine.
    let referrer = Image::referrer(1001, "application/vnd.example.1", &image(1).top);
    let path = format!("manifests/{}", referrer.digest());
    hanging.fault_add(Fault::on("GET", &path, Action::Hang));
    let first = project(&hanging, target.address());
    let second = async {
        let is_asked = || {
            let requests = hanging.requests();
            requests
                .0
                .iter()
                .any(|request| request.path.ends_with(&path))
        };
        while !is_asked() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        project(&well, target.address()).await
    };
    let second = async { tokio::time::timeout(Duration::from_secs(45), second).await };
    // Before the idle timeout, after which the first one gives up.
    let ran = tokio::select! {
        ran = second => ran.expect("no wait for the other project"),
        ran = first => panic!("{ran:?}"),
    };
    assert_eq!(ran.end.totals.failed, 0, "{ran:?}");
    let index = fallback_at(target.address(), image(1).digest()).await;
    let entries = index["manifests"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{index}");
}

/// Two sources have one image, each with a signature of its own under cosign's tag.
#[tokio::test]
async fn of_two_signatures_of_one_image_the_first_sources_is_copied_in_each_run() {
    let (one, two) = (Registry::start().await, Registry::start().await);
    let signature = tag_for(image(1).digest(), ".sig");
    for (seed, (registry, tag)) in (100..).zip([(&one, "one"), (&two, "two")]) {
        image(1).store(registry, "app", Some(tag));
        Image::artifact(seed, "a/signature").store(registry, "app", Some(&signature));
    }
    let host = |registry: &Registry| registry.address().to_owned();
    for (first, second, seed) in [(&one, &two, 100), (&two, &one, 101)] {
        let target = Registry::start().await;
        let wanted = || SyncSpec {
            referrers: ReferrerChoice::All,
            ..spec(vec![
                item(&client(first.address()), "app", &regex("^(one|two)$")),
                item(&client(second.address()), "app", &regex("^(one|two)$")),
            ])
        };
        let to = client(target.address());
        for number in 0..3 {
            let ran = run(&to, wanted()).await;
            assert_eq!((ran.end.totals.failed, ran.outcomes.len()), (0, 2));
            let own = Image::artifact(seed, "a/signature");
            assert_eq!(target.tags("app")[&signature], own.digest());
            let written: u64 = ran.outcomes.iter().map(|one| one.referrers.written).sum();
            assert_eq!(written, u64::from(number == 0));
            let warning = format!(
                "`{}/app:{signature}` is not copied: `{}/app:{signature}` is another one under the same name, and comes first",
                host(second),
                host(first)
            );
            assert_eq!(ran.warnings, [warning]);
        }
        let plan = Engine::new(to, wanted()).plan().await;
        assert_eq!((plan.skip, plan.warnings.len()), (2, 1), "{plan:?}");
    }
}

#[tokio::test]
async fn an_index_that_somebody_else_replaces_is_written_again() {
    for (times, status) in [(2, Status::Done), (usize::MAX, Status::Failed)] {
        let source = Registry::start().await;
        let target = Registry::builder().quirk(Quirk::NoReferrers).start().await;
        let image = image(1);
        image.store(&source, "app", Some("1"));
        Image::referrer(2, "a/b", &image.top).store(&source, "app", None);
        // The write is confirmed, and its result is gone.
        let lost = Action::Answer {
            status: 201,
            headers: Vec::new(),
            body: String::new(),
        };
        target.fault_add(Fault::on("PUT", INDEX, lost).times(times));
        let ran = run(&client(target.address()), wanted(&client(source.address()))).await;
        let outcome = ran.of("1");
        assert_eq!(outcome.status, status, "{outcome:?}");
        if status == Status::Failed {
            let error = ran.error("1");
            let tag = tag_for(image.digest(), "");
            assert!(
                error.contains(&format!("the index of referrers `app:{tag}`")),
                "{error}"
            );
            assert!(error.contains("somebody else writes it too"), "{error}");
        }
        // The image itself has arrived.
        assert!(target.manifest("app", "1").is_some());
    }
}

#[tokio::test]
async fn a_tag_that_holds_something_else_is_left_alone() {
    let source = Registry::start().await;
    let target = Registry::builder().quirk(Quirk::NoReferrers).start().await;
    let image = image(1);
    image.store(&source, "app", Some("1"));
    Image::referrer(2, "a/b", &image.top).store(&source, "app", None);
    let (tag, other) = (tag_for(image.digest(), ""), Image::artifact(3, "a/b"));
    other.store(&target, "app", Some(&tag));
    let ran = run(&client(target.address()), wanted(&client(source.address()))).await;
    assert!(
        ran.error("1")
            .contains("it is not an index; if nothing needs this tag, delete it")
    );
    assert_eq!(target.tags("app")[&tag], other.digest());
}
