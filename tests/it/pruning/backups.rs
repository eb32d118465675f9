//! What a tag was before it is overwritten is kept under another name.

use registrysync::oci::PlatformChoice;
use registrysync::sync::input::spec::OnlyTags;
use registrysync::sync::prune::settings::{Prune, PruneKind};
use registrysync::sync::{Action, BackupTag, IndexMode, Status, SyncSpec};

use super::guards::blocked;
use super::{World, deleted, image};
use crate::support::images::{AMD64, Format, Image};
use crate::support::registry::faults::{Action as Happens, Fault, Quirk};
use crate::support::registry::log::{Kind, Request};
use crate::sync::{everything, literal, run};

fn kept(world: &World, template: &str, selector: &registrysync::sync::SelectorSpec) -> SyncSpec {
    SyncSpec {
        backup_tag: Some(template.parse().unwrap()),
        ..world.spec(selector, world.rules(PruneKind::Selected))
    }
}

#[tokio::test]
async fn the_previous_image_is_kept_byte_for_byte_and_never_deleted() {
    let world = World::start().await;
    let before = Image::index(
        Format::Docker,
        &[(AMD64, Image::single(Format::Docker, AMD64, &[]))],
    );
    before.store(&world.target, "app", Some("3"));
    let digest = before.digest();
    let name = format!("old-3-20260309-{}", &digest["sha256:".len()..][..12]);
    let wanted = || kept(&world, "old-{tag}-{date}-{digest}", &everything());
    let plan = world.plan(wanted()).await;
    let action = plan.actions.iter().find(|a| a.tag == "3").unwrap();
    assert!(
        action
            .reason
            .ends_with(&format!("keeps the previous image as `{name}`")),
        "{action:?}"
    );
    let ran = run(&world.to, wanted()).await;
    let outcome = ran.of("3");
    assert_eq!(
        (outcome.action, outcome.status),
        (Action::Update, Status::Done)
    );
    assert!(
        outcome
            .reason
            .ends_with(&format!("kept the previous image as `{name}`")),
        "{outcome:?}"
    );
    let tags = world.target.tags("app");
    assert_eq!(
        (tags["3"].as_str(), tags[&name].as_str()),
        (image(3).digest(), digest)
    );
    let (media_type, bytes) = world.target.manifest("app", &name).unwrap();
    assert_eq!(
        (&media_type, &bytes),
        (&before.top.media_type, &before.top.bytes)
    );
    // It isn't the project's to delete; `gone` from the selection are all but one.
    let ran = run(
        &world.to,
        kept(&world, "old-{tag}-{date}-{digest}", &literal(&["1"])),
    )
    .await;
    assert_eq!(ran.end.totals.deleted, 9, "{ran:?}");
    assert_eq!(world.tags(), format!("1 {name}"));
}

#[tokio::test]
async fn what_can_not_be_kept_is_not_overwritten() {
    let world = World::start().await;
    image(50).store(&world.target, "app", Some("3"));
    world
        .target
        .fault_add(Fault::status("PUT", "/manifests/old-3", 403));
    let ran = run(&world.to, kept(&world, "old-{tag}", &everything())).await;
    assert!(
        ran.error("3")
            .contains("can't be kept as `old-3`, so it isn't overwritten: target"),
        "{ran:?}"
    );
    let outcome = ran.of("3");
    assert_eq!(outcome.backup, None, "{outcome:?}");
    assert!(
        !outcome.reason.contains("kept the previous image"),
        "{outcome:?}"
    );
    assert_eq!(world.target.tags("app")["3"], image(50).digest());
    world.target.faults_clear();
    let ran = run(&world.to, kept(&world, "old-{tag}", &everything())).await;
    assert_eq!(ran.of("3").status, Status::Done);
    // A later one replaces it.
    image(51).store(&world.target, "app", Some("3"));
    run(&world.to, kept(&world, "old-{tag}", &everything())).await;
    assert_eq!(world.target.tags("app")["old-3"], image(51).digest());
}

/// The same index is written, without some of its children.
#[tokio::test]
async fn an_image_is_kept_that_a_sparse_index_replaces() {
    let world = World::start().await;
    world.target.quirk_set(Quirk::SparseAllowed, true);
    let index = Image::multi(Format::Oci, 50, 1000);
    index.store(&world.source, "app", Some("3"));
    let mut wanted = SyncSpec {
        index: Some(IndexMode::Sparse),
        prune: None,
        ..kept(&world, "old-{tag}", &literal(&["3"]))
    };
    wanted.items[0].architectures = vec![PlatformChoice::parse("arm64").unwrap()];
    let ran = run(&world.to, wanted).await;
    let outcome = ran.of("3");
    assert_eq!(
        (outcome.action, outcome.status),
        (Action::Update, Status::Done),
        "{outcome:?}"
    );
    let tags = world.target.tags("app");
    assert_eq!(tags["3"], index.digest());
    assert_eq!(
        tags.get("old-3").map(String::as_str),
        Some(image(3).digest())
    );
}

