//! Which tags go, and which stay.

use std::collections::HashMap;

use registrysync::sync::input::referrer_choice::ReferrerChoice;
use registrysync::sync::prune::settings::{Prune, PruneKind};
use registrysync::sync::selection::pattern::Pattern;
use registrysync::sync::{Action, Engine, Status, SyncSpec};

use super::{World, deleted, image, planned, rules, written};
use crate::support::images::{Image, OCI_MANIFEST};
use crate::support::registry::Registry;
use crate::sync::{client, everything, item, literal, regex, run, spec};

#[tokio::test]
async fn tags_that_left_the_source_go_as_planned_and_no_others() {
    let world = World::start().await;
    world.leave(&["3", "4"]);
    // Nobody recorded this one.
    image(77).store(&world.target, "app", Some("foreign"));
    let wanted = || world.spec(&everything(), world.rules(PruneKind::Gone));
    let plan = world.plan(wanted()).await;
    assert_eq!(planned(&plan, Action::Delete), "3 4");
    assert_eq!((plan.delete, plan.skip, plan.blocked), (2, 8, 0));
    let action = plan.actions.iter().find(|a| a.tag == "3").unwrap();
    assert_eq!(
        action.previous_digest.as_ref().unwrap().as_str(),
        image(3).digest()
    );
    assert!(
        action.reason.contains("`3` has left the source"),
        "{action:?}"
    );
    assert_eq!(world.deletes(), 0, "a plan writes nothing");

    let ran = run(&world.to, wanted()).await;
    assert_eq!(deleted(&ran, Status::Done), "3 4");
    assert_eq!((ran.end.totals.deleted, ran.end.totals.selected), (2, 8));
    let outcome = ran.of("3");
    assert_eq!(
        outcome.previous_digest.as_ref().unwrap().as_str(),
        image(3).digest()
    );
    assert_eq!(
        (&outcome.target_digest, outcome.repository.as_str()),
        (&None, "app")
    );
    assert_eq!(outcome.target, format!("{}/app:3", world.target.address()));
    assert_eq!(world.tags(), "1 10 2 5 6 7 8 9 foreign");
    assert!(ran.warnings.is_empty(), "{:?}", ran.warnings);

    // Records of tags that are gone are no reason to ask again.
    world.target.requests_clear();
    let again = run(&world.to, wanted()).await;
    assert_eq!((again.end.totals.deleted, world.deletes()), (0, 0));
}

#[tokio::test]
async fn a_smaller_selection_deletes_only_if_that_is_asked() {
    let world = World::start().await;
    let few = regex("^[1-8]$");
    for (kind, expected) in [(PruneKind::Gone, ""), (PruneKind::Selected, "10 9")] {
        let ran = run(&world.to, world.spec(&few, world.rules(kind))).await;
        assert_eq!(deleted(&ran, Status::Done), expected, "{kind}");
    }
    assert_eq!(world.tags(), "1 2 3 4 5 6 7 8");
}

/// A catalogue may leave out a repository for a day.
#[tokio::test]
async fn what_came_from_a_repository_that_a_pattern_does_not_find_stays_without_force() {
    let world = World::start().await;
    let mut rules = world.rules(PruneKind::Selected);
    for record in rules.written.values_mut().flatten().take(2) {
        record.source = format!("{}/lost", world.source.address());
    }
    world.leave(&["1", "10", "2"]);
    for (by_pattern, force, expected) in
        [(true, false, "2"), (true, true, "1 10"), (false, false, "")]
    {
        let rules = Prune {
            by_pattern,
            force,
            ..rules.clone()
        };
        let ran = run(&world.to, world.spec(&everything(), rules)).await;
        assert_eq!(deleted(&ran, Status::Done), expected);
    }
}

#[tokio::test]
async fn without_the_option_nothing_goes() {
    let world = World::start().await;
    world.leave(&["3"]);
    let ran = run(
        &world.to,
        spec(vec![item(&world.from, "app", &everything())]),
    )
    .await;
    assert_eq!((ran.end.totals.deleted, world.deletes()), (0, 0));
}

#[tokio::test]
async fn a_tag_that_was_overwritten_or_is_another_projects_too_stays() {
    let world = World::start().await;
    world.leave(&["3", "4", "5"]);
    image(99).store(&world.target, "app", Some("3"));
    let mut rules = world.rules(PruneKind::Gone);
    for record in rules.written.values_mut().flatten() {
        record.is_shared = record.tag == "4";
    }
    let ran = run(&world.to, world.spec(&everything(), rules)).await;
    assert_eq!(deleted(&ran, Status::Done), "5");
    assert!(world.tags().contains("3 4 6"), "{}", world.tags());
    assert_eq!(ran.warnings.len(), 1);
    assert!(
        ran.warnings[0].contains("app:3` isn't deleted: somebody else has overwritten it"),
        "{:?}",
        ran.warnings
    );
}

