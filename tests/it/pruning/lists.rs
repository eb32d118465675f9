//! A target's list of tags that lacks tags which are there.

use registrysync::sync::prune::settings::PruneKind;
use registrysync::sync::{Action, Status};

use super::{World, deleted, planned};
use crate::support::registry::faults::{Action as Happens, Fault};
use crate::sync::{everything, run};

/// The target lists these tags, whatever it has.
fn lists(world: &World, tags: &[&str]) {
    let listed = Happens::Answer {
        status: 200,
        headers: Vec::new(),
        body: serde_json::json!({"name": "app", "tags": tags}).to_string(),
    };
    world
        .target
        .fault_add(Fault::on("GET", "/tags/list", listed));
}

#[tokio::test]
async fn a_list_that_lacks_a_tag_forbids_deletes_and_forgets_nothing() {
    let world = World::start().await;
    world.leave(&["3", "4"]);
    for tags in [&["1", "2", "4", "5", "6", "7", "8", "9", "10"][..], &[]] {
        lists(&world, tags);
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
