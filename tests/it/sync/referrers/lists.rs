//! Which lists of referrers are read and written, and what isn't in any of them.

use registrysync::oci::PlatformChoice;
use registrysync::sync::input::referrer_choice::ReferrerChoice;
use registrysync::sync::{Action, Engine, SyncItem, SyncSpec};

use super::faults::{answer, index};
use super::{SBOM, fallback_at, tag_for, wanted};
use crate::support::images::{Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::Fault;
use crate::support::registry::log::Kind;
use crate::sync::{client, everything, item, literal, run, spec};

fn image(registry: &Registry) -> Image {
    let image = Image::artifact(1, "a/b");
    image.store(registry, "app", Some("1"));
    image
}

#[tokio::test]
async fn tags_that_no_image_carries_along_are_copied_as_tags_of_their_own() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let image = image(&source);
    let sbom = Image::referrer(2, SBOM, &image.top);
    sbom.store(&source, "app", None);
    // Only signatures are wanted: neither attestations, nor the SBOM that the last one belongs to.
    let tags = [
        tag_for(image.digest(), ".sig"),
        tag_for(image.digest(), ".att"),
        tag_for(sbom.digest(), ".sig"),
    ];
    for (seed, tag) in (10..).zip(&tags) {
        Image::artifact(seed, "a/b").store(&source, "app", Some(tag));
    }
    let (from, to) = (client(source.address()), client(target.address()));
    let signatures = SyncSpec {
        referrers: ReferrerChoice::parse(&["signature"]).unwrap(),
        ..spec(vec![item(&from, "app", &everything())])
    };
    let ran = run(&to, signatures).await;
    let actions = tags.each_ref().map(|tag| ran.of(tag).action);
    assert_eq!(
        actions,
        [Action::Skip, Action::Copy, Action::Copy],
        "{ran:?}"
    );
    assert_eq!(target.tags("app"), source.tags("app"));
}

#[tokio::test]
async fn an_index_of_referrers_is_read_beside_what_the_api_lists() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let image = image(&source);
    let listed = Image::referrer(2, "a/listed", &image.top);
    let indexed = Image::referrer(3, "a/indexed", &image.top);
    listed.store(&source, "app", None);
    let tag = tag_for(image.digest(), "");
    Image::fallback(&[&indexed]).store(&source, "app", Some(&tag));
    // The index is older than the API, which doesn't know it.
    let path = format!("/referrers/{}", image.digest());
    let body = index(&[&listed.top]);
    source.fault_add(Fault::on("GET", &path, answer(200, body)));
    let (from, to) = (client(source.address()), client(target.address()));
    let ran = run(&to, wanted(&from)).await;
    assert_eq!(ran.of("1").referrers.written, 2, "{ran:?}");
    for referrer in [&listed, &indexed] {
        assert!(target.manifest("app", referrer.digest()).is_some());
    }
}

/// Such a registry decides itself what it lists.
#[tokio::test]
async fn a_referrer_that_the_target_has_and_does_not_list_is_left_alone() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let referrer = Image::referrer(2, "a/b", &image(&source).top);
    referrer.store(&source, "app", None);
    referrer.store(&target, "app", None);
    target.fault_add(Fault::on("GET", "/referrers/", answer(200, index(&[]))));
    let (from, to) = (client(source.address()), client(target.address()));
    let plan = Engine::new(to.clone(), wanted(&from)).plan().await;
    let reason = &plan.actions[0].reason;
    assert!(!reason.contains("referrer"), "{reason}");
    let ran = run(&to, wanted(&from)).await;
    ran.all_done(Action::Copy, 1);
    assert_eq!(ran.of("1").referrers.written, 0);
    assert_eq!(target.tags("app").into_keys().collect::<Vec<_>>(), ["1"]);
}

#[tokio::test]
async fn a_target_that_confirms_subjects_and_lists_none_gets_an_index() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let image = image(&source);
    let referrer = Image::referrer(2, "a/b", &image.top);
    referrer.store(&source, "app", None);
    target.fault_add(Fault::status("GET", "/referrers/", 404));
    let (from, to) = (client(source.address()), client(target.address()));
    run(&to, wanted(&from)).await.all_done(Action::Copy, 1);
    let index = fallback_at(target.address(), image.digest()).await;
    assert_eq!(index["manifests"][0]["digest"], referrer.digest());
    target.requests_clear();
    run(&to, wanted(&from)).await.all_done(Action::Skip, 1);
    assert_eq!(target.requests().count("PUT", Kind::Manifest), 0);
}

/// Cosign's signatures have an image's configuration without a platform.
#[tokio::test]
async fn a_signature_that_is_selected_as_a_tag_has_no_platform() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let image = image(&source);
    let tag = tag_for(image.digest(), ".sig");
    let signature = Image::single(Format::Oci, ["", "", ""], &[Blob::layer(7, 300)]);
    signature.store(&source, "app", Some(&tag));
    let (from, to) = (client(source.address()), client(target.address()));
    let amd64 = SyncItem {
        architectures: vec![PlatformChoice::parse("amd64").unwrap()],
        ..item(&from, "app", &literal(&[&tag]))
    };
    let ran = run(&to, spec(vec![amd64])).await;
    assert_eq!(ran.of(&tag).action, Action::Copy, "{ran:?}");
}

/// Of what an index lists only the chosen types are copied, so it isn't copied itself.
#[tokio::test]
async fn an_index_of_referrers_is_left_out_for_a_true_reason() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let image = image(&source);
    let listed = Image::referrer(2, "a/listed", &image.top);
    listed.store(&source, "app", None);
    let tag = tag_for(image.digest(), "");
    Image::fallback(&[&listed]).store(&source, "app", Some(&tag));
    let (from, to) = (client(source.address()), client(target.address()));
    for (types, reason) in [
        (&["all"][..], "copied with the image to which it belongs"),
        (&["a/other"], "if `referrers` names its type"),
    ] {
        let some = SyncSpec {
            referrers: ReferrerChoice::parse(types).unwrap(),
            ..spec(vec![item(&from, "app", &everything())])
        };
        let ran = run(&to, some).await;
        assert!(ran.of(&tag).reason.ends_with(reason), "{ran:?}");
    }
}
