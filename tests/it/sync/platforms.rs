//! Some platforms of an index: only their blobs are transferred, and the result is always the same.

use std::collections::BTreeSet;

use serde_json::Value;

use registrysync::oci::{Client, PlatformChoice};
use registrysync::sync::input::spec::{KnownTag, KnownTags};
use registrysync::sync::{Action, Engine, SelectorSpec, Status, SyncItem, SyncSpec};

use super::{Ran, client, everything, item, lacking, literal, run, spec, tags_at};
use crate::support::docker_registry::AnyRegistry;
use crate::support::images::{self, ARM64, Blob, Format, Image, Manifest};
use crate::support::registry::Registry;
use crate::support::registry::faults::Quirk;
use crate::support::registry::log::Kind;

fn chosen(source: &Client, selector: &SelectorSpec, platforms: &[&str]) -> SyncItem {
    let choice = platforms.iter().map(|p| PlatformChoice::parse(p).unwrap());
    SyncItem {
        architectures: choice.collect(),
        ..item(source, "app", selector)
    }
}

/// The digests of a manifest's configuration and layers.
fn blobs(manifest: &Manifest) -> Vec<String> {
    let json: Value = serde_json::from_slice(&manifest.bytes).unwrap();
    let layers = json["layers"].as_array().cloned().unwrap_or_default();
    let all = layers.iter().chain([&json["config"]]);
    all.map(|blob| blob["digest"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn only_the_chosen_platform_and_its_attestation_are_fetched() {
    let image = Image::attested(1, 5000);
    let (arm64, attestation) = (&image.children[2], &image.children[3]);
    let mut written = BTreeSet::new();
    for source in AnyRegistry::each().await {
        image.push(source.address(), "app", Some("1")).await;
        for target in AnyRegistry::each().await {
            source.requests_clear();
            let (from, to) = (client(source.address()), client(target.address()));
            let wanted = || vec![chosen(&from, &everything(), &["arm64"])];
            let first = run(&to, spec(wanted())).await;
            first.all_done(Action::Copy, 1);

            let requests = source.requests().await;
            let fetched = requests.of(Kind::Blob).into_iter();
            let fetched: BTreeSet<String> = fetched
                .filter_map(|r| r.path.rsplit('/').next())
                .map(str::to_owned)
                .collect();
            let expected = [blobs(arm64), blobs(attestation)].concat();
            assert_eq!(fetched, expected.into_iter().collect());
            assert_eq!(lacking(target.address(), "app").await, Vec::<String>::new());
            let digest = tags_at(target.address(), "app").await["1"].clone();
            assert_ne!(digest, image.digest());
            let outcome = first.of("1");
            assert_eq!(outcome.target_digest.as_ref().unwrap().as_str(), digest);
            assert_eq!(
                outcome.source_digest.as_ref().unwrap().as_str(),
                image.digest()
            );
            written.insert(digest);

            let known = KnownTag {
                source_digest: outcome.source_digest.clone().unwrap(),
                target_digest: outcome.target_digest.clone().unwrap(),
                platforms: outcome.platforms.clone(),
                missing: String::new(),
            };
            let place = ("app".to_owned(), "1".to_owned());
            let mut again = spec(wanted());
            again.known = KnownTags::from([(place, known)]);
            source.requests_clear();
            target.requests_clear();
            run(&to, again).await.all_done(Action::Skip, 1);
            for requests in [source.requests().await, target.requests().await] {
                assert_eq!(requests.count("HEAD", Kind::Manifest), 1);
                assert_eq!(requests.count("GET", Kind::Manifest), 0);
                assert!(requests.of(Kind::Blob).is_empty());
            }
        }
    }
    assert_eq!(written.len(), 1, "the smaller index is always the same one");
}

#[tokio::test]
async fn the_smaller_index_keeps_the_rest_as_it_was() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let image = Image::multi(Format::Docker, 5, 1000);
    image.store(&source, "app", Some("1"));
    let from = client(source.address());
    let wanted = vec![chosen(&from, &everything(), &["linux/arm/v7", "amd64"])];
    let ran = run(&client(target.address()), spec(wanted)).await;
    ran.all_done(Action::Copy, 1);
    let (media_type, bytes) = target.manifest("app", "1").unwrap();
    assert_eq!(media_type, image.top.media_type);
    let mut expected: Value = serde_json::from_slice(&image.top.bytes).unwrap();
    expected["manifests"].as_array_mut().unwrap().remove(1);
    let found: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(found, expected);
    assert_eq!(target.broken_references(), Vec::<String>::new());
}

#[tokio::test]
async fn an_image_without_the_platform_is_left_out_with_a_warning() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    Image::multi(Format::Oci, 5, 1000).store(&source, "app", Some("multi"));
    let layers = [Blob::layer(9, 1000)];
    Image::single(Format::Oci, ARM64, &layers).store(&source, "app", Some("single"));
    Image::artifact(3, "a/b").store(&source, "app", Some("chart"));
    let from = client(source.address());
    let wanted = vec![chosen(&from, &everything(), &["s390x"])];
    let ran = run(&client(target.address()), spec(wanted)).await;
    for (tag, has) in [("multi", "linux/arm/v7"), ("single", "linux/arm64")] {
        let outcome = ran.of(tag);
        assert_eq!(
            (outcome.status, outcome.action),
            (Status::Done, Action::Skip)
        );
        assert!(outcome.reason.contains(has), "{}", outcome.reason);
    }
    // An artifact has no platform, so a choice of platforms doesn't affect it.
    assert_eq!(ran.of("chart").action, Action::Copy);
    assert_eq!(target.tags("app").len(), 1);
    assert_eq!((ran.warnings.len(), ran.end.totals.warnings), (2, 2));
}

#[tokio::test]
async fn an_image_with_one_of_the_chosen_platforms_is_copied() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    Image::single(Format::Oci, images::AMD64, &[Blob::layer(1, 100)]).store(
        &source,
        "app",
        Some("1"),
    );
    let wanted = chosen(
        &client(source.address()),
        &everything(),
        &["amd64", "s390x"],
    );
    let ran = run(&client(target.address()), spec(vec![wanted])).await;
    ran.all_done(Action::Copy, 1);
    assert!(ran.warnings[0].contains("not for `s390x`"), "{ran:?}");
}

