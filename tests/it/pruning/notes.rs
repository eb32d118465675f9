//! What a plan says of tags that stay although they have left the source.

use registrysync::sync::Action;
use registrysync::sync::prune::settings::{Prune, PruneKind};
use registrysync::sync::selection::pattern::Pattern;

use super::{World, image, planned};
use crate::sync::everything;

#[tokio::test]
async fn a_plan_counts_protected_retained_and_shared_tags() {
    let world = World::start().await;
    world.leave(&["2", "3", "4", "5", "6"]);
    let mut rules = Prune {
        protect: Some(Pattern::new("^[23]$").unwrap()),
        retain: 1,
        ..world.rules(PruneKind::Gone)
    };
    for written in rules.written.values_mut().flatten() {
        written.is_shared = written.tag == "4";
    }
    let plan = world.plan(world.spec(&everything(), rules)).await;
    assert_eq!(planned(&plan, Action::Delete).len(), 1, "{plan:?}");
    let told = plan.warnings.join("\n");
    let stays = "app`: 4 tags stay: 2 protected by `prune_protect_regex`, 1 kept by \
        `prune_retain`, 1 needed by another project too";
    assert!(told.ends_with(stays), "{told}");
}

/// A plan doesn't look at all tags of a very large repository.
#[tokio::test]
async fn a_plan_says_that_it_did_not_look_at_the_tags_of_a_large_repository() {
    let world = World::start().await;
    world.leave(&["3"]);
    for number in 0..2000 {
        image(1).store(&world.target, "app", Some(&format!("x{number}")));
    }
    let looks = |world: &World| {
        let requests = world.target.requests();
        requests
            .0
            .iter()
            .filter(|one| one.path.contains("/manifests/x"))
            .count()
    };
    let plan = world
        .plan(world.spec(&everything(), world.rules(PruneKind::Gone)))
        .await;
    assert_eq!(
        (planned(&plan, Action::Delete).as_str(), looks(&world)),
        ("3", 0)
    );
    let told = plan.warnings.join("\n");
    assert!(
        told.contains("isn't checked: there are more than 2000 tags"),
        "{told}"
    );
}