#[tokio::test]
async fn both_images_are_kept_that_one_new_image_replaces() {
    let world = World::start().await;
    for tag in ["3", "4"] {
        image(50).store(&world.source, "app", Some(tag));
    }
    let ran = run(&world.to, kept(&world, "old-{tag}", &everything())).await;
    assert_eq!(ran.end.totals.updated, 2, "{ran:?}");
    let tags = world.target.tags("app");
    for (tag, seed) in [("old-3", 3), ("old-4", 4)] {
        let digest = tags.get(tag).map(String::as_str);
        assert_eq!(digest, Some(image(seed).digest()), "{tag}");
    }
}

/// It may be what the run that is repeated has kept.
#[tokio::test]
async fn a_retry_replaces_no_kept_image() {
    let world = World::start().await;
    image(50).store(&world.target, "app", Some("3"));
    image(60).store(&world.target, "app", Some("old-3"));
    let mut only = OnlyTags::default();
    only.add("app".to_owned(), "3".to_owned());
    let wanted = SyncSpec {
        only: Some(only),
        ..kept(&world, "old-{tag}", &everything())
    };
    let ran = run(&world.to, wanted).await;
    assert!(
        ran.error("3").contains("a retry mustn't replace"),
        "{ran:?}"
    );
    let tags = world.target.tags("app");
    assert_eq!(
        (tags["3"].as_str(), tags["old-3"].as_str()),
        (image(50).digest(), image(60).digest())
    );
}

/// The name under which an image is kept was a tag of the project, with the same image.
#[tokio::test]
async fn a_kept_image_is_not_deleted_under_its_old_name() {
    let world = World::start().await;
    image(1).store(&world.target, "app", Some("old-1"));
    let mut rules = world.rules(PruneKind::Gone);
    for records in rules.written.values_mut() {
        let mut record = records[0].clone();
        (record.tag, record.source_tag) = ("old-1".to_owned(), "old-1".to_owned());
        records.push(record);
    }
    image(50).store(&world.source, "app", Some("1"));
    let wanted = || SyncSpec {
        backup_tag: Some("old-{tag}".parse().unwrap()),
        ..world.spec(&everything(), rules.clone())
    };
    let plan = world.plan(wanted()).await;
    assert_eq!((plan.update, plan.delete), (1, 0), "{plan:?}");
    let ran = run(&world.to, wanted()).await;
    assert_eq!((ran.end.totals.updated, ran.end.totals.deleted), (1, 0));
    assert_eq!(world.target.tags("app")["old-1"], image(1).digest());
    // So that the next run doesn't delete it either.
    let place = format!("{}/app", world.target.address());
    assert_eq!(ran.forgotten, [(place, vec!["old-1".to_owned()])]);
}

/// The image that is written is the one that is there.
#[tokio::test]
async fn a_repair_keeps_nothing() {
    let world = World::start().await;
    let lost = ("app".to_owned(), "3".to_owned());
    let wanted = SyncSpec {
        lost: [lost].into(),
        ..kept(&world, "old-{tag}", &everything())
    };
    let ran = run(&world.to, wanted).await;
    let outcome = ran.of("3");
    assert_eq!(
        (outcome.action, outcome.status),
        (Action::Update, Status::Done)
    );
    assert!(!world.target.tags("app").contains_key("old-3"));
}

#[tokio::test]
async fn a_name_that_another_tag_needs_fails_its_tag() {
    let world = World::start().await;
    image(60).store(&world.source, "app", Some("old-3"));
    image(50).store(&world.target, "app", Some("3"));
    let wanted = || kept(&world, "old-{tag}", &everything());
    let plan = world.plan(wanted()).await;
    let action = plan.actions.iter().find(|a| a.tag == "3").unwrap();
    assert_eq!(action.action, Action::Blocked);
    let ran = run(&world.to, wanted()).await;
    for error in [ran.error("3"), &action.reason] {
        assert!(
            error.contains("the previous image of `app:3` would be kept as `old-3`"),
            "{error}"
        );
        assert!(
            error.contains("app:old-3` is copied to that tag; change `backup_tag`"),
            "{error}"
        );
    }
    assert_eq!(world.target.tags("app")["3"], image(50).digest());
    assert_eq!(deleted(&ran, Status::Done), "");
}

/// The source must not raise the limit by moving tags, whether or not the names are there already.
#[tokio::test]
async fn kept_images_do_not_count_for_the_limit_in_run_and_plan() {
    let world = World::start().await;
    world.leave(&["3", "4"]);
    for seed in [50, 60] {
        image(seed).store(&world.source, "app", Some("1"));
        image(seed + 1).store(&world.source, "app", Some("2"));
        let rules = Prune {
            limit: 19,
            ..world.rules(PruneKind::Gone)
        };
        let wanted = SyncSpec {
            backup_tag: Some("old-{tag}".parse().unwrap()),
            ..world.spec(&everything(), rules)
        };
        blocked(&world, wanted, "3 4", "2 of the 10 tags of `").await;
        assert_eq!(world.tags(), "1 10 2 3 4 5 6 7 8 9 old-1 old-2");
    }
}

