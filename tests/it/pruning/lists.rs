//! Lists of tags, of a target or a source, that lack tags which are there.

use registrysync::sync::prune::settings::PruneKind;
use registrysync::sync::{Action, Status};

use super::{World, deleted, planned};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action as Happens, Fault};
use crate::sync::{everything, run};

/// The registry lists these tags, whatever it has.
fn lists(registry: &Registry, tags: &[&str]) {
    let listed = Happens::Answer {
        status: 200,
        headers: Vec::new(),
        body: serde_json::json!({"name": "app", "tags": tags}).to_string(),
    };
    registry.fault_add(Fault::on("GET", "/tags/list", listed));
}

#[tokio::test]
async fn a_list_that_lacks_a_tag_forbids_deletes_and_forgets_nothing() {
    let world = World::start().await;
    world.leave(&["3", "4"]);
    for tags in [&["1", "2", "4", "5", "6", "7", "8", "9", "10"][..], &[]] {
        lists(&world.target, tags);
        let wanted = || world.spec(&everything(), world.rules(PruneKind::Gone));
        let plan = world.plan(wanted()).await;
        assert_eq!(plan.delete, 0, "{plan:?}");
        let ran = run(&world.to, wanted()).await;
        assert_eq!(deleted(&ran, Status::Done), "", "{ran:?}");
        assert_eq!(ran.forgotten, []);
        for outcome in ran.outcomes.iter().filter(|o| o.action == Action::Delete) {
            assert!(
                outcome.reason.contains("lacks `3`, which is there"),
                "{outcome:?}"
            );
        }
        world.target.faults_clear();
    }
    let ran = run(
        &world.to,
        world.spec(&everything(), world.rules(PruneKind::Gone)),
    )
    .await;
    assert_eq!(deleted(&ran, Status::Done), "3 4");
}

#[tokio::test]
async fn a_tag_that_is_gone_is_forgotten_and_not_planned() {
    let world = World::start().await;
    world.leave(&["3", "4"]);
    world.target.tag_remove("app", "3");
    let wanted = || world.spec(&everything(), world.rules(PruneKind::Gone));
    assert_eq!(planned(&world.plan(wanted()).await, Action::Delete), "4");
    let ran = run(&world.to, wanted()).await;
    let place = format!("{}/app", world.target.address());
    assert_eq!(ran.forgotten, [(place, vec!["3".to_owned()])]);
    assert_eq!(deleted(&ran, Status::Done), "4");
}

/// What seems to have left the source is asked for by name before it goes.
#[tokio::test]
async fn a_source_list_that_lacks_a_tag_forbids_deletes() {
    for kind in [PruneKind::Gone, PruneKind::Selected] {
        let world = World::start().await;
        world.leave(&["4"]);
        let listed = ["1", "2", "5", "6", "7", "8", "9", "10"];
        lists(&world.source, &listed);
        let wanted = || world.spec(&everything(), world.rules(kind));
        let plan = world.plan(wanted()).await;
        assert_eq!(planned(&plan, Action::Blocked), "3 4");
        let ran = run(&world.to, wanted()).await;
        assert_eq!(deleted(&ran, Status::Blocked), "3 4", "{ran:?}");
        for outcome in ran.outcomes.iter().filter(|o| o.action == Action::Delete) {
            let why = format!("`{}/app` lacks `3`, which is there", world.source.address());
            assert!(outcome.reason.contains(&why), "{outcome:?}");
        }
        world.source.faults_clear();
        let ran = run(&world.to, wanted()).await;
        assert_eq!(deleted(&ran, Status::Done), "4");
    }
}

/// A source that lists its tags and doesn't answer for one of them.
#[tokio::test]
async fn a_tag_that_the_source_does_not_answer_for_stays() {
    let world = World::start().await;
    world.leave(&["3"]);
    let refusal = Fault::status("HEAD", "/manifests/3$", 403);
    world.source.fault_add(refusal);
    let ran = run(
        &world.to,
        world.spec(&everything(), world.rules(PruneKind::Gone)),
    )
    .await;
    assert_eq!(deleted(&ran, Status::Blocked), "3", "{ran:?}");
    assert_eq!(world.deletes(), 0);
}
