//! Sources and targets that misbehave: the image arrives, and its tag fails with the reason.

use std::time::Duration;

use serde_json::json;

use registrysync::oci::Client;
use registrysync::sync::{Action, Status};

use super::{referrers_at, tag_for, wanted};
use crate::support::images::{AMD64, Blob, Format, Image, Manifest};
use crate::support::registry::faults::{Action as Happens, Fault, Quirk};
use crate::support::registry::log::Kind;
use crate::support::registry::{LinkStyle, Registry};
use crate::sync::{Ran, options, run};

fn image() -> Image {
    Image::single(Format::Oci, AMD64, &[Blob::layer(1, 500)])
}

/// Retries at once.
fn hasty(registry: &Registry) -> Client {
    let mut options = options(registry.address());
    options.first_delay = Duration::from_millis(1);
    Client::new(options).unwrap()
}

async fn copy(source: &Registry, target: &Registry) -> Ran {
    run(&hasty(target), wanted(&hasty(source))).await
}

pub(super) fn answer(status: u16, body: String) -> Happens {
    Happens::Answer {
        status,
        headers: Vec::new(),
        body,
    }
}

/// The answer of a referrers API.
pub(super) fn index(referrers: &[&Manifest]) -> String {
    let entries: Vec<_> = referrers
        .iter()
        .map(|of| {
            json!({"mediaType": of.media_type, "digest": of.digest, "size": of.bytes.len(),
                   "artifactType": "a/b"})
        })
        .collect();
    json!({"schemaVersion": 2, "manifests": entries}).to_string()
}

#[tokio::test]
async fn a_listing_that_cant_be_read_fails_the_tag_after_its_image() {
    for (fault, words) in [
        (answer(500, "down".into()), "500"),
        (answer(403, String::new()), "403"),
        (answer(200, "<html>".into()), "isn't the JSON of a listing"),
        (
            answer(200, r#"{"manifests":[{"#.into()),
            "isn't the JSON of a listing",
        ),
    ] {
        let (source, target) = (Registry::start().await, Registry::start().await);
        let image = image();
        image.store(&source, "app", Some("1"));
        source.fault_add(Fault::on("GET", "/referrers/", fault));
        let ran = copy(&source, &target).await;
        let error = ran.error("1");
        let named = format!("referrers of `app@{}`", image.digest());
        assert!(error.contains(&named) && error.contains(words), "{error}");
        assert!(error.starts_with("source `"), "{error}");
        assert_eq!(target.tags("app")["1"], image.digest());
    }
}

#[tokio::test]
async fn pages_of_referrers_are_followed_and_a_loop_ends() {
    let image = image();
    let builder = Registry::builder().page_size(2).link(LinkStyle::Opaque);
    let (source, target) = (builder.start().await, Registry::start().await);
    image.store(&source, "app", Some("1"));
    for number in 0..5 {
        Image::referrer(number, "a/b", &image.top).store(&source, "app", None);
    }
    let ran = copy(&source, &target).await;
    assert_eq!(ran.of("1").referrers.written, 5);
    assert_eq!(
        referrers_at(target.address(), image.digest()).await.len(),
        5
    );

    let link = format!("</v2/app/referrers/{}?n=1>; rel=\"next\"", image.digest());
    let looping = Happens::Answer {
        status: 200,
        headers: vec![("link", link)],
        body: index(&[]),
    };
    source.fault_add(Fault::on("GET", "/referrers/", looping));
    let ran = copy(&source, &target).await;
    assert!(ran.error("1").contains("the pages form a loop"), "{ran:?}");
}

#[tokio::test]
async fn empty_pages_without_end_are_given_up() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let image = image();
    image.store(&source, "app", Some("1"));
    for page in 0..150 {
        let (from, next) = (format!("[?&]n={page}$"), page + 1);
        let from = if page == 0 {
            "/referrers/[^?]*$"
        } else {
            &from
        };
        let link = format!(
            "</v2/app/referrers/{}?n={next}>; rel=\"next\"",
            image.digest()
        );
        let empty = Happens::Answer {
            status: 200,
            headers: vec![("link", link)],
            body: index(&[]),
        };
        source.fault_add(Fault::on("GET", from, empty));
    }
    let ran = copy(&source, &target).await;
    let error = ran.error("1");
    assert!(
        error.ends_with("the listing has more than 100 pages"),
        "{error}"
    );
    assert_eq!(source.requests().of(Kind::Referrers).len(), 100);
}

