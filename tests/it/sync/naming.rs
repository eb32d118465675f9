//! Target tags and repositories from templates.

use registrysync::oci::PlatformChoice;
use registrysync::sync::{Action, Engine, SyncItem, SyncSpec};

use super::{client, everything, item, literal, repository, run, spec, tags_at};
use crate::support::images::{Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::log::Kind;

fn named(template: &str, wanted: SyncSpec) -> SyncSpec {
    SyncSpec {
        target_tag: Some(template.parse().unwrap()),
        ..wanted
    }
}

#[tokio::test]
async fn tags_are_written_under_their_names_from_the_template() {
    let images = [1, 2].map(|seed| Image::artifact(seed, "a/b"));
    let short = |image: &Image| image.digest()["sha256:".len()..][..12].to_owned();
    for (template, expected) in [
        ("{tag}", ["1.0".to_owned(), "2.0".to_owned()]),
        (
            "mirror-{tag}-{date}",
            ["1.0", "2.0"].map(|tag| format!("mirror-{tag}-20260309")),
        ),
        ("{digest}", images.each_ref().map(short)),
    ] {
        let (source, target) = (Registry::start().await, Registry::start().await);
        for (image, tag) in images.iter().zip(["1.0", "2.0"]) {
            image.store(&source, "app", Some(tag));
        }
        let (from, to) = (client(source.address()), client(target.address()));
        let wanted = || named(template, spec(vec![item(&from, "app", &everything())]));
        let plan = Engine::new(to.clone(), wanted()).plan().await;
        let planned: Vec<&str> = plan.actions.iter().map(|a| a.target.as_str()).collect();
        let ran = run(&to, wanted()).await;
        ran.all_done(Action::Copy, 2);
        let found = tags_at(target.address(), "app").await;
        for ((image, tag), planned) in images.iter().zip(&expected).zip(planned) {
            assert_eq!(found.get(tag).map(String::as_str), Some(image.digest()));
            assert!(planned.ends_with(&format!("/app:{tag}")), "{planned}");
        }
        assert_eq!(ran.of("1.0").target_tag, expected[0]);
        source.requests_clear();
        run(&to, wanted()).await.all_done(Action::Skip, 2);
        let heads = source.requests().count("HEAD", Kind::Manifest);
        assert_eq!(heads, 2, "the digest in a name costs no further request");
    }
}

#[tokio::test]
async fn two_tags_that_get_one_name_are_blocked_unless_they_are_one_image() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    Image::artifact(1, "a/b").store(&source, "app", Some("1"));
    Image::artifact(1, "a/b").store(&source, "app", Some("stable"));
    Image::artifact(2, "a/b").store(&source, "app", Some("2"));
    let (from, to) = (client(source.address()), client(target.address()));
    let wanted = |tags| named("prod", spec(vec![item(&from, "app", &literal(tags))]));
    run(&to, wanted(&["1", "stable"]))
        .await
        .all_done(Action::Copy, 1);
    let clashing = wanted(&["1", "2"]);
    let plan = Engine::new(to.clone(), clashing.clone()).plan().await;
    let ran = run(&to, clashing).await;
    assert_eq!((ran.end.totals.blocked, plan.blocked), (1, 1));
    for reason in [&ran.outcomes[0].reason, &plan.actions[0].reason] {
        assert!(reason.contains("app:1` and `"), "{reason}");
        assert!(
            reason.contains("app:2` both go to this tag, and differ"),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn a_tag_gets_another_name_in_its_own_repository() {
    let registry = Registry::start().await;
    Image::artifact(1, "a/b").store(&registry, "app", Some("rc"));
    let both = client(registry.address());
    let items = || spec(vec![item(&both, "app", &literal(&["rc"]))]);
    let ran = run(&both, items()).await;
    assert_eq!(ran.end.totals.blocked, 1, "{ran:?}");
    let ran = run(&both, named("{tag}", items())).await;
    assert_eq!(ran.end.totals.blocked, 1, "{ran:?}");
    run(&both, named("prod", items()))
        .await
        .all_done(Action::Copy, 1);
    let tags = tags_at(registry.address(), "app").await;
    assert_eq!(tags.keys().collect::<Vec<_>>(), ["prod", "rc"]);
    assert_eq!(tags["prod"], tags["rc"]);
}

/// One index from two sources: what one of them leaves out, the other may want.
#[tokio::test]
async fn one_image_with_different_platforms_is_no_single_image() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    for path in ["a/app", "b/app"] {
        Image::multi(Format::Oci, 1, 500).store(&source, path, Some("1"));
    }
    let (from, to) = (client(source.address()), client(target.address()));
    let wanted = |platforms: [&str; 2]| {
        let items = ["a/app", "b/app"].into_iter().zip(platforms);
        let items = items.map(|(path, platform)| SyncItem {
            architectures: vec![PlatformChoice::parse(platform).unwrap()],
            target_repository: Some(repository("app")),
            ..item(&from, path, &everything())
        });
        spec(items.collect())
    };
    let ran = run(&to, wanted(["amd64", "arm64"])).await;
    assert_eq!(ran.end.totals.blocked, 1, "{ran:?}");
    let reason = &ran.outcomes[0].reason;
    assert!(
        reason.contains("both go to this tag, with different platforms"),
        "{reason}"
    );
    assert!(target.tags("app").is_empty());
    let same = wanted(["amd64", "x86_64"]);
    run(&to, same).await.all_done(Action::Copy, 1);
}

#[tokio::test]
async fn no_image_gets_the_name_of_a_signature() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    Image::artifact(1, "a/b").store(&source, "app", Some("1"));
    let (from, to) = (client(source.address()), client(target.address()));
    let template = format!("sha256-{}.sig", "0".repeat(64));
    let wanted = named(&template, spec(vec![item(&from, "app", &literal(&["1"]))]));
    let ran = run(&to, wanted).await;
    assert!(ran.error("1").contains("a name for signatures"), "{ran:?}");
    assert!(target.tags("app").is_empty());
}

#[tokio::test]
async fn a_name_that_can_not_be_fails_its_tag_only() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let long = "t".repeat(128);
    Image::artifact(1, "a/b").store(&source, "app", Some(&long));
    Image::artifact(2, "a/b").store(&source, "app", Some("1"));
    let (from, to) = (client(source.address()), client(target.address()));
    let items = vec![item(&from, "app", &literal(&[&long, "1", "gone"]))];
    let ran = run(&to, named("{tag}-{digest}", spec(items))).await;
    assert!(
        ran.error(&long).contains("its target tag would be `ttt"),
        "{ran:?}"
    );
    assert!(ran.error("gone").contains("`app:gone` was not found"));
    assert_eq!((ran.end.totals.copied, ran.end.totals.failed), (1, 2));
    assert_eq!(ran.end.totals.selected, 3);
}
