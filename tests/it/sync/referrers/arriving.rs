//! A whole release arrives, and only once.

use registrysync::sync::input::referrer_choice::ReferrerChoice;
use registrysync::sync::{Action, Engine, Moved, SyncSpec};

use super::{Release, SBOM, each, referrers_at, tag_for, wanted};
use crate::support::images::Image;
use crate::support::registry::Registry;
use crate::support::registry::faults::Quirk;
use crate::support::registry::log::{Kind, Requests};
use crate::sync::{client, everything, item, run, spec, tags_at};

fn writes(requests: &Requests) -> Vec<String> {
    let writes = requests
        .0
        .iter()
        .filter(|r| !matches!(r.method.as_str(), "GET" | "HEAD"));
    writes.map(|r| format!("{} {}", r.method, r.path)).collect()
}

#[tokio::test]
async fn a_signed_and_attested_image_arrives_whole_and_a_second_run_writes_nothing() {
    for source in each().await {
        let release = Release::new(100);
        release.push(source.address()).await;
        for target in each().await {
            let (from, to) = (client(source.address()), client(target.address()));
            let plan = Engine::new(to.clone(), wanted(&from)).plan().await;
            let planned = &plan.actions[0].reason;
            let count = format!("{} referrers", release.count());
            assert!(
                planned.ends_with(&format!("; {count} to copy")),
                "{planned}"
            );
            assert_eq!(writes(&target.requests().await), Vec::<String>::new());

            let first = run(&to, wanted(&from)).await;
            first.all_done(Action::Copy, 1);
            assert_eq!(first.warnings, Vec::<String>::new());
            let outcome = first.of("1");
            assert_eq!(outcome.referrers.written, release.count());
            assert!(
                outcome.reason.ends_with(&format!("; {count} written")),
                "{outcome:?}"
            );
            release.assert_whole(target.address()).await;
            let tags = tags_at(target.address(), "app").await;

            target.requests_clear();
            let second = run(&to, wanted(&from)).await;
            second.all_done(Action::Skip, 1);
            assert_eq!(second.of("1").referrers.written, 0);
            assert_eq!(second.end.totals.moved, Moved::default());
            assert_eq!(writes(&target.requests().await), Vec::<String>::new());
            assert_eq!(tags_at(target.address(), "app").await, tags);
        }
    }
}

/// Somebody has written it without listing it.
#[tokio::test]
async fn a_referrer_that_is_there_and_not_listed_is_listed() {
    let (source, target) = (
        Registry::start().await,
        Registry::builder().quirk(Quirk::NoReferrers).start().await,
    );
    let release = Release::new(600);
    release.push(source.address()).await;
    for (_, referrer) in &release.referrers {
        referrer.store(&target, "app", None);
    }
    let (from, to) = (client(source.address()), client(target.address()));
    run(&to, wanted(&from)).await.all_done(Action::Copy, 1);
    release.assert_whole(target.address()).await;
}

#[tokio::test]
async fn a_signature_that_was_added_later_follows_an_unchanged_image() {
    for target in each().await {
        let source = Registry::start().await;
        let release = Release::new(200);
        release.push(source.address()).await;
        let (from, to) = (client(source.address()), client(target.address()));
        run(&to, wanted(&from)).await.all_done(Action::Copy, 1);
        let later = Image::referrer(999, "application/vnd.example.later", &release.image.top);
        later.store(&source, "app", None);
        let ran = run(&to, wanted(&from)).await;
        ran.all_done(Action::Skip, 1);
        let outcome = ran.of("1");
        assert!(
            outcome.reason.ends_with("; 1 referrer written"),
            "{outcome:?}"
        );
        assert!(outcome.moved.bytes > 0);
        let found = referrers_at(target.address(), release.image.digest()).await;
        assert_eq!(found.len(), 2);
        release.assert_whole(target.address()).await;
    }
}

#[tokio::test]
async fn without_the_option_nothing_follows_and_nothing_is_asked() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    Release::new(300).push(source.address()).await;
    source.requests_clear();
    let (from, to) = (client(source.address()), client(target.address()));
    let without = SyncSpec {
        referrers: ReferrerChoice::None,
        ..wanted(&from)
    };
    run(&to, without).await.all_done(Action::Copy, 1);
    let requests = source.requests();
    assert_eq!(
        requests.of(Kind::Referrers).len() + requests.of(Kind::TagList).len(),
        0
    );
    assert_eq!(target.tags("app").len(), 1);
}

