//! The requests that delete, on both kinds of registries.

use std::collections::HashMap;

use registrysync::sync::prune::settings::PruneKind;
use registrysync::sync::{Action, Engine, Status, SyncItem, SyncSpec};

use super::{World, deleted, head, image, planned, rules, written};
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::{AMD64, Blob, Format, Image, OCI_MANIFEST};
use crate::support::registry::Registry;
use crate::support::registry::faults::Fault;
use crate::sync::{client, everything, item, literal, regex, repository, run, spec, tags_at};

fn gone(world: &World) -> SyncSpec {
    world.spec(&everything(), world.rules(PruneKind::Gone))
}

/// The registry deletes only by digest.
fn by_digest_only(registry: &Registry, status: u16) {
    registry.fault_add(Fault::status("DELETE", "/manifests/[^:]*$", status));
}

#[tokio::test]
async fn by_digest_all_tags_of_an_image_go_with_one_request() {
    for status in [400, 404, 405] {
        let world = World::with(&[3, 4]).await;
        world.leave(&["3", "4", "5"]);
        by_digest_only(&world.target, status);
        let ran = run(&world.to, gone(&world)).await;
        assert_eq!(deleted(&ran, Status::Done), "3 4 5", "{ran:?}");
        assert_eq!(world.tags(), "1 10 2 6 7 8 9");
        // One that was refused, and one for each of the two images.
        assert_eq!(world.deletes(), 3);
        assert!(ran.warnings.is_empty(), "{:?}", ran.warnings);
    }
}

#[tokio::test]
async fn by_digest_an_image_stays_that_another_tag_needs() {
    let world = World::with(&[3, 4]).await;
    world.leave(&["3", "5"]);
    by_digest_only(&world.target, 405);
    let plan = world.plan(gone(&world)).await;
    assert_eq!(planned(&plan, Action::Delete), "3 5");
    let told = plan.warnings.join("\n");
    assert!(told.contains("app`: `3` stays if `"), "{told}");
    assert!(told.ends_with("deletes only whole images, since `4` is the same image"));
    let ran = run(&world.to, gone(&world)).await;
    assert_eq!(deleted(&ran, Status::Done), "5");
    assert_eq!(world.tags(), "1 10 2 3 4 6 7 8 9");
    stays(&ran, "3", "`4` is the same image");
}

/// The tag's delete is blocked by another one, and says why.
fn stays(ran: &crate::sync::Ran, tag: &str, why: &str) {
    let mut all = ran.outcomes.iter();
    let outcome = all.find(|o| o.action == Action::Delete && o.target_tag == tag);
    let outcome = outcome.unwrap_or_else(|| panic!("`{tag}`: {ran:?}"));
    assert_eq!(outcome.status, Status::Blocked);
    let why = format!("; not deleted: {why}");
    assert!(outcome.reason.contains(&why), "{outcome:?}");
    assert!(
        outcome.reason.ends_with("deletes only whole images"),
        "{outcome:?}"
    );
}

/// By tag nothing else goes.
#[tokio::test]
async fn by_tag_an_image_stays_under_its_other_names() {
    let world = World::with(&[3, 4]).await;
    world.leave(&["3"]);
    let ran = run(&world.to, gone(&world)).await;
    assert_eq!(deleted(&ran, Status::Done), "3");
    assert_eq!(world.tags(), "1 10 2 4 5 6 7 8 9");
    assert_eq!(world.target.tags("app")["4"], image(3).digest());
}

/// An index and one of its images that has a tag, too.
async fn family(registry: &Registry, target: &str) -> (Image, Image) {
    let child = Image::single(Format::Oci, AMD64, &[Blob::layer(1, 500)]);
    let index = Image::index(Format::Oci, &[(AMD64, child.clone())]);
    index.store(registry, "app", Some("index"));
    child.store(registry, "app", Some("z-child"));
    image(9).store(registry, "app", Some("other"));
    let (from, to) = (client(registry.address()), client(target));
    run(&to, spec(vec![item(&from, "app", &everything())]))
        .await
        .all_done(Action::Copy, 3);
    (index, child)
}

async fn prune_family(source: &Registry, target: &str, keep: &str) -> crate::sync::Ran {
    let from = client(source.address());
    prune_items(source, target, vec![item(&from, "app", &regex(keep))]).await
}