#[tokio::test]
async fn protected_tags_and_the_newest_stay() {
    let world = World::start().await;
    world.leave(&["3", "4", "5", "6", "9", "10"]);
    let mut all = Prune {
        protect: Some(Pattern::new("^[34]$").unwrap()),
        retain: 2,
        ..world.rules(PruneKind::Gone)
    };
    // `5` was written last; the others at one time, so that the natural order decides.
    for record in all.written.values_mut().flatten() {
        if record.tag == "5" {
            record.written_at = "2026-03-02T12:00:00".parse().unwrap();
        }
    }
    let wanted = || world.spec(&everything(), all.clone());
    let plan = world.plan(wanted()).await;
    assert_eq!(planned(&plan, Action::Delete), "6 9");
    let ran = run(&world.to, wanted()).await;
    assert_eq!(deleted(&ran, Status::Done), "6 9");
    assert_eq!(world.tags(), "1 10 2 3 4 5 7 8");
}

#[tokio::test]
async fn the_same_tag_from_another_item_stays() {
    let world = World::start().await;
    world.leave(&["3"]);
    image(3).store(&world.source, "other", Some("3"));
    let mut other = item(&world.from, "other", &everything());
    other.target_repository = Some(crate::sync::repository("app"));
    let mut wanted = world.spec(&everything(), world.rules(PruneKind::Selected));
    wanted.items.push(other);
    let ran = run(&world.to, wanted).await;
    assert_eq!((ran.end.totals.deleted, world.deletes()), (0, 0), "{ran:?}");
}

#[tokio::test]
async fn a_removed_item_deletes_under_selected_only_while_its_place_has_another() {
    let world = World::start().await;
    image(50).store(&world.source, "other", Some("50"));
    let other = || {
        let mut other = item(&world.from, "other", &everything());
        other.target_repository = Some(crate::sync::repository("app"));
        other
    };
    let only_other = |kind| SyncSpec {
        prune: Some(world.rules(kind)),
        ..spec(vec![other()])
    };
    // Whether a tag has left a source that isn't read isn't known.
    let ran = run(&world.to, only_other(PruneKind::Gone)).await;
    assert_eq!(ran.end.totals.deleted, 0);
    // A place without items is left alone.
    let elsewhere = SyncSpec {
        prune: Some(world.rules(PruneKind::Selected)),
        ..spec(vec![item(&world.from, "other", &everything())])
    };
    let ran = run(&world.to, elsewhere).await;
    assert_eq!((ran.end.totals.deleted, world.deletes()), (0, 0));
    let ran = run(&world.to, only_other(PruneKind::Selected)).await;
    assert_eq!(ran.end.totals.deleted, 10);
    assert_eq!(world.tags(), "50");
}

#[tokio::test]
async fn an_item_of_literal_tags_lists_its_source_too() {
    let world = World::start().await;
    world.leave(&["3"]);
    let tags = ["1", "2"];
    let wanted = || world.spec(&literal(&tags), world.rules(PruneKind::Gone));
    let ran = run(&world.to, wanted()).await;
    assert_eq!(deleted(&ran, Status::Done), "3");
}

/// A signature that is carried along isn't deleted, even if it was once copied as a tag of its own.
#[tokio::test]
async fn tags_of_referrers_that_are_carried_along_stay() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let kept = image(1);
    kept.store(&source, "app", Some("1"));
    let signature = |of: &Image| format!("{}.sig", of.digest().replace(':', "-"));
    let own = image(2);
    own.store(&source, "app", Some(&signature(&kept)));
    let (from, to) = (client(source.address()), client(target.address()));
    let ran = run(&to, spec(vec![item(&from, "app", &everything())])).await;
    ran.all_done(Action::Copy, 2);
    let place = format!("{}/app", target.address());
    let wanted = |referrers| SyncSpec {
        referrers,
        prune: Some(rules(
            PruneKind::Selected,
            HashMap::from([(place.clone(), written(&ran))]),
        )),
        ..spec(vec![item(&from, "app", &literal(&["1"]))])
    };
    let all = wanted(ReferrerChoice::All);
    let plan = Engine::new(to.clone(), all.clone()).plan().await;
    assert_eq!(plan.delete, 0);
    let carried = run(&to, all).await;
    assert_eq!(
        (carried.end.totals.deleted, carried.end.totals.failed),
        (0, 0)
    );
    // Without referrers it is a tag as any other.
    let ran = run(&to, wanted(ReferrerChoice::None)).await;
    assert_eq!(ran.end.totals.deleted, 1, "{ran:?}");
    assert_eq!(target.tags("app").into_keys().collect::<Vec<_>>(), ["1"]);
    assert!(
        target
            .manifest("app", own.digest())
            .is_some_and(|(kind, _)| kind == OCI_MANIFEST)
    );
}