#[tokio::test]
async fn only_the_chosen_types_follow() {
    for source in each().await {
        let release = Release::new(400);
        release.push(source.address()).await;
        let child = &release.image.children[1].digest;
        for (words, written) in [
            (vec![SBOM], 1),
            (vec!["sbom"], 1),
            (vec!["signature", SBOM], 2),
            // The signature of what isn't copied isn't either.
            (vec!["application/vnd.example.signature"], 0),
            (vec!["attestation", "signature"], 3),
        ] {
            let target = Registry::start().await;
            let (from, to) = (client(source.address()), client(target.address()));
            let some = SyncSpec {
                referrers: ReferrerChoice::parse(&words).unwrap(),
                ..wanted(&from)
            };
            let ran = run(&to, some).await;
            assert_eq!(ran.of("1").referrers.written, written, "{words:?}");
            let found = referrers_at(target.address(), release.image.digest()).await;
            assert_eq!(found.len(), usize::from(words.contains(&SBOM)), "{words:?}");
            let has_sbom = target.tags("app").contains_key(&tag_for(child, ".sbom"));
            assert_eq!(has_sbom, words.contains(&"sbom"), "{words:?}");
        }
    }
}

#[tokio::test]
async fn tags_of_referrers_are_copied_with_their_image_even_if_they_are_selected() {
    let source = Registry::builder().quirk(Quirk::NoReferrers).start().await;
    let target = Registry::builder().quirk(Quirk::NoReferrers).start().await;
    let release = Release::new(500);
    release.push(source.address()).await;
    // Somebody has added an entry at the target.
    let own = Image::referrer(1, "a/own", &release.image.top);
    let fallback = tag_for(release.image.digest(), "");
    Image::fallback(&[&own]).store(&target, "app", Some(&fallback));
    // No image of this run has this digest.
    let orphan = tag_for(own.digest(), ".sig");
    Image::artifact(2, "a/b").store(&source, "app", Some(&orphan));
    let (from, to) = (client(source.address()), client(target.address()));
    let all = || SyncSpec {
        referrers: ReferrerChoice::All,
        ..spec(vec![item(&from, "app", &everything())])
    };
    let planned = Engine::new(to.clone(), all()).plan().await;
    let ran = run(&to, all()).await;
    let copied: Vec<&str> = ran
        .outcomes
        .iter()
        .filter(|outcome| outcome.action == Action::Copy)
        .map(|outcome| outcome.tag.as_str())
        .collect();
    assert_eq!(copied, ["1", orphan.as_str()]);
    assert_eq!((planned.copy, planned.skip), (2, ran.end.totals.skipped));
    let left = ran.of(&fallback);
    assert!(
        left.reason
            .ends_with("copied with the image to which it belongs"),
        "{left:?}"
    );
    let found = referrers_at(target.address(), release.image.digest()).await;
    assert_eq!(found.len(), 2);
    release.assert_whole(target.address()).await;
    let puts = target.requests();
    let mut puts: Vec<_> = puts
        .of(Kind::Manifest)
        .into_iter()
        .filter(|r| r.method == "PUT")
        .map(|r| &r.path)
        .collect();
    let count = puts.len();
    puts.sort();
    puts.dedup();
    assert_eq!(puts.len(), count, "nothing is written twice");
}

/// The listing that selected the tags says which tags of referrers exist.
#[tokio::test]
async fn no_request_is_made_for_what_the_listing_lacks() {
    let source = Registry::builder().quirk(Quirk::NoReferrers).start().await;
    let target = Registry::start().await;
    let release = Release::new(600);
    release.image.store(&source, "app", Some("1"));
    let (from, to) = (client(source.address()), client(target.address()));
    for (selector, lists) in [(everything(), 1), (crate::sync::literal(&["1"]), 1)] {
        source.requests_clear();
        target.requests_clear();
        let some = SyncSpec {
            referrers: ReferrerChoice::All,
            ..spec(vec![item(&from, "app", &selector)])
        };
        run(&to, some).await;
        let requests = source.requests();
        assert_eq!(requests.count("GET", Kind::TagList), lists);
        let asked = requests.of(Kind::Manifest).into_iter();
        let vain: Vec<_> = asked.filter(|r| r.status != 200).collect();
        assert!(vain.is_empty(), "{vain:?}");
        // The first 404 says that there is no such API.
        assert!(requests.of(Kind::Referrers).len() <= 4, "{requests:?}");
        assert!(target.requests().of(Kind::Referrers).is_empty());
    }
}
