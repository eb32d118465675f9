//! The last look at a tag and the last question, right before it would be deleted.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::header::CONTENT_TYPE;

use registrysync::oci::Client;
use registrysync::sync::prune::gate::DeleteGate;
use registrysync::sync::prune::settings::PruneKind;
use registrysync::sync::{RunStop, Status, TagOutcome};

use super::guards::run_with;
use super::{World, deleted, image};
use crate::support::images::{self, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action as Happens, Fault};
use crate::support::registry::log::Kind;
use crate::sync::{everything, options, run};

fn by_digest_only(world: &World) {
    let by_tag = Fault::status("DELETE", "/manifests/[0-9]", 405);
    world.target.fault_add(by_tag);
}

#[tokio::test]
async fn a_tag_whose_last_look_fails_is_not_deleted() {
    for by_digest in [false, true] {
        let mut world = World::start().await;
        let mut hasty = options(world.target.address());
        hasty.first_delay = Duration::from_millis(1);
        world.to = Client::new(hasty).unwrap();
        world.leave(&["3", "4"]);
        if by_digest {
            by_digest_only(&world);
        }
        // The decision's; by digest also the two before the refused delete, and that at all tags.
        let looks = if by_digest { 4 } else { 1 };
        let failing = Fault::status("HEAD", "/manifests/4$", 500).after(looks);
        world.target.fault_add(failing);
        let wanted = world.spec(&everything(), world.rules(PruneKind::Gone));
        let ran = run(&world.to, wanted).await;
        assert_eq!(deleted(&ran, Status::Failed), "4", "{ran:?}");
        assert!(ran.error("4").contains("500"), "{ran:?}");
        assert_eq!(deleted(&ran, Status::Done), "", "and nothing after it");
        assert_eq!(world.deletes(), usize::from(by_digest), "{by_digest}");
        assert_eq!(world.target.tags("app").len(), 10);
    }
}

/// Lets all tags but one pass.
#[derive(Debug)]
struct AllBut(&'static str);

impl DeleteGate for AllBut {
    fn pass<'a>(&'a self, expected: &'a TagOutcome) -> BoxFuture<'a, Result<(), String>> {
        let passed = if expected.target_tag == self.0 {
            Err("it isn't ours".to_owned())
        } else {
            Ok(())
        };
        async { passed }.boxed()
    }
}

#[tokio::test]
async fn by_digest_an_image_stays_if_one_of_its_tags_may_not_go() {
    for barred in ["3", "4"] {
        let world = World::with(&[3, 4]).await;
        // `5` is the first, by which it is learnt that tags can't be deleted.
        world.leave(&["3", "4", "5"]);
        by_digest_only(&world);
        let halt = RunStop {
            gate: Some(Arc::new(AllBut(barred))),
            ..RunStop::default()
        };
        let wanted = world.spec(&everything(), world.rules(PruneKind::Gone));
        let (end, warnings) = run_with(&world, wanted, halt).await;
        assert_eq!(end.totals.deleted, 1, "{warnings:?}");
        assert_eq!(world.tags(), "1 10 2 3 4 6 7 8 9");
        let words = format!("app:{barred}` and what comes after it isn't deleted: it isn't ours");
        assert!(warnings[0].contains(&words), "{warnings:?}");
    }
}

/// Lets all tags pass, but one of them gets another image meanwhile.
#[derive(Debug)]
struct Mover {
    tag: &'static str,
    url: String,
    image: Image,
}

impl Mover {
    /// To an image that the target has.
    fn of(world: &World, tag: &'static str, image: Image) -> Self {
        let address = world.target.address();
        Self {
            tag,
            url: format!("http://{address}/v2/app/manifests/{tag}"),
            image,
        }
    }
}

impl DeleteGate for Mover {
    fn pass<'a>(&'a self, expected: &'a TagOutcome) -> BoxFuture<'a, Result<(), String>> {
        let top = &self.image.top;
        let put = images::client()
            .put(&self.url)
            .header(CONTENT_TYPE, &top.media_type)
            .body(top.bytes.clone());
        async move {
            if expected.target_tag == self.tag {
                let answer = put.send().await.map_err(|error| error.to_string())?;
                assert_eq!(answer.status(), 201);
            }
            Ok(())
        }
        .boxed()
    }
}

#[tokio::test]
async fn by_digest_an_image_stays_whose_tag_is_moved_while_the_gate_is_passed() {
    let world = World::start().await;
    // By `5` it is learnt that tags can't be deleted.
    world.leave(&["3", "5"]);
    by_digest_only(&world);
    let halt = RunStop {
        gate: Some(Arc::new(Mover::of(&world, "3", image(4)))),
        ..RunStop::default()
    };
    let wanted = world.spec(&everything(), world.rules(PruneKind::Gone));
    let (end, warnings) = run_with(&world, wanted, halt).await;
    assert_eq!(end.totals.deleted, 1, "{warnings:?}");
    assert_eq!(world.target.tags("app")["3"], image(4).digest());
    let left = world.target.manifest("app", image(3).digest());
    assert!(left.is_some(), "{:?}", world.target.requests());
    assert!(
        warnings
            .iter()
            .any(|text| text.contains("app:3` isn't deleted: somebody else has overwritten it")),
        "{warnings:?}"
    );
}

/// Waits until the registry was asked to delete something.
async fn until_deleting(registry: &Registry) {
    while registry.requests().count("DELETE", Kind::Manifest) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Somebody writes the tag before a delete is tried again: theirs stays.
#[tokio::test]
async fn a_delete_is_not_tried_again_without_a_look() {
    for by_digest in [false, true] {
        let world = World::start().await;
        world.leave(&["3"]);
        let mut at = "/manifests/3$";
        if by_digest {
            by_digest_only(&world);
            at = "/manifests/sha256";
        }
        let busy = Happens::Answer {
            status: 429,
            headers: vec![("Retry-After", "2".to_owned())],
            body: String::new(),
        };
        world
            .target
            .fault_add(Fault::on("DELETE", at, busy).times(1));
        let wanted = world.spec(&everything(), world.rules(PruneKind::Gone));
        let write = async {
            until_deleting(&world.target).await;
            image(99).store(&world.target, "app", Some("3"));
        };
        let (ran, ()) = tokio::join!(run(&world.to, wanted), write);
        assert_eq!(deleted(&ran, Status::Done), "", "{ran:?}");
        assert_eq!(world.target.tags("app")["3"], image(99).digest());
        assert!(
            ran.warnings
                .iter()
                .any(|text| text.contains("somebody else has overwritten it")),
            "{:?}",
            ran.warnings
        );
    }
}

/// A first request that finds nothing was slower than somebody else's.
#[tokio::test]
async fn a_delete_that_somebody_else_has_made_is_not_this_runs() {
    let world = World::start().await;
    world.leave(&["3"]);
    let gone = Happens::AnswerReplaced { status: 404 };
    world
        .target
        .fault_add(Fault::on("DELETE", "/manifests/3$", gone));
    let wanted = world.spec(&everything(), world.rules(PruneKind::Gone));
    let ran = run(&world.to, wanted).await;
    assert_eq!(deleted(&ran, Status::Done), "", "{ran:?}");
    let place = format!("{}/app", world.target.address());
    assert_eq!(ran.forgotten, [(place, vec!["3".to_owned()])]);
}
