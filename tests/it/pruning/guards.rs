//! What forbids all deletes of a place.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use registrysync::sync::course::EarlierWork;
use registrysync::sync::input::spec::OnlyTags;
use registrysync::sync::progress::{Event, Reporter};
use registrysync::sync::prune::gate::DeleteGate;
use registrysync::sync::prune::settings::{Prune, PruneKind};
use registrysync::sync::{Action, Engine, RunEnd, RunStop, Status, SyncSpec, TagOutcome};

use super::{World, deleted, head, planned};
use crate::support::images::OCI_MANIFEST;
use crate::support::registry::faults::{Action as Happens, Fault, Quirk};
use crate::sync::{everything, item, literal, regex, repository, run};

/// Nothing was deleted; both the run and the plan say why.
pub(super) async fn blocked(world: &World, wanted: SyncSpec, expected: &str, why: &str) {
    let plan = world.plan(wanted.clone()).await;
    assert_eq!(plan.delete, 0, "{plan:?}");
    for tag in expected.split(' ') {
        let action = plan
            .actions
            .iter()
            .find(|a| a.tag == tag && a.reason.contains("not deleted"));
        let action = action.unwrap_or_else(|| panic!("`{tag}` in {plan:?}"));
        assert_eq!(action.action, Action::Blocked);
        assert!(action.reason.contains(why), "{action:?}");
    }
    let ran = run(&world.to, wanted).await;
    assert_eq!(deleted(&ran, Status::Blocked), expected, "{ran:?}");
    let outcome = ran
        .outcomes
        .iter()
        .find(|o| o.action == Action::Delete)
        .unwrap();
    assert!(outcome.reason.contains(why), "{outcome:?}");
    assert_eq!((ran.end.totals.deleted, world.deletes()), (0, 0));
}

fn gone(world: &World) -> SyncSpec {
    world.spec(&everything(), world.rules(PruneKind::Gone))
}

fn forced(mut wanted: SyncSpec) -> SyncSpec {
    if let Some(rules) = &mut wanted.prune {
        rules.force = true;
    }
    wanted
}

#[tokio::test]
async fn a_listing_that_fails_or_breaks_off_forbids_even_with_force() {
    let world = World::start().await;
    // `3` has left the source as the first page shows it; the second one fails.
    world.leave(&["3"]);
    world
        .source
        .fault_add(Fault::status("GET", "/tags/list", 500));
    let selected = world.spec(&everything(), world.rules(PruneKind::Selected));
    let ran = run(&world.to, forced(selected)).await;
    assert_eq!(deleted(&ran, Status::Done), "");
    assert_eq!(ran.end.totals.deleted + world.deletes() as u64, 0);
    let outcome = ran
        .outcomes
        .iter()
        .find(|o| o.action == Action::Delete)
        .unwrap();
    assert!(outcome.reason.contains("not deleted: "), "{outcome:?}");
}

/// Literal tags need no listing to be copied, but deleting does.
#[tokio::test]
async fn a_failed_listing_of_literal_tags_forbids_deletes_and_not_copies() {
    let world = World::start().await;
    world
        .source
        .fault_add(Fault::status("GET", "/tags/list", 403));
    let wanted = world.spec(&literal(&["1", "2"]), world.rules(PruneKind::Selected));
    blocked(
        &world,
        forced(wanted),
        "10 3 4 5 6 7 8 9",
        "app` aren't known: source `",
    )
    .await;
}

#[tokio::test]
async fn a_listing_with_invalid_names_forbids() {
    let world = World::start().await;
    world.leave(&["3"]);
    let body =
        r#"{"name": "app", "tags": ["1", "2", "4", "5", "6", "7", "8", "9", "10", "not/a tag"]}"#;
    world.source.fault_add(Fault::on(
        "GET",
        "/tags/list",
        Happens::Answer {
            status: 200,
            headers: Vec::new(),
            body: body.to_owned(),
        },
    ));
    blocked(
        &world,
        forced(gone(&world)),
        "3",
        "names that are not valid tags",
    )
    .await;
}

