//! What a plan says that a run costs, compared with the requests of the run.

use registrysync::oci::PlatformChoice;
use registrysync::sync::plan::Plan;
use registrysync::sync::{Engine, SyncSpec};

use super::image;
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::log::Kind;
use crate::sync::{client, everything, item, run, spec};

/// Two repositories with images that share a layer, an index, and a tag with the image of another.
async fn source() -> Registry {
    let source = Registry::builder().page_size(3).start().await;
    let shared = Blob::layer(100, 5000);
    for (seed, tag) in (1..).zip(["a", "b", "c", "d"]) {
        let layers = [shared.clone(), Blob::layer(seed, 1000)];
        let image = Image::single(Format::Oci, AMD64, &layers);
        image.store(&source, "app", Some(tag));
        image.store(&source, "other/app", Some(tag));
    }
    Image::multi(Format::Oci, 7, 1000).store(&source, "app", Some("multi"));
    image(1).store(&source, "app", Some("same"));
    image(1).store(&source, "app", Some("same-again"));
    source
}

fn spec_of(source: &Registry, platforms: &[&str]) -> SyncSpec {
    let from = client(source.address());
    let mut items = ["app", "other/app"].map(|path| item(&from, path, &everything()));
    for item in &mut items {
        let choice = platforms.iter().map(|name| PlatformChoice::parse(name));
        item.architectures = choice.collect::<Result<_, _>>().expect("platforms");
    }
    // One after the other, so that it is certain which tag writes a shared blob.
    SyncSpec {
        max_parallel: 1,
        ..spec(items.into())
    }
}

/// The plan, and the requests of the run: to the source, to the target, and the pulls.
async fn compared(source: &Registry, target: &Registry, platforms: &[&str]) -> (Plan, [u64; 3]) {
    let to = client(target.address());
    let plan = Engine::new(to, spec_of(source, platforms)).plan().await;
    source.requests_clear();
    target.requests_clear();
    let ran = run(&client(target.address()), spec_of(source, platforms)).await;
    assert_eq!(ran.end.totals.failed, 0, "{ran:?}");
    let (at_source, at_target) = (source.requests(), target.requests());
    let pulls = at_source.count("GET", Kind::Manifest) as u64;
    (
        plan,
        [at_source.0.len() as u64, at_target.0.len() as u64, pulls],
    )
}

fn said(plan: &Plan) -> [u64; 3] {
    let costs = plan.costs;
    [costs.source_requests, costs.target_requests, costs.pulls]
}

#[tokio::test]
async fn a_plan_says_what_a_run_asks_of_both_registries() {
    for platforms in [&[][..], &["linux/amd64"], &["linux/amd64", "linux/arm64"]] {
        let (source, target) = (source().await, Registry::start().await);
        let (plan, asked) = compared(&source, &target, platforms).await;
        assert_eq!(said(&plan), asked, "{platforms:?}");
        assert!(asked[2] > 0, "it copies something");
        // Nothing is to be copied any more, so there are no pulls but for the choice of platforms.
        let (plan, asked) = compared(&source, &target, platforms).await;
        assert_eq!(plan.skip, 11, "{plan:?}");
        assert_eq!(said(&plan), asked, "{platforms:?}, again");
        assert_eq!(asked[2] == 0, platforms.is_empty());
    }
}

#[tokio::test]
async fn an_action_has_its_digests_and_its_size() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let (old, new) = (image(1), image(2));
    old.store(&target, "app", Some("1"));
    new.store(&source, "app", Some("1"));
    let from = client(source.address());
    let items = vec![item(&from, "app", &everything())];
    let plan = Engine::new(client(target.address()), spec(items))
        .plan()
        .await;
    let action = &plan.actions[0];
    let text =
        |digest: &Option<registrysync::oci::Digest>| digest.as_ref().map(ToString::to_string);
    assert_eq!(text(&action.source_digest).as_deref(), Some(new.digest()));
    assert_eq!(text(&action.digest).as_deref(), Some(new.digest()));
    assert_eq!(text(&action.previous_digest).as_deref(), Some(old.digest()));
    let size: u64 = new.blobs.iter().map(|blob| blob.content.size()).sum();
    assert_eq!(action.size, Some(size));
}