async fn prune_items(source: &Registry, target: &str, items: Vec<SyncItem>) -> crate::sync::Ran {
    let (from, to) = (client(source.address()), client(target));
    let all = spec(vec![item(&from, "app", &everything())]);
    // Written anew elsewhere, for the records only.
    let elsewhere = Registry::start().await;
    let ran = run(&client(elsewhere.address()), all).await;
    let place = format!("{target}/app");
    let wanted = SyncSpec {
        prune: Some(rules(
            PruneKind::Selected,
            HashMap::from([(place, written(&ran))]),
        )),
        ..spec(items)
    };
    run(&to, wanted).await
}

#[tokio::test]
async fn by_digest_a_child_stays_as_long_as_its_index_does() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let (index, child) = family(&source, target.address()).await;
    by_digest_only(&target, 405);
    let ran = prune_family(&source, target.address(), "^(other|index)$").await;
    assert_eq!(ran.end.totals.deleted, 0);
    stays(&ran, "z-child", "the index `index` contains it");
    assert!(target.manifest("app", child.digest()).is_some());
    // If both go, the index goes first.
    let ran = prune_family(&source, target.address(), "^other$").await;
    assert_eq!(deleted(&ran, Status::Done), "index z-child", "{ran:?}");
    let requests = target.requests();
    let paths: Vec<&str> = requests
        .0
        .iter()
        .filter(|r| r.method == "DELETE" && r.path.contains("sha256"))
        .map(|r| r.path.as_str())
        .collect();
    assert!(
        paths[0].ends_with(index.digest()) && paths[1].ends_with(child.digest()),
        "{paths:?}"
    );
}

#[tokio::test]
async fn by_digest_an_image_stays_that_an_index_within_an_index_contains() {
    // The second one is at a registry that doesn't say what an index is.
    for says in [true, false] {
        let (source, target) = (Registry::start().await, Registry::start().await);
        let child = Image::single(Format::Oci, AMD64, &[Blob::layer(1, 500)]);
        let inner = Image::index(Format::Oci, &[(AMD64, child.clone())]);
        let outer = Image::index(Format::Oci, &[(AMD64, inner)]);
        outer.store(&source, "app", Some("outer"));
        child.store(&source, "app", Some("child"));
        let (from, to) = (client(source.address()), client(target.address()));
        run(&to, spec(vec![item(&from, "app", &everything())]))
            .await
            .all_done(Action::Copy, 2);
        by_digest_only(&target, 405);
        if !says {
            let unsaid = head(outer.digest(), "application/octet-stream");
            target.fault_add(Fault::on("HEAD", "/manifests/outer$", unsaid));
        }
        let ran = prune_family(&source, target.address(), "^outer$").await;
        assert_eq!(ran.end.totals.deleted, 0, "{ran:?}");
        stays(&ran, "child", "the index `outer` contains it");
        assert!(target.manifest("app", child.digest()).is_some());
    }
}

/// Between the look at all tags and the delete somebody overwrites one of them: it may need anything.
#[tokio::test]
async fn by_digest_nothing_more_goes_once_a_tag_was_overwritten() {
    let world = World::with(&[3, 4]).await;
    world.leave(&["2", "3", "4", "5"]);
    by_digest_only(&world.target, 405);
    let other = head(image(99).digest(), OCI_MANIFEST);
    // After the decision, and the look at all tags.
    let overwritten = Fault::on("HEAD", "/manifests/4$", other);
    world.target.fault_add(overwritten.after(2));
    let ran = run(&world.to, gone(&world)).await;
    // It is the first in the order.
    assert_eq!(deleted(&ran, Status::Done), "5", "{ran:?}");
    assert_eq!(world.tags(), "1 10 2 3 4 6 7 8 9");
    assert_eq!(ran.warnings.len(), 1, "{:?}", ran.warnings);
}

/// What an item names by digest has no tag that would show that it is needed.
#[tokio::test]
async fn by_digest_an_image_stays_that_an_item_names_by_digest() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let (index, child) = family(&source, target.address()).await;
    // A second index of the same child, without a tag.
    let pinned = Image::index(Format::Oci, &[(AMD64, child.clone()), (AMD64, image(9))]);
    pinned.store(&source, "app", None);
    let (from, to) = (client(source.address()), client(target.address()));
    let other = image(9);
    let digests = [pinned.digest(), other.digest()];
    let items = || {
        vec![
            item(&from, "app", &literal(&digests)),
            item(&from, "app", &regex("^index$")),
        ]
    };
    run(&to, spec(items())).await;
    by_digest_only(&target, 405);
    let ran = prune_items(&source, target.address(), items()).await;
    assert_eq!(ran.end.totals.deleted, 0, "{ran:?}");
    stays(&ran, "other", "`sha256:");
    stays(&ran, "z-child", "the index `");
    for image in [&index, &child, &pinned, &image(9)] {
        assert!(target.manifest("app", image.digest()).is_some());
    }
}