#[tokio::test]
async fn an_image_is_not_kept_under_a_name_of_signatures() {
    let world = World::start().await;
    let tag = "a".repeat(64);
    image(20).store(&world.source, "app", Some(&tag));
    image(50).store(&world.target, "app", Some(&tag));
    for ending in ["", ".sig"] {
        let wanted = || kept(&world, &format!("sha256-{{tag}}{ending}"), &everything());
        let name = format!("sha256-{tag}{ending}");
        let plan = world.plan(wanted()).await;
        let action = plan.actions.iter().find(|a| a.tag == tag).unwrap();
        assert_eq!(action.action, Action::Blocked, "{action:?}");
        let ran = run(&world.to, wanted()).await;
        assert!(ran.error(&tag).contains(&name), "{ran:?}");
        let tags = world.target.tags("app");
        assert_eq!(tags[&tag], image(50).digest());
        assert!(!tags.contains_key(&name));
    }
}

#[test]
fn a_template_must_tell_the_tags_apart_and_from_themselves() {
    for (template, reason) in [
        ("{tag}", "that is the tag itself"),
        (
            "old-{date}",
            "without `{tag}` all tags would be kept under one name",
        ),
        ("{digest}", "without `{tag}`"),
        ("{tag", "a `{` without its `}`"),
        ("{tag}/x", "expected 1 to 128 letters"),
    ] {
        let error = template.parse::<BackupTag>().unwrap_err().to_string();
        assert!(error.contains(reason), "{template}: {error}");
    }
}

/// The requests to the target of a plan that keeps nothing.
async fn unkept(world: &World) -> u64 {
    let plan = world.spec(&everything(), world.rules(PruneKind::Selected));
    world.plan(plan).await.costs.target_requests
}

/// What an image that is kept replaces is an overwrite too: its digest is told.
#[tokio::test]
async fn a_kept_image_that_replaces_another_is_told_with_its_digest() {
    let world = World::start().await;
    image(50).store(&world.target, "app", Some("3"));
    image(60).store(&world.target, "app", Some("old-3"));
    let wanted = || kept(&world, "old-{tag}", &everything());
    let told = format!(
        "the previous image as `old-3`, instead of `{}`",
        image(60).digest()
    );
    let plan = world.plan(wanted()).await;
    let action = plan.actions.iter().find(|a| a.tag == "3").unwrap();
    assert!(
        action.reason.ends_with(&format!("keeps {told}")),
        "{action:?}"
    );
    // Another look at the tag, two at the name, the read of the image, and its write.
    assert_eq!(plan.costs.target_requests, unkept(&world).await + 5);
    world.target.requests_clear();
    let ran = run(&world.to, wanted()).await;
    let reason = &ran.of("3").reason;
    assert!(reason.ends_with(&format!("kept {told}")), "{reason}");
    assert_eq!(world.target.tags("app")["old-3"], image(50).digest());
    let requests = world.target.requests();
    let own =
        |one: &&Request| one.path.ends_with("old-3") || one.path.ends_with(image(50).digest());
    assert_eq!(requests.0.iter().filter(own).count(), 4);
}

#[tokio::test]
async fn an_image_that_has_its_other_name_already_is_not_written_again() {
    let world = World::start().await;
    image(50).store(&world.target, "app", Some("3"));
    image(50).store(&world.target, "app", Some("old-3"));
    let wanted = || kept(&world, "old-{tag}", &everything());
    let plan = world.plan(wanted()).await;
    let looked = unkept(&world).await + 3;
    world.target.requests_clear();
    let ran = run(&world.to, wanted()).await;
    let reason = &ran.of("3").reason;
    assert!(
        reason.ends_with("kept the previous image as `old-3`"),
        "{reason}"
    );
    let requests = world.target.requests();
    let writes = requests
        .0
        .iter()
        .filter(|one| one.method == "PUT" && one.path.ends_with("old-3"));
    assert_eq!(writes.count(), 0);
    assert_eq!(plan.costs.target_requests, looked);
}

/// The name is moved by somebody else while the new image is copied: neither image is lost.
#[tokio::test]
async fn a_name_that_is_moved_meanwhile_is_not_overwritten() {
    for was_kept in [false, true] {
        let world = World::start().await;
        image(50).store(&world.target, "app", Some("3"));
        if was_kept {
            image(50).store(&world.target, "app", Some("old-3"));
        }
        image(40).store(&world.source, "app", Some("3"));
        let slow = Happens::Delay(std::time::Duration::from_secs(1));
        world
            .target
            .fault_add(Fault::on("POST", "/blobs/uploads", slow));
        let wanted = kept(&world, "old-{tag}", &literal(&["3"]));
        let write = async {
            while world.target.requests().count("POST", Kind::Upload) == 0 {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            image(60).store(&world.target, "app", Some("old-3"));
        };
        let (ran, ()) = tokio::join!(run(&world.to, wanted), write);
        assert!(ran.error("3").contains("old-3` was moved"), "{ran:?}");
        let tags = world.target.tags("app");
        assert_eq!(tags["3"], image(50).digest());
        assert_eq!(tags["old-3"], image(60).digest());
    }
}
