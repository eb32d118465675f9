//! The youngest images, by their creation times at the source.

use std::collections::HashMap;

use registrysync::sync::prune::settings::PruneKind;
use registrysync::sync::selection::newest::NewestBy;
use registrysync::sync::{Action as Done, Engine, SelectorSpec, Status, SyncSpec};

use super::{client, everything, item, run, spec, tags_at};
use crate::pruning::{deleted, rules, written};
use crate::support::images::{AMD64, ARM64, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};

fn youngest(count: u32) -> SelectorSpec {
    SelectorSpec {
        newest: Some(count),
        newest_by: Some(NewestBy::Created),
        ..SelectorSpec::default()
    }
}

/// Tags whose order by name isn't that by age, and one of an index.
async fn aged() -> Registry {
    let source = Registry::start().await;
    for (seed, tag, created) in [
        (1, "d", "2026-01-01T00:00:00Z"),
        (2, "a", "2026-01-02T10:00:00.123456789+02:00"),
        (3, "c", "2026-01-02T09:00:00Z"),
        (4, "undated", ""),
        (5, "odd", "yesterday"),
    ] {
        Image::dated(seed, created).store(&source, "app", Some(tag));
    }
    let children = [
        (AMD64, Image::dated(6, "2026-01-03T00:00:00Z")),
        (ARM64, Image::dated(7, "2020-01-01T00:00:00Z")),
    ];
    Image::index(Format::Oci, &children).store(&source, "app", Some("b"));
    source
}

#[tokio::test]
async fn the_youngest_images_are_copied() {
    let (source, target) = (aged().await, Registry::start().await);
    let from = client(source.address());
    let to = client(target.address());
    for (count, expected) in [
        (1, vec!["b"]),
        (2, vec!["b", "c"]),
        (3, vec!["a", "b", "c"]),
    ] {
        run(&to, spec(vec![item(&from, "app", &youngest(count))])).await;
        let tags = tags_at(target.address(), "app").await;
        assert_eq!(tags.keys().collect::<Vec<_>>(), expected);
    }
    let recent = SelectorSpec {
        newer_than_days: Some(36_500),
        ..SelectorSpec::default()
    };
    let ran = run(&to, spec(vec![item(&from, "app", &recent)])).await;
    assert_eq!((ran.end.totals.selected, ran.end.totals.failed), (4, 0));
}

#[tokio::test]
async fn a_creation_time_that_can_not_be_read_fails_its_tag_only() {
    let (source, target) = (aged().await, Registry::start().await);
    source.fault_add(Fault::status("GET", "/manifests/c$", 403));
    let from = client(source.address());
    let wanted = spec(vec![item(&from, "app", &youngest(2))]);
    let ran = run(&client(target.address()), wanted).await;
    assert!(
        ran.error("c").contains("its creation time can't be read: "),
        "{ran:?}"
    );
    assert!(ran.error("c").contains("403"), "{ran:?}");
    assert_eq!(ran.of("a").action, Done::Copy);
    assert_eq!((ran.end.totals.copied, ran.end.totals.failed), (2, 1));
}

/// A tag may be missing from the selection only because of that.
#[tokio::test]
async fn a_creation_time_that_can_not_be_read_forbids_deletes() {
    let (source, target) = (aged().await, Registry::start().await);
    let (from, to) = (client(source.address()), client(target.address()));
    let all = run(&to, spec(vec![item(&from, "app", &everything())])).await;
    let place = format!("{}/app", target.address());
    let rules = rules(PruneKind::Gone, HashMap::from([(place, written(&all))]));
    source.tag_remove("app", "d");
    source.fault_add(Fault::status("GET", "/manifests/c$", 403));
    let wanted = || SyncSpec {
        prune: Some(rules.clone()),
        ..spec(vec![item(&from, "app", &youngest(2))])
    };
    let plan = Engine::new(to.clone(), wanted()).plan().await;
    let counts = (plan.delete, plan.blocked, plan.failed);
    assert_eq!(counts, (0, 1, 1), "{plan:?}");
    let ran = run(&to, wanted()).await;
    assert_eq!(deleted(&ran, Status::Blocked), "d", "{ran:?}");
    let why = &ran.of("d").reason;
    assert!(why.contains("its creation time can't be read"), "{why}");
    assert!(target.tags("app").contains_key("d"));
}

#[tokio::test]
async fn a_registry_that_is_gone_fails_its_item_once() {
    let source = aged().await;
    let wait = Action::Answer {
        status: 429,
        headers: vec![("retry-after", "7200".to_owned())],
        body: String::new(),
    };
    source.fault_add(Fault::on("GET", "/manifests/", wait));
    let from = client(source.address());
    let target = Registry::start().await;
    let wanted = spec(vec![item(&from, "app", &youngest(2))]);
    let ran = run(&client(target.address()), wanted).await;
    assert_eq!(ran.outcomes.len(), 1, "{ran:?}");
    assert_eq!(ran.of("").reason, "can't select its tags");
}