#[tokio::test]
async fn an_item_none_of_whose_tags_has_the_platform_has_failed() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    Image::multi(Format::Oci, 5, 1000).store(&source, "app", Some("1"));
    Image::multi(Format::Oci, 6, 1000).store(&source, "app", Some("2"));
    Image::multi(Format::Oci, 7, 1000).store(&source, "other", Some("1"));
    let from = client(source.address());
    let other = SyncItem {
        architectures: vec![PlatformChoice::parse("amd64").unwrap()],
        ..item(&from, "other", &everything())
    };
    let wanted = || vec![chosen(&from, &everything(), &["s390x"]), other.clone()];
    let to = client(target.address());
    let ran = run(&to, spec(wanted())).await;
    let failed: Vec<_> = ran
        .outcomes
        .iter()
        .filter(|o| o.repository == "app")
        .collect();
    assert_eq!(failed.len(), 2);
    for outcome in failed {
        assert_eq!(outcome.status, Status::Failed);
        let error = outcome.error.as_deref().unwrap();
        assert!(
            error.contains("`s390x`") && error.contains("`linux/arm/v7`"),
            "{error}"
        );
    }
    let totals = &ran.end.totals;
    assert_eq!(
        (
            totals.selected,
            totals.failed,
            totals.copied,
            totals.warnings
        ),
        (3, 2, 1, 0)
    );

    let plan = Engine::new(to, spec(wanted())).plan().await;
    assert_eq!(
        (plan.blocked, plan.failed, plan.skip),
        (0, 2, 1),
        "{plan:?}"
    );
}

#[tokio::test]
async fn some_platforms_that_are_missing_are_a_warning_in_a_second_run_too() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    Image::multi(Format::Oci, 5, 1000).store(&source, "app", Some("1"));
    let from = client(source.address());
    let to = client(target.address());
    let wanted = || spec(vec![chosen(&from, &everything(), &["arm64", "s390x"])]);
    let first = run(&to, wanted()).await;
    first.all_done(Action::Copy, 1);
    assert_eq!(first.warnings.len(), 1, "{first:?}");
    assert!(
        first.warnings[0].contains("lacks some of the chosen platforms (`s390x`)"),
        "{first:?}"
    );
    let outcome = first.of("1");
    let known = KnownTag {
        source_digest: outcome.source_digest.clone().unwrap(),
        target_digest: outcome.target_digest.clone().unwrap(),
        platforms: outcome.platforms.clone(),
        missing: outcome.missing.clone().unwrap().words,
    };
    let mut again = wanted();
    again.known = KnownTags::from([(("app".to_owned(), "1".to_owned()), known)]);
    source.requests_clear();
    let second = run(&to, again).await;
    second.all_done(Action::Skip, 1);
    assert_eq!(second.warnings, first.warnings);
    assert_eq!(source.requests().count("GET", Kind::Manifest), 0);
}

/// A digest identifies exactly one index: some of its children are accepted, or it is refused with
/// the alternatives.
#[tokio::test]
async fn a_digest_with_platforms_is_that_index_with_some_children() {
    let image = Image::multi(Format::Oci, 5, 1000);
    let source = Registry::start().await;
    image.store(&source, "app", Some("1"));
    let from = client(source.address());
    let wanted =
        |platforms: &[&str]| spec(vec![chosen(&from, &literal(&[image.digest()]), platforms)]);

    let sparse = Registry::builder()
        .quirk(Quirk::SparseAllowed)
        .start()
        .await;
    let to = client(sparse.address());
    run(&to, wanted(&["arm64"])).await.all_done(Action::Copy, 1);
    assert_eq!(
        sparse.manifest("app", image.digest()).unwrap().1,
        image.top.bytes
    );
    assert!(sparse.manifest("app", &image.children[1].digest).is_some());
    assert!(sparse.manifest("app", &image.children[0].digest).is_none());
    // Another choice later copies the other children, though the index itself exists.
    run(&to, wanted(&["arm64"])).await.all_done(Action::Skip, 1);
    run(&to, wanted(&["amd64"]))
        .await
        .all_done(Action::Update, 1);
    assert!(sparse.manifest("app", &image.children[0].digest).is_some());

    for strict in AnyRegistry::each().await {
        let ran = run(&client(strict.address()), wanted(&["arm64"])).await;
        let error = ran.error(image.digest());
        for words in [
            "use `rewrite` for `index` and tags instead of digests",
            "copy all platforms",
            "arm64",
        ] {
            assert!(error.contains(words), "{error}");
        }
        let found = super::digest_at(strict.address(), "app", image.digest()).await;
        assert_eq!(found, None);
    }
}