/// Somebody gives an image a tag, or puts it into an index, while others are being deleted.
#[tokio::test]
async fn by_digest_an_image_stays_that_gets_another_tag_meanwhile() {
    let index = Image::index(Format::Oci, &[(AMD64, image(4))]);
    for (other, why) in [
        (image(4), "`prod` is the same image"),
        (index, "the index `prod` contains it"),
    ] {
        let world = World::start().await;
        world.leave(&["3", "4", "5"]);
        by_digest_only(&world.target, 405);
        let slow =
            crate::support::registry::faults::Action::Delay(std::time::Duration::from_millis(500));
        world
            .target
            .fault_add(Fault::on("DELETE", "/manifests/sha256", slow).times(1));
        let tagged = async {
            let is_deleting = || {
                let requests = world.target.requests();
                let mut all = requests.0.iter();
                all.any(|one| one.method == "DELETE" && one.path.contains("sha256"))
            };
            while !is_deleting() {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            other.store(&world.target, "app", Some("prod"));
        };
        let (ran, ()) = tokio::join!(run(&world.to, gone(&world)), tagged);
        assert_eq!(deleted(&ran, Status::Done), "3 5", "{ran:?}");
        assert_eq!(world.target.tags("app")["prod"], other.digest());
        stays(&ran, "4", why);
    }
}

/// A tag that is listed is looked at again.
#[tokio::test]
async fn by_digest_an_image_stays_whose_other_tag_is_missing_for_a_moment() {
    let world = World::start().await;
    world.leave(&["3"]);
    by_digest_only(&world.target, 405);
    // It isn't compared, so its first look is that of the delete.
    image(3).store(&world.target, "app", Some("other"));
    let missing = Fault::status("HEAD", "/manifests/other$", 404);
    world.target.fault_add(missing.times(1));
    let ran = run(&world.to, gone(&world)).await;
    assert_eq!(ran.end.totals.deleted, 0, "{ran:?}");
    stays(&ran, "3", "`other` is the same image");
    assert!(world.target.manifest("app", image(3).digest()).is_some());
}

#[tokio::test]
async fn by_digest_nothing_goes_if_another_tag_can_not_be_checked() {
    for (method, at) in [("HEAD", "/manifests/other$"), ("GET", "/manifests/sha256")] {
        let (source, target) = (Registry::start().await, Registry::start().await);
        family(&source, target.address()).await;
        by_digest_only(&target, 405);
        // The first HEAD is the comparison's.
        let spared = usize::from(method == "HEAD");
        target.fault_add(Fault::status(method, at, 403).after(spared));
        let ran = prune_family(&source, target.address(), "^other$").await;
        assert_eq!(ran.end.totals.deleted, 0, "{ran:?}");
        assert!(
            ran.warnings[0]
                .contains("nothing is deleted by digest, since its other tags can't be checked"),
            "{:?}",
            ran.warnings
        );
        assert_eq!(target.tags("app").len(), 3);
    }
}

#[tokio::test]
async fn a_registry_that_does_not_delete_is_told_of_once_for_all_parts() {
    let world = World::start().await;
    let mut written = world.rules(PruneKind::Selected).written;
    let more = run(
        &world.to,
        spec(vec![{
            let mut more = item(&world.from, "app", &everything());
            more.target_repository = Some(repository("more"));
            more
        }]),
    )
    .await;
    written.insert(
        format!("{}/more", world.target.address()),
        super::written(&more),
    );
    world
        .target
        .fault_add(Fault::status("DELETE", "/manifests/", 405));
    let few = regex("^[1-5]$");
    let mut second = item(&world.from, "app", &few);
    second.target_repository = Some(repository("more"));
    let wanted = SyncSpec {
        prune: Some(rules(PruneKind::Selected, written)),
        ..spec(vec![item(&world.from, "app", &few), second])
    };
    let mut warnings = Vec::new();
    let mut failed = 0;
    world.target.requests_clear();
    for (_, engine) in Engine::new(world.to.clone(), wanted).split() {
        let ran = crate::sync::run_engine(&engine).await;
        warnings.extend(ran.warnings);
        failed += ran.end.totals.failed + ran.end.totals.deleted;
    }
    assert_eq!(
        (failed, world.deletes()),
        (0, 2),
        "one by tag, one by digest"
    );
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("doesn't delete, so nothing more is tried there"),
        "{warnings:?}"
    );
}

