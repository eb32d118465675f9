//! From items to tags: odd listings, conflicting targets, missing registries.

use std::time::Duration;

use registrysync::oci::{Client, RegistryAddress};
use registrysync::sync::{Action, Engine, Placement, Status};

use super::{client, everything, item, literal, options, regex, run, spec};
use crate::support::images::{Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action as Misbehave, Fault, Quirk};
use crate::support::registry::log::Kind;

/// An address where nothing listens.
pub(crate) fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn a_repository_that_isnt_there() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let from = client(source.address());
    let wanted = spec(vec![
        item(&from, "gone/regex", &regex("^v")),
        item(&from, "gone/literal", &literal(&["v1"])),
    ]);
    let ran = run(&client(target.address()), wanted).await;
    assert_eq!(ran.outcomes.len(), 2, "{ran:?}");
    assert!(ran.error("v1").contains("`gone/literal:v1` was not found"));
    assert!(ran.error("").contains("no such repository"));
    assert_eq!(ran.of("").repository, "gone/regex");
    let totals = &ran.end.totals;
    assert_eq!((totals.selected, totals.failed), (2, 2));
}

/// What was learnt about one repository doesn't apply to another, except for the host.
#[tokio::test]
async fn a_failure_is_told_of_what_it_belongs_to() {
    let target = Registry::start().await;
    let from = client(&nobody());
    let wanted = spec(vec![
        item(&from, "library/postgres", &everything()),
        item(&from, "tools/busybox", &literal(&["1.36", "1.37"])),
    ]);
    let ran = run(&client(target.address()), wanted).await;
    for outcome in ran
        .outcomes
        .iter()
        .filter(|o| o.repository != "library/postgres")
    {
        let error = outcome.error.as_deref().unwrap();
        assert!(!error.contains("postgres"), "{error}");
        assert!(error.contains(from.host()), "{error}");
    }
    let totals = &ran.end.totals;
    assert_eq!((totals.selected, totals.failed), (3, 3));
}

#[tokio::test]
async fn no_tags_in_any_dress_are_zero_tags() {
    for quirk in [Quirk::TagsNull, Quirk::TagsMissing] {
        let (source, target) = (
            Registry::builder().quirk(quirk).start().await,
            Registry::start().await,
        );
        let from = client(source.address());
        let ran = run(
            &client(target.address()),
            spec(vec![item(&from, "app", &everything())]),
        )
        .await;
        assert!(ran.outcomes.is_empty(), "{ran:?}");
        assert_eq!(ran.warnings.len(), 1, "{ran:?}");
    }
}

#[tokio::test]
async fn illegal_names_in_a_listing_are_named_and_never_asked_for() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    Image::artifact(1, "a/b").store(&source, "app", Some("ok"));
    let listing =
        serde_json::json!({ "name": "app", "tags": ["ok", "sha256:beef", "a b", "-x", ""] });
    let answer = Misbehave::Answer {
        status: 200,
        headers: vec![("content-type", "application/json".into())],
        body: listing.to_string(),
    };
    source.fault_add(Fault::on("GET", "/tags/list", answer));
    let from = client(source.address());
    let ran = run(
        &client(target.address()),
        spec(vec![item(&from, "app", &everything())]),
    )
    .await;
    ran.all_done(Action::Copy, 1);
    let warning = &ran.warnings[0];
    assert!(
        warning.contains("4 names") && warning.contains("sha256:beef"),
        "{warning}"
    );
    let requests = source.requests();
    let asked = requests.of(Kind::Manifest).into_iter();
    let asked: Vec<_> = asked.filter(|r| r.path.contains("beef")).collect();
    assert!(asked.is_empty(), "{asked:?}");
}

#[tokio::test]
async fn two_sources_of_one_tag_are_named_and_neither_is_copied() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let same = Image::artifact(1, "a/b");
    for path in ["red/app", "blue/app"] {
        same.store(&source, path, Some("same"));
    }
    Image::artifact(2, "a/b").store(&source, "red/app", Some("other"));
    Image::artifact(3, "a/b").store(&source, "blue/app", Some("other"));
    let from = client(source.address());
    let mut wanted = spec(vec![
        item(&from, "red/app", &everything()),
        item(&from, "blue/app", &everything()),
    ]);
    wanted.placement = Placement::Flat;
    let plan = Engine::new(client(target.address()), wanted.clone())
        .plan()
        .await;
    assert_eq!((plan.copy, plan.blocked), (1, 1), "{plan:?}");
    let ran = run(&client(target.address()), wanted).await;
    assert_eq!(ran.of("same").status, Status::Done);
    let outcome = ran.of("other");
    assert_eq!(outcome.status, Status::Blocked);
    for name in ["red/app:other", "blue/app:other"] {
        assert!(outcome.reason.contains(name), "{}", outcome.reason);
    }
    assert_eq!(target.tags("app").into_keys().collect::<Vec<_>>(), ["same"]);
    assert_eq!(ran.end.totals.blocked, 1);
}

#[tokio::test]
async fn a_source_that_is_the_target_is_blocked() {
    let registry = Registry::start().await;
    Image::artifact(1, "a/b").store(&registry, "team/app", Some("1"));
    let from = client(registry.address());
    // The same place in another spelling: the target's address has the path.
    let address = format!("http://{}/team", registry.address());
    let to = Client::new(registrysync::oci::ClientOptions::new(
        RegistryAddress::parse(&address).unwrap(),
    ));
    let mut wanted = spec(vec![item(&from, "team/app", &everything())]);
    wanted.placement = Placement::Flat;
    let ran = run(&to.unwrap(), wanted).await;
    let outcome = ran.of("1");
    assert_eq!(outcome.status, Status::Blocked);
    assert!(
        outcome.reason.contains("source and target are the same"),
        "{}",
        outcome.reason
    );
}