/// Refused credentials have nothing to do with the index being sparse.
#[tokio::test]
async fn only_a_refused_index_is_called_a_refused_index() {
    use crate::support::registry::faults::Fault;
    let image = Image::multi(Format::Oci, 5, 1000);
    let source = Registry::start().await;
    image.store(&source, "app", Some("1"));
    let target = Registry::builder()
        .fault(Fault::status("POST", "/blobs/uploads/", 403))
        .start()
        .await;
    let from = client(source.address());
    let wanted = vec![chosen(&from, &literal(&[image.digest()]), &["arm64"])];
    let ran = run(&client(target.address()), spec(wanted)).await;
    let error = ran.error(image.digest());
    assert!(
        error.contains("403") && !error.contains("name a tag"),
        "{error}"
    );
}

/// What a run knows after one that copied `app:1`, for the next.
fn known_after(ran: &Ran) -> KnownTags {
    let outcome = ran.of("1");
    let known = KnownTag {
        source_digest: outcome.source_digest.clone().unwrap(),
        target_digest: outcome.target_digest.clone().unwrap(),
        platforms: outcome.platforms.clone(),
        missing: outcome
            .missing
            .as_ref()
            .map_or(String::new(), |missing| missing.words.clone()),
    };
    KnownTags::from([(("app".to_owned(), "1".to_owned()), known)])
}

/// An earlier copy is only valid for those platforms, and for the target's current content.
#[tokio::test]
async fn changes_since_the_last_run_are_noticed() {
    let image = Image::multi(Format::Oci, 5, 1000);
    let source = Registry::start().await;
    image.store(&source, "app", Some("1"));
    let from = client(source.address());
    let children = |target: &Registry| {
        let (_, bytes) = target.manifest("app", "1").unwrap();
        let index: Value = serde_json::from_slice(&bytes).unwrap();
        index["manifests"].as_array().unwrap().len()
    };
    let target = Registry::start().await;
    let to = client(target.address());
    let copy = async |platforms: &[&str], known: KnownTags| {
        let items = vec![chosen(&from, &everything(), platforms)];
        let spec = SyncSpec {
            known,
            ..spec(items)
        };
        run(&to, spec).await
    };
    let one = copy(&["arm64"], KnownTags::new()).await;
    one.all_done(Action::Copy, 1);
    assert_eq!(children(&target), 1);

    // One more platform is requested.
    let two = copy(&["arm64", "amd64"], known_after(&one)).await;
    two.all_done(Action::Update, 1);
    assert_eq!(children(&target), 2);

    // Someone else writes the tag.
    Image::artifact(7, "a/b").store(&target, "app", Some("1"));
    let again = copy(&["arm64", "amd64"], known_after(&two)).await;
    again.all_done(Action::Update, 1);
    assert_eq!(again.of("1").target_digest, two.of("1").target_digest);
    assert_eq!(children(&target), 2);

    // Somebody removes it.
    let tag = format!("http://{}/v2/app/manifests/1", target.address());
    let removed = images::client().delete(tag).send().await.unwrap();
    assert_eq!(removed.status(), 202);
    let back = copy(&["arm64", "amd64"], known_after(&again)).await;
    back.all_done(Action::Copy, 1);
    assert_eq!(
        children(&target),
        2,
        "only the platforms that are asked for"
    );
    assert_eq!(target.broken_references(), Vec::<String>::new());
}

/// What the run before wrote isn't taken as whole once a check has found something of it missing.
#[tokio::test]
async fn a_damaged_smaller_index_is_made_whole() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let image = Image::multi(Format::Oci, 5, 1000);
    image.store(&source, "app", Some("1"));
    let (from, to) = (client(source.address()), client(target.address()));
    let wanted = || spec(vec![chosen(&from, &everything(), &["arm64"])]);
    let first = run(&to, wanted()).await;
    first.all_done(Action::Copy, 1);
    let lost = &blobs(&image.children[1])[1];
    target.blob_remove("app", lost);
    assert_ne!(target.broken_references(), Vec::<String>::new());
    let repair = SyncSpec {
        known: known_after(&first),
        lost: [("app".to_owned(), "1".to_owned())].into(),
        ..wanted()
    };
    run(&to, repair).await.all_done(Action::Update, 1);
    assert_eq!(target.broken_references(), Vec::<String>::new());
}
