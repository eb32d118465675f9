//! Tags that have other names at the target than at the source.

use registrysync::sync::prune::settings::{Prune, PruneKind};
use registrysync::sync::selection::pattern::Pattern;
use registrysync::sync::{Action, Status, SyncSpec};

use super::{World, deleted, image, planned, written};
use crate::sync::{everything, item, regex, run, spec};

fn named(wanted: SyncSpec) -> SyncSpec {
    SyncSpec {
        target_tag: Some("x-{tag}".parse().unwrap()),
        ..wanted
    }
}

/// The project has written `x-1` to `x-10`.
async fn world() -> World {
    let mut world = World::start().await;
    let all = spec(vec![item(&world.from, "app", &everything())]);
    let ran = run(&world.to, named(all)).await;
    ran.all_done(Action::Copy, 10);
    world.written = written(&ran);
    world
}

#[tokio::test]
async fn a_tag_goes_once_its_name_at_the_source_is_gone() {
    let world = world().await;
    world.leave(&["3"]);
    image(3).store(&world.source, "app", Some("x-3"));
    // `9` and `10` aren't selected any more, but the source has them.
    let wanted = || named(world.spec(&regex("^[1-8]$"), world.rules(PruneKind::Gone)));
    let plan = world.plan(wanted()).await;
    assert_eq!(planned(&plan, Action::Delete), "3");
    let ran = run(&world.to, wanted()).await;
    assert_eq!(deleted(&ran, Status::Done), "x-3", "{ran:?}");
}

#[tokio::test]
async fn a_tag_is_protected_by_its_name_at_the_target() {
    let world = world().await;
    world.leave(&["3", "4"]);
    let rules = Prune {
        protect: Some(Pattern::new("^(x-3|4)$").unwrap()),
        ..world.rules(PruneKind::Gone)
    };
    let ran = run(&world.to, named(world.spec(&everything(), rules))).await;
    assert_eq!(deleted(&ran, Status::Done), "x-4", "{ran:?}");
}
