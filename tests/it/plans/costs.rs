//! What a plan says that a run costs, compared with the requests of the run.

use registrysync::oci::PlatformChoice;
use registrysync::sync::input::index_mode::IndexMode;
use registrysync::sync::plan::Plan;
use registrysync::sync::prune::settings::PruneKind;
use registrysync::sync::{Engine, SyncItem, SyncSpec};
use serde_json::Value;

use super::image;
use crate::pruning::World;
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::Quirk;
use crate::support::registry::log::Kind;
use crate::sync::{client, everything, item, repository, run, spec};

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
async fn compared(
    source: &Registry,
    target: &Registry,
    wanted: impl Fn() -> SyncSpec,
) -> (Plan, [u64; 3]) {
    let to = client(target.address());
    let plan = Engine::new(to, wanted()).plan().await;
    source.requests_clear();
    target.requests_clear();
    let ran = run(&client(target.address()), wanted()).await;
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
        let wanted = || spec_of(&source, platforms);
        let (plan, asked) = compared(&source, &target, wanted).await;
        assert_eq!(said(&plan), asked, "{platforms:?}");
        assert!(asked[2] > 0, "it copies something");
        // Nothing is to be copied any more, so there are no pulls but for the choice of platforms.
        let (plan, asked) = compared(&source, &target, wanted).await;
        assert_eq!(plan.skip, 11, "{plan:?}");
        assert_eq!(said(&plan), asked, "{platforms:?}, again");
        assert_eq!(asked[2] == 0, platforms.is_empty());
    }
}

#[tokio::test]
async fn of_a_sparse_index_only_the_chosen_platforms_count() {
    let source = Registry::start().await;
    let sparse = Registry::builder().quirk(Quirk::SparseAllowed);
    let target = sparse.start().await;
    let index = Image::multi(Format::Oci, 7, 1000);
    index.store(&source, "app", Some("multi"));
    let wanted = || SyncSpec {
        index: Some(IndexMode::Sparse),
        items: vec![SyncItem {
            architectures: vec![PlatformChoice::parse("amd64").expect("a platform")],
            ..item(&client(source.address()), "app", &everything())
        }],
        ..spec(Vec::new())
    };
    let (plan, asked) = compared(&source, &target, wanted).await;
    assert_eq!(said(&plan), asked);
    let child: Value = serde_json::from_slice(&index.children[0].bytes).expect("JSON");
    let blobs = child["layers"].as_array().into_iter().flatten();
    let blobs = blobs.chain([&child["config"]]);
    let size = blobs.filter_map(|blob| blob["size"].as_u64()).sum();
    assert_eq!((plan.actions[0].size, plan.bytes), (Some(size), size));
}

#[tokio::test]
async fn a_copy_within_one_registry_costs_no_uploads() {
    let registry = source().await;
    let wanted = || {
        let mut wanted = spec_of(&registry, &[]);
        for item in &mut wanted.items {
            let copy = format!("copy/{}", item.repository);
            item.target_repository = Some(repository(&copy));
        }
        wanted
    };
    let (plan, [asked, _, pulls]) = compared(&registry, &registry, wanted).await;
    let [source, target, said] = said(&plan);
    assert_eq!((source + target, said), (asked, pulls));
    assert_eq!(registry.requests().count("PUT", Kind::Upload), 0);
}

#[tokio::test]
async fn deletes_are_requests_too() {
    let world = World::start().await;
    world.leave(&["3", "4"]);
    let wanted = || world.spec(&everything(), world.rules(PruneKind::Gone));
    let (plan, asked) = compared(&world.source, &world.target, wanted).await;
    assert_eq!((said(&plan), plan.delete), (asked, 2));
    assert_eq!(world.deletes(), 2);
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