#[tokio::test]
async fn other_refusals_fail_their_tag_with_the_registrys_words() {
    let world = World::start().await;
    world.leave(&["3", "4"]);
    let body = r#"{"errors": [{"code": "DENIED", "message": "ask Ann"}]}"#;
    let refusal = crate::support::registry::faults::Action::Answer {
        status: 403,
        headers: Vec::new(),
        body: body.to_owned(),
    };
    world
        .target
        .fault_add(Fault::on("DELETE", "/manifests/4$", refusal));
    let ran = run(&world.to, gone(&world)).await;
    assert_eq!(deleted(&ran, Status::Done), "3");
    assert_eq!(deleted(&ran, Status::Failed), "4");
    assert!(ran.error("4").contains("ask Ann"), "{ran:?}");
}

/// It answers that there is nothing to delete, and still has the tag.
#[tokio::test]
async fn what_is_still_there_does_not_count_as_deleted() {
    let world = World::start().await;
    world.leave(&["3"]);
    let refusal = Fault::status("DELETE", "/manifests/", 404);
    world.target.fault_add(refusal);
    let ran = run(&world.to, gone(&world)).await;
    assert_eq!(deleted(&ran, Status::Failed), "3");
    assert!(ran.error("3").contains("still has the tag"), "{ran:?}");
    assert_eq!(world.deletes(), 2, "by tag, then by digest");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_registry_deletes_by_digest() {
    let Some(target) = DockerRegistry::start().await else {
        return;
    };
    let source = Registry::start().await;
    for (tag, seed) in [
        ("1", 1),
        ("2", 2),
        ("3", 3),
        ("3-too", 3),
        ("4", 4),
        ("4-too", 4),
    ] {
        image(seed).store(&source, "app", Some(tag));
    }
    let (from, to) = (client(source.address()), client(target.address()));
    let copied = run(&to, spec(vec![item(&from, "app", &everything())])).await;
    copied.all_done(Action::Copy, 6);
    for tag in ["2", "3", "3-too", "4"] {
        source.tag_remove("app", tag);
    }
    let place = format!("{}/app", target.address());
    let wanted = SyncSpec {
        prune: Some(rules(
            PruneKind::Gone,
            HashMap::from([(place, written(&copied))]),
        )),
        ..spec(vec![item(&from, "app", &everything())])
    };
    let ran = run(&to, wanted).await;
    assert_eq!(deleted(&ran, Status::Done), "2 3 3-too", "{ran:?}");
    let left = tags_at(target.address(), "app").await;
    assert_eq!(left.into_keys().collect::<Vec<_>>(), ["1", "4", "4-too"]);
    stays(&ran, "4", "`4-too` is the same image");
}

/// A retry of the delete finds nothing any more: it was this run's.
#[tokio::test]
async fn a_delete_whose_answer_is_lost_is_this_runs() {
    for by_digest in [false, true] {
        let world = World::start().await;
        world.leave(&["3", "4"]);
        if by_digest {
            by_digest_only(&world.target, 405);
        }
        let at = if by_digest {
            "/manifests/sha256"
        } else {
            "/manifests/[34]$"
        };
        let lost = crate::support::registry::faults::Action::AnswerLost;
        world
            .target
            .fault_add(Fault::on("DELETE", at, lost).times(1));
        let ran = run(&world.to, gone(&world)).await;
        assert_eq!(deleted(&ran, Status::Done), "3 4", "{ran:?}");
    }
}

/// Nothing is deleted that somebody else has deleted between the looks.
#[tokio::test]
async fn a_tag_that_somebody_else_deletes_meanwhile_is_not_this_runs() {
    for by_digest in [false, true] {
        let world = World::start().await;
        world.leave(&["3", "4"]);
        if by_digest {
            by_digest_only(&world.target, 405);
        }
        // After the decision it is gone.
        world
            .target
            .fault_add(Fault::status("HEAD", "/manifests/3$", 404).after(1));
        let ran = run(&world.to, gone(&world)).await;
        assert_eq!(deleted(&ran, Status::Done), "4", "{ran:?}");
        let place = format!("{}/app", world.target.address());
        assert_eq!(ran.forgotten, [(place, vec!["3".to_owned()])]);
    }
}