#[tokio::test]
async fn an_empty_source_forbids_without_force() {
    let world = World::start().await;
    let all = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"];
    world.leave(&all);
    world.source.quirk_set(Quirk::TagsNull, true);
    let every = "1 10 2 3 4 5 6 7 8 9";
    blocked(
        &world,
        gone(&world),
        every,
        "app` has no tags; if that is right",
    )
    .await;
    let ran = run(&world.to, forced(gone(&world))).await;
    assert_eq!(deleted(&ran, Status::Done), every);
    assert_eq!(world.tags(), "");
}

#[tokio::test]
async fn a_selection_of_nothing_forbids_without_force() {
    let world = World::start().await;
    let nothing = || world.spec(&regex("^x"), world.rules(PruneKind::Selected));
    let every = "1 10 2 3 4 5 6 7 8 9";
    blocked(
        &world,
        nothing(),
        every,
        "app` is selected; if that is right",
    )
    .await;
    let ran = run(&world.to, forced(nothing())).await;
    assert_eq!(deleted(&ran, Status::Done), every);
}

#[tokio::test]
async fn the_targets_listing_must_be_known() {
    let world = World::start().await;
    world.leave(&["3"]);
    world
        .target
        .fault_add(Fault::status("GET", "/tags/list", 403));
    blocked(
        &world,
        forced(gone(&world)),
        "3",
        "the target's tags can't be listed",
    )
    .await;
}

#[tokio::test]
async fn a_failed_tag_forbids() {
    let world = World::start().await;
    world.leave(&["3"]);
    super::image(40).store(&world.source, "app", Some("4"));
    world
        .source
        .fault_add(Fault::status("GET", "/manifests/sha256", 403));
    blocked(
        &world,
        forced(gone(&world)),
        "3",
        "app:4` isn't as it should be",
    )
    .await;
}

#[tokio::test]
async fn a_collision_forbids_at_its_place_only() {
    let world = World::start().await;
    world.leave(&["3"]);
    super::image(90).store(&world.source, "other", Some("4"));
    let mut other = item(&world.from, "other", &literal(&["4"]));
    other.target_repository = Some(repository("app"));
    let mut wanted = forced(gone(&world));
    wanted.items.push(other);
    blocked(&world, wanted, "3", "both go to this tag").await;

    // A failure elsewhere doesn't matter here.
    let mut wanted = gone(&world);
    wanted
        .items
        .push(item(&world.from, "missing", &everything()));
    let plan = world.plan(wanted.clone()).await;
    assert_eq!(planned(&plan, Action::Delete), "3");
    let ran = run(&world.to, wanted).await;
    assert_eq!(
        (ran.end.totals.failed, ran.end.totals.deleted),
        (1, 1),
        "{ran:?}"
    );
}

/// Even one that only another place needs: what is known of the network can't be trusted.
#[tokio::test]
async fn a_registry_that_can_not_be_reached_forbids() {
    let world = World::start().await;
    world.leave(&["3"]);
    let mut wanted = forced(gone(&world));
    let away = crate::sync::client("127.0.0.1:1");
    wanted.items.push(item(&away, "other", &everything()));
    blocked(
        &world,
        wanted,
        "3",
        "a registry can't be reached: source `127.0.0.1:1`",
    )
    .await;
}

#[tokio::test]
async fn more_than_the_limit_is_all_or_nothing() {
    let world = World::start().await;
    world.leave(&["3", "4", "5"]);
    let limited = |limit| {
        world.spec(
            &everything(),
            Prune {
                limit,
                ..world.rules(PruneKind::Gone)
            },
        )
    };
    blocked(&world, limited(29), "3 4 5", "3 of the 10 tags of `").await;
    blocked(
        &world,
        limited(20),
        "3 4 5",
        "but `prune_limit` is 20 % (2); if that is right, run the project once with `force`",
    )
    .await;
    // Thirty percent of ten are three.
    let ran = run(&world.to, limited(30)).await;
    assert_eq!(deleted(&ran, Status::Done), "3 4 5");
    world.leave(&["6", "7", "8"]);
    let ran = run(&world.to, forced(limited(1))).await;
    assert_eq!(deleted(&ran, Status::Done), "6 7 8");
}