#[tokio::test]
async fn a_host_without_the_api_is_asked_once() {
    let source = Registry::builder().quirk(Quirk::NoReferrers).start().await;
    let target = Registry::builder().quirk(Quirk::NoReferrers).start().await;
    let image = Image::multi(Format::Oci, 1, 500);
    image.store(&source, "app", Some("1"));
    for child in &image.children {
        let referrer = Image::referrer(2, "a/b", child);
        let tag = tag_for(&child.digest, "");
        Image::fallback(&[&referrer]).store(&source, "app", Some(&tag));
    }
    let (from, to) = (hasty(&source), hasty(&target));
    run(&to, wanted(&from)).await.all_done(Action::Copy, 1);
    for registry in [&source, &target] {
        registry.requests_clear();
    }
    run(&to, wanted(&from)).await.all_done(Action::Skip, 1);
    for registry in [&source, &target] {
        assert_eq!(
            registry.requests().of(Kind::Referrers).len(),
            0,
            "remembered"
        );
    }
}

#[tokio::test]
async fn a_referrer_that_cant_be_copied_fails_the_tag_and_is_named() {
    let image = image();
    let good = Image::referrer(1, "a/good", &image.top);
    let bad = Image::referrer(2, "a/bad", &image.top);
    let on_bad = |method, action| Fault::on(method, &format!("manifests/{}", bad.digest()), action);
    let blob = &bad.blobs[1].digest;
    let missing = Fault::status("GET", &format!("blobs/{blob}"), 404);
    for (at_source, at_target, words) in [
        (
            Some(on_bad("GET", Happens::Corrupted { at: 5 })),
            None,
            "expected sha256:",
        ),
        (
            Some(Fault::status(
                "GET",
                &format!("manifests/{}", bad.digest()),
                404,
            )),
            None,
            "404",
        ),
        (
            Some(on_bad("GET", Happens::TooLong { by: 3 })),
            None,
            "larger than",
        ),
        (Some(missing), None, blob.as_str()),
        (None, Some(on_bad("PUT", answer(403, String::new()))), "403"),
    ] {
        let (source, target) = (Registry::start().await, Registry::start().await);
        target.quirk_set(Quirk::NoReferrers, true);
        image.store(&source, "app", Some("1"));
        source.fault_add(
            Fault::on(
                "GET",
                "/referrers/",
                answer(200, index(&[&good.top, &bad.top])),
            )
            .times(1),
        );
        for referrer in [&good, &bad] {
            referrer.store(&source, "app", None);
        }
        for (registry, fault) in [(&source, at_source), (&target, at_target)] {
            if let Some(fault) = fault {
                registry.fault_add(fault);
            }
        }
        let ran = copy(&source, &target).await;
        let error = ran.error("1");
        let named = format!(
            "referrer `app@{}` (a/b) of `{}`: ",
            bad.digest(),
            image.digest()
        );
        assert!(
            error.starts_with(&named) && error.contains(words),
            "{error}"
        );
        // The image and what came before are at the target, and listed there.
        assert_eq!(target.tags("app")["1"], image.digest());
        let found = referrers_at(target.address(), image.digest()).await;
        assert_eq!(found.keys().collect::<Vec<_>>(), [good.digest()]);

        // The next run copies the rest.
        source.faults_clear();
        target.faults_clear();
        let again = copy(&source, &target).await;
        assert_eq!(again.of("1").referrers.written, 1, "{again:?}");
        let found = referrers_at(target.address(), image.digest()).await;
        assert_eq!(found.len(), 2);
    }
}