#[tokio::test]
async fn an_unreachable_source_is_tried_once_and_the_others_go_on() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    Image::artifact(1, "a/b").store(&source, "app", Some("1"));
    let (alive, dead) = (client(source.address()), client(&nobody()));
    let mut items = vec![item(&alive, "app", &everything())];
    for number in 0..60 {
        items.push(item(&dead, &format!("listed{number}"), &everything()));
        items.push(item(&dead, &format!("named{number}"), &literal(&["1"])));
    }
    let to = client(target.address());
    let work = run(&to, spec(items));
    // One series of retries takes some seconds; a hundred of them would take minutes.
    let ran = tokio::time::timeout(Duration::from_secs(30), work).await;
    let ran = ran.expect("the dead registry to be given up");
    let totals = &ran.end.totals;
    assert_eq!((totals.copied, totals.failed), (1, 120));
    let why = ran.end.unreachable.unwrap();
    assert!(
        why.contains(dead.host()) && why.contains("can't connect"),
        "{why}"
    );
    assert_eq!(ran.warnings, Vec::<String>::new());
}

#[tokio::test]
async fn an_unreachable_target_is_given_up() {
    let source = Registry::start().await;
    for number in 0..40 {
        Image::artifact(number, "a/b").store(&source, "app", Some(&format!("v{number}")));
    }
    let mut wanted = spec(vec![item(&client(source.address()), "app", &everything())]);
    wanted.max_parallel = 2;
    let dead = client(&nobody());
    let work = run(&dead, wanted);
    let ran = tokio::time::timeout(Duration::from_secs(30), work)
        .await
        .unwrap();
    assert_eq!(ran.end.totals.failed, 40);
    assert!(ran.error("v7").starts_with("target `127.0.0.1:"));
    assert!(ran.end.unreachable.is_some());
}

/// Some registries state no digest in HEAD, or refuse it: one GET, and HEAD isn't tried again
/// there.
#[tokio::test]
async fn a_head_that_tells_nothing_is_asked_once() {
    for head_refused in [false, true] {
        let builder = if head_refused {
            Registry::builder().fault(Fault::status("HEAD", "/manifests/", 405))
        } else {
            Registry::builder().quirk(Quirk::HeadWithoutDigest)
        };
        let (source, target) = (builder.start().await, Registry::start().await);
        for number in 0..5 {
            Image::artifact(number, "a/b").store(&source, "app", Some(&format!("v{number}")));
        }
        let mut options = options(source.address());
        options.max_connections = 1;
        let from = Client::new(options).unwrap();
        let mut wanted = spec(vec![item(&from, "app", &everything())]);
        wanted.max_parallel = 1;
        run(&client(target.address()), wanted)
            .await
            .all_done(Action::Copy, 5);
        assert_eq!(target.tags("app"), source.tags("app"));
        assert_eq!(source.requests().count("HEAD", Kind::Manifest), 1);
    }
}

#[tokio::test]
async fn a_digest_header_that_contradicts_the_body_fails_with_both_named() {
    let source = Registry::builder()
        .quirk(Quirk::WrongDigestHeader)
        .start()
        .await;
    let target = Registry::start().await;
    let image = Image::artifact(1, "a/b");
    image.store(&source, "app", Some("1"));
    let from = client(source.address());
    let ran = run(
        &client(target.address()),
        spec(vec![item(&from, "app", &everything())]),
    )
    .await;
    let error = ran.error("1");
    let wrong = crate::support::registry::content::digest_of(b"other bytes");
    assert!(
        error.contains(image.digest()) && error.contains(&wrong),
        "{error}"
    );
    assert!(target.tags("app").is_empty());
}

#[tokio::test]
async fn manifests_are_read_and_pushed_whatever_their_content_type_looks_like() {
    for quirk in [
        Quirk::ContentTypeCharset,
        Quirk::ContentTypeMissing,
        Quirk::ContentTypeWrong,
    ] {
        let (source, target) = (
            Registry::builder().quirk(quirk).start().await,
            Registry::start().await,
        );
        let image = Image::multi(Format::Docker, 1, 1000);
        image.store(&source, "app", Some("1"));
        let from = client(source.address());
        let ran = run(
            &client(target.address()),
            spec(vec![item(&from, "app", &everything())]),
        )
        .await;
        ran.all_done(Action::Copy, 1);
        let (media_type, _) = target.manifest("app", "1").unwrap();
        assert_eq!(media_type, image.top.media_type, "{quirk:?}");
    }
}

#[tokio::test]
async fn an_immutable_tag_is_left_alone_when_equal_and_fails_with_the_registrys_words() {
    let source = Registry::start().await;
    let target = Registry::builder()
        .quirk(Quirk::ImmutableTags)
        .start()
        .await;
    Image::artifact(1, "a/b").store(&source, "app", Some("same"));
    Image::artifact(1, "a/b").store(&target, "app", Some("same"));
    Image::artifact(2, "a/b").store(&source, "app", Some("moved"));
    Image::artifact(3, "a/b").store(&target, "app", Some("moved"));
    let from = client(source.address());
    let ran = run(
        &client(target.address()),
        spec(vec![item(&from, "app", &everything())]),
    )
    .await;
    assert_eq!(ran.of("same").action, Action::Skip);
    let error = ran.error("moved");
    assert!(error.contains("the tag is immutable"), "{error}");
    let requests = target.requests();
    assert_eq!(requests.count("PUT", Kind::Manifest), 1, "refused for good");
}