/// The source must not raise the limit by adding tags.
#[tokio::test]
async fn the_limit_counts_the_tags_before_the_copies_in_run_and_plan() {
    let world = World::start().await;
    world.leave(&["3", "4"]);
    for number in 11..=40 {
        super::image(number).store(&world.source, "app", Some(&number.to_string()));
    }
    let limited = |limit| {
        world.spec(
            &everything(),
            Prune {
                limit,
                ..world.rules(PruneKind::Gone)
            },
        )
    };
    blocked(&world, limited(19), "3 4", "2 of the 10 tags of `").await;
    // Now they were there before.
    let plan = world.plan(limited(19)).await;
    assert_eq!(planned(&plan, Action::Delete), "3 4");
    let ran = run(&world.to, limited(19)).await;
    assert_eq!(deleted(&ran, Status::Done), "3 4");
}

/// A take-over must not raise the limit.
#[tokio::test]
async fn what_earlier_attempts_did_counts_for_the_limit() {
    let earlier = |added: &[&str], deleted| EarlierWork {
        added: added.iter().map(ToString::to_string).collect(),
        deleted,
        ..EarlierWork::default()
    };
    // Two of ten tags, three of eleven, one of four.
    for (earlier, leave, deletes) in [
        (earlier(&[], 0), vec!["3", "4"], 2),
        (earlier(&[], 1), vec!["3", "4"], 0),
        (earlier(&["5", "6", "7", "8", "9", "10"], 0), vec!["3"], 0),
    ] {
        let world = World::start().await;
        world.leave(&leave);
        let rules = Prune {
            limit: 20,
            ..world.rules(PruneKind::Gone)
        };
        let halt = RunStop {
            earlier: earlier.clone(),
            ..RunStop::default()
        };
        let (end, _) = run_with(&world, world.spec(&everything(), rules), halt).await;
        let blocked = leave.len() as u64 - deletes;
        assert_eq!(
            (end.totals.deleted, end.totals.blocked),
            (deletes, blocked),
            "{earlier:?}"
        );
        assert_eq!(world.deletes() as u64, deletes, "{earlier:?}");
    }
}

#[tokio::test]
async fn a_retry_deletes_nothing() {
    let world = World::start().await;
    world.leave(&["3"]);
    let mut only = OnlyTags::default();
    only.add("app".to_owned(), String::new());
    let wanted = SyncSpec {
        only: Some(only),
        ..forced(gone(&world))
    };
    assert_eq!(world.plan(wanted.clone()).await.delete, 0);
    let ran = run(&world.to, wanted).await;
    assert_eq!((ran.end.totals.deleted, world.deletes()), (0, 0));
}

/// Passes a few times.
#[derive(Debug)]
struct Turnstile {
    left: AtomicUsize,
    /// Cancelled when it is asked.
    cancels: CancellationToken,
}

impl DeleteGate for Turnstile {
    fn pass<'a>(&'a self, _: &'a TagOutcome) -> BoxFuture<'a, Result<(), String>> {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 1 {
            self.cancels.cancel();
        }
        let passed = if left == 0 {
            Err("it is closed".to_owned())
        } else {
            Ok(())
        };
        async { passed }.boxed()
    }
}

pub(super) async fn run_with(
    world: &World,
    wanted: SyncSpec,
    halt: RunStop,
) -> (RunEnd, Vec<String>) {
    let engine = Engine::new(world.to.clone(), wanted);
    let (sender, mut receiver) = mpsc::channel(4);
    let listen = async {
        let mut warnings = Vec::new();
        while let Some(event) = receiver.recv().await {
            if let Event::Warning(text) = event {
                warnings.push(text);
            }
        }
        warnings
    };
    tokio::join!(engine.run(Reporter::new(sender), halt), listen)
}