#[tokio::test]
async fn a_loop_of_referrers_ends() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let image = image();
    let other = Image::referrer(1, "a/b", &image.top);
    image.store(&source, "app", Some("1"));
    other.store(&source, "app", None);
    // The image refers to what refers to it, and both to themselves.
    let body = index(&[&other.top, &image.top]);
    source.fault_add(Fault::on("GET", "/referrers/", answer(200, body.clone())));
    let fallback = Image::fallback(&[&other]);
    fallback.store(&source, "app", Some(&tag_for(other.digest(), "")));
    let ran = copy(&source, &target).await;
    ran.all_done(Action::Copy, 1);
    assert_eq!(ran.of("1").referrers.written, 1);
    assert_eq!(ran.warnings, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_nested_too_deep_or_listed_in_excess_is_left_out_with_a_warning() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let image = image();
    image.store(&source, "app", Some("1"));
    let mut last = image.top.clone();
    for number in 0..6 {
        let referrer = Image::referrer(number, "a/b", &last);
        referrer.store(&source, "app", None);
        last = referrer.top;
    }
    let ran = copy(&source, &target).await;
    ran.all_done(Action::Copy, 1);
    assert_eq!(ran.of("1").referrers.written, 4);
    assert_eq!(ran.warnings.len(), 1);
    assert!(
        ran.warnings[0].contains("more than 4 levels deep"),
        "{ran:?}"
    );

    let (source, target) = (Registry::start().await, Registry::start().await);
    image.store(&source, "app", Some("1"));
    let referrer = Image::referrer(1, "a/b", &image.top);
    referrer.store(&source, "app", None);
    // The same 1001 times, and two that aren't any.
    let entry: serde_json::Value = serde_json::from_str(&index(&[&referrer.top])).unwrap();
    let mut entries = vec![json!(null), json!({"digest": "none"})];
    entries.extend(vec![entry["manifests"][0].clone(); 1001]);
    let body = json!({"manifests": entries}).to_string();
    source.fault_add(Fault::on("GET", "/referrers/", answer(200, body)).times(1));
    let ran = copy(&source, &target).await;
    ran.all_done(Action::Copy, 1);
    assert_eq!(ran.of("1").referrers.written, 1);
    for (warning, words) in ran
        .warnings
        .iter()
        .zip(["2 unusable items", "more than 1000 referrers"])
    {
        assert!(warning.contains(words), "{warning}");
    }
    assert_eq!((ran.warnings.len(), ran.end.totals.warnings), (2, 2));
}

#[tokio::test]
async fn what_belongs_to_another_image_is_left_out_with_a_warning() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let (image, other) = (image(), Image::artifact(9, "a/b"));
    image.store(&source, "app", Some("1"));
    let own = Image::referrer(1, "a/b", &image.top);
    let foreign = Image::referrer(2, "a/b", &other.top);
    own.store(&source, "app", None);
    foreign.store(&source, "app", None);
    let body = index(&[&foreign.top, &own.top]);
    source.fault_add(Fault::on("GET", "/referrers/", answer(200, body)).times(1));
    let ran = copy(&source, &target).await;
    ran.all_done(Action::Copy, 1);
    assert_eq!(ran.of("1").referrers.written, 1);
    let belongs = format!("says that it belongs to `{}`", other.digest());
    assert!(ran.warnings[0].contains(&belongs), "{ran:?}");
    assert!(target.manifest("app", own.digest()).is_some());
    assert!(target.manifest("app", foreign.digest()).is_none());
}

/// Its responses don't confirm that it lists what it is given, though it does.
#[tokio::test]
async fn a_target_that_doesnt_confirm_subjects_gets_an_index_once() {
    let source = Registry::start().await;
    let target = Registry::builder().quirk(Quirk::NoOciSubject).start().await;
    let image = image();
    image.store(&source, "app", Some("1"));
    Image::referrer(1, "a/b", &image.top).store(&source, "app", None);
    let ran = copy(&source, &target).await;
    ran.all_done(Action::Copy, 1);
    assert!(
        target
            .tags("app")
            .contains_key(&tag_for(image.digest(), ""))
    );
    target.requests_clear();
    let again = copy(&source, &target).await;
    assert_eq!(again.of("1").status, Status::Done);
    assert_eq!(target.requests().count("PUT", Kind::Manifest), 0);
}