#[tokio::test]
async fn the_gate_is_asked_before_each_delete_by_tag_and_by_digest() {
    for by_digest in [false, true] {
        let world = World::start().await;
        world.leave(&["3", "4", "5"]);
        if by_digest {
            let by_tag = Fault::status("DELETE", "/manifests/[0-9]", 405);
            world.target.fault_add(by_tag);
        }
        let gate = Turnstile {
            left: AtomicUsize::new(if by_digest { 3 } else { 2 }),
            cancels: CancellationToken::new(),
        };
        let halt = RunStop {
            gate: Some(Arc::new(gate)),
            ..RunStop::default()
        };
        let (end, warnings) = run_with(&world, gone(&world), halt).await;
        assert_eq!(end.totals.deleted, 2, "{warnings:?}");
        assert_eq!(world.target.tags("app").len(), 8);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(
            warnings[0].ends_with("isn't deleted: it is closed"),
            "{warnings:?}"
        );
    }
}

/// The drain is asked for while the first tag passes the gate: that one may still go, no other.
#[tokio::test]
async fn draining_and_cancelling_end_the_deletes() {
    for is_drain in [true, false] {
        let world = World::start().await;
        world.leave(&["3", "4", "5"]);
        let stop = CancellationToken::new();
        let gate = Turnstile {
            left: AtomicUsize::new(1),
            cancels: stop.clone(),
        };
        let mut halt = RunStop {
            gate: Some(Arc::new(gate)),
            ..RunStop::default()
        };
        if is_drain {
            halt.drain = stop;
        } else {
            halt.cancel = stop;
        }
        let (end, _) = run_with(&world, gone(&world), halt).await;
        assert!(world.deletes() <= 1, "{}", world.deletes());
        assert!(world.target.tags("app").len() >= 9);
        assert_eq!((end.drained, end.cancelled), (is_drain, !is_drain));
    }
}

/// The token alone ends them, whatever the gate says.
#[tokio::test]
async fn draining_ends_the_deletes_while_the_gate_is_open() {
    let world = World::start().await;
    world.leave(&["3", "4", "5"]);
    let drain = CancellationToken::new();
    let gate = Turnstile {
        left: AtomicUsize::new(2),
        cancels: drain.clone(),
    };
    let halt = RunStop {
        gate: Some(Arc::new(gate)),
        drain,
        ..RunStop::default()
    };
    let (end, warnings) = run_with(&world, gone(&world), halt).await;
    assert_eq!((end.totals.deleted, world.deletes()), (2, 2));
    assert!(end.drained && warnings.is_empty(), "{warnings:?}");
}

#[tokio::test]
async fn a_tag_at_the_target_that_can_not_be_checked_forbids() {
    let world = World::start().await;
    world.leave(&["3", "4"]);
    world
        .target
        .fault_add(Fault::status("HEAD", "/manifests/4$", 403));
    blocked(&world, gone(&world), "3 4", "`4` can't be checked").await;
}

#[tokio::test]
async fn a_registry_that_is_busy_is_not_asked_for_the_next_delete() {
    let world = World::start().await;
    world.leave(&["3", "4", "5"]);
    let busy = Happens::Answer {
        status: 429,
        headers: vec![("retry-after", "3600".to_owned())],
        body: String::new(),
    };
    world
        .target
        .fault_add(Fault::on("DELETE", "/manifests/", busy));
    let ran = run(&world.to, gone(&world)).await;
    assert_eq!(deleted(&ran, Status::Failed), "5", "{ran:?}");
    assert_eq!(world.deletes(), 1);
}

/// Between the decision and the delete somebody overwrites the tag.
#[tokio::test]
async fn each_tag_is_looked_at_once_more_right_before_it_goes() {
    for by_digest in [false, true] {
        let world = World::start().await;
        world.leave(&["3"]);
        if by_digest {
            let by_tag = Fault::status("DELETE", "/manifests/[0-9]", 405);
            world.target.fault_add(by_tag);
        }
        let other = super::image(99).digest().to_owned();
        let looks = if by_digest { 3 } else { 1 };
        let overwritten = head(&other, OCI_MANIFEST);
        let fault = Fault::on("HEAD", "/manifests/3$", overwritten).after(looks);
        world.target.fault_add(fault);
        let ran = run(&world.to, gone(&world)).await;
        assert_eq!(ran.end.totals.deleted, 0, "{ran:?}");
        assert!(world.target.tags("app").contains_key("3"));
        assert!(
            ran.warnings[0].contains("has overwritten it"),
            "{:?}",
            ran.warnings
        );
    }
}
