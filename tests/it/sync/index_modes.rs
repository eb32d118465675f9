//! Every choice of platforms, every form of the index, every kind of registry.

use serde_json::Value;

use registrysync::oci::{Client, PlatformChoice};
use registrysync::sync::input::spec::{KnownTag, KnownTags};
use registrysync::sync::{
    Action, Engine, IndexMode, Selector, Status, SyncItem, SyncSpec, TagOutcome,
};

use super::{client, digest_at, item, lacking, literal, run, spec};
use crate::support::docker_registry::AnyRegistry;
use crate::support::images::{Image, Manifest};
use crate::support::registry::Registry;
use crate::support::registry::faults::Quirk;

/// The platforms of the image, in its order; each has an attestation after it.
const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];

fn wanted(from: &Client, choice: &[&str], index: Option<IndexMode>) -> SyncSpec {
    let architectures = choice
        .iter()
        .map(|text| PlatformChoice::parse(text).unwrap());
    let item = SyncItem {
        architectures: architectures.collect(),
        ..item(from, "app", &literal(&["1"]))
    };
    SyncSpec {
        index,
        ..spec(vec![item])
    }
}

/// The children of the chosen images.
fn children<'a>(image: &'a Image, chosen: &[usize]) -> Vec<&'a Manifest> {
    let pairs = chosen.iter().map(|at| &image.children[2 * at..2 * at + 2]);
    pairs.flatten().collect()
}

async fn raw_index(address: &str, digest: &str) -> Value {
    let url = format!("http://{address}/v2/app/manifests/{digest}");
    let accept = "application/vnd.oci.image.index.v1+json";
    let request = crate::support::images::client()
        .get(url)
        .header("accept", accept);
    let bytes = request.send().await.unwrap().bytes().await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// Checks one combination; `chosen` are the places of the chosen images.
async fn check(
    source: &Registry,
    image: &Image,
    target: (&str, bool),
    (choice, chosen): (&[&str], &[usize]),
    index: Option<IndexMode>,
) {
    let (address, takes_sparse) = target;
    let about = format!("{choice:?} {index:?}, takes sparse: {takes_sparse}");
    let (from, to) = (client(source.address()), client(address));
    let plan = Engine::new(to.clone(), wanted(&from, choice, index))
        .plan()
        .await;
    let planned = &plan.actions[0];
    let ran = run(&to, wanted(&from, choice, index)).await;
    let outcome = ran.of("1");
    let present = digest_at(address, "app", "1").await;
    let digest = outcome
        .target_digest
        .as_ref()
        .map(|digest| digest.as_str().to_owned());
    if chosen.is_empty() {
        assert_eq!((outcome.status, present), (Status::Failed, None), "{about}");
        assert!(planned.error.is_some(), "{about}");
        return;
    }
    assert_eq!(
        (planned.action, &planned.reason),
        (Action::Copy, &outcome.reason),
        "{about}"
    );
    if index == Some(IndexMode::Sparse) && !takes_sparse && chosen.len() < PLATFORMS.len() {
        let error = ran.error("1");
        assert!(error.contains("rejects the index"), "{about}: {error}");
        assert!(
            error.contains("use `rewrite` for `index`"),
            "{about}: {error}"
        );
        assert_eq!(present, None, "{about}");
        return;
    }
    assert_eq!(outcome.status, Status::Done, "{about}: {outcome:?}");
    assert_eq!(
        (&present, &planned.digest.as_ref().map(ToString::to_string)),
        (&digest, &digest),
        "{about}"
    );
    written(address, image, chosen, index, outcome).await;
    let again = run(&to, wanted(&from, choice, index)).await;
    again.all_done(Action::Skip, 1);
}

/// Checks what was written for the chosen images.
async fn written(
    address: &str,
    image: &Image,
    chosen: &[usize],
    index: Option<IndexMode>,
    outcome: &TagOutcome,
) {
    let about = format!("{chosen:?} {index:?}");
    let kept = children(image, chosen);
    let digest = outcome.target_digest.as_ref().unwrap().as_str();
    let missing = lacking(address, "app").await;
    if index == Some(IndexMode::RewriteSingle) && chosen.len() == 1 {
        assert_eq!(digest, kept[0].digest, "{about}");
        let words = format!(
            "written as the image for `{}` alone, without 1 attestation",
            PLATFORMS[chosen[0]]
        );
        assert!(
            outcome.reason.contains(&words),
            "{about}: {}",
            outcome.reason
        );
        assert_eq!(
            digest_at(address, "app", &kept[1].digest).await,
            None,
            "{about}"
        );
        assert_eq!(missing, Vec::<String>::new(), "{about}");
    } else if chosen.len() == PLATFORMS.len() {
        assert_eq!(digest, image.digest(), "{about}");
        assert_eq!(missing, Vec::<String>::new(), "{about}");
    } else if index == Some(IndexMode::Sparse) {
        assert_eq!(digest, image.digest(), "{about}");
        assert_eq!(
            missing.len(),
            image.children.len() - kept.len(),
            "{about}: {missing:?}"
        );
        assert!(
            outcome
                .reason
                .contains("written as the same index with only"),
            "{about}"
        );
    } else {
        let written = raw_index(address, digest).await;
        let entries = written["manifests"].as_array().unwrap().iter();
        let entries: Vec<&str> = entries
            .map(|entry| entry["digest"].as_str().unwrap())
            .collect();
        let expected: Vec<&str> = kept.iter().map(|child| child.digest.as_str()).collect();
        assert_eq!(entries, expected, "{about}");
        assert_eq!(missing, Vec::<String>::new(), "{about}");
        assert!(
            outcome.reason.contains("written as a smaller index with"),
            "{about}"
        );
    }
    for child in kept
        .iter()
        .take(if index == Some(IndexMode::RewriteSingle) {
            1
        } else {
            kept.len()
        })
    {
        assert!(
            digest_at(address, "app", &child.digest).await.is_some(),
            "{about}"
        );
    }
}

#[tokio::test]
async fn every_choice_in_every_form_at_every_registry() {
    let source = Registry::start().await;
    let image = Image::attested(1, 500);
    image.store(&source, "app", Some("1"));
    let choices: [(&[&str], &[usize]); 6] = [
        (&["amd64"], &[0]),
        (&["arm64", "s390x"], &[1]),
        (&["linux/arm64/v8"], &[1]),
        (&["amd64", "arm64"], &[0, 1]),
        (&["linux"], &[0, 1]),
        (&["windows", "s390x"], &[]),
    ];
    let modes = [
        IndexMode::Sparse,
        IndexMode::Rewrite,
        IndexMode::RewriteSingle,
    ];
    for choice in choices {
        for index in modes.map(Some).into_iter().chain([None]) {
            let sparse = Registry::builder()
                .quirk(Quirk::SparseAllowed)
                .start()
                .await;
            check(&source, &image, (sparse.address(), true), choice, index).await;
            for target in AnyRegistry::each().await {
                check(&source, &image, (target.address(), false), choice, index).await;
            }
        }
    }
}

/// What an earlier run wrote in another form isn't taken for what is wanted now.
#[tokio::test]
async fn a_change_of_the_form_is_an_update() {
    let (source, target) = (
        Registry::start().await,
        Registry::builder()
            .quirk(Quirk::SparseAllowed)
            .start()
            .await,
    );
    let image = Image::attested(1, 500);
    image.store(&source, "app", Some("1"));
    let (from, to) = (client(source.address()), client(target.address()));
    let mut known = KnownTags::new();
    for (index, action) in [
        (None, Action::Copy),
        (Some(IndexMode::Rewrite), Action::Skip),
        (Some(IndexMode::RewriteSingle), Action::Update),
        (Some(IndexMode::RewriteSingle), Action::Skip),
        (Some(IndexMode::Sparse), Action::Update),
        (Some(IndexMode::Sparse), Action::Skip),
        (Some(IndexMode::Keep), Action::Skip),
    ] {
        let wanted = SyncSpec {
            known: known.clone(),
            ..wanted(&from, &["arm64"], index)
        };
        let ran = run(&to, wanted).await;
        ran.all_done(action, 1);
        let outcome = ran.of("1");
        let state = KnownTag {
            source_digest: outcome.source_digest.clone().unwrap(),
            target_digest: outcome.target_digest.clone().unwrap(),
            platforms: outcome.choice.clone(),
            missing: String::new(),
        };
        known.insert(("app".to_owned(), "1".to_owned()), state);
    }
}

/// A platform that the image lacks isn't written.
#[tokio::test]
async fn a_reason_names_only_the_platforms_that_are_copied() {
    let source = Registry::start().await;
    let image = Image::attested(1, 500);
    image.store(&source, "app", Some("1"));
    let from = client(source.address());
    for (index, form) in [
        (IndexMode::Rewrite, "a smaller index with `arm64`"),
        (IndexMode::Sparse, "the same index with only `arm64`"),
    ] {
        let target = Registry::builder()
            .quirk(Quirk::SparseAllowed)
            .start()
            .await;
        let wanted = wanted(&from, &["arm64", "s390x"], Some(index));
        let ran = run(&client(target.address()), wanted).await;
        let reason = &ran.of("1").reason;
        assert!(reason.ends_with(&format!("written as {form}")), "{reason}");
    }
}

#[tokio::test]
async fn a_digest_and_a_smaller_index_contradict_each_other() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let image = Image::attested(1, 500);
    image.store(&source, "app", Some("1"));
    let from = client(source.address());
    for index in [IndexMode::Rewrite, IndexMode::RewriteSingle] {
        let mut both = wanted(&from, &["arm64"], Some(index));
        both.items[0].selector = Selector::compile(&literal(&[image.digest()])).unwrap();
        let ran = run(&client(target.address()), both).await;
        let error = ran.error(image.digest());
        let words = "the item names this digest, and `index` asks for another one";
        assert!(error.contains(words), "{error}");
        assert!(target.tags("app").is_empty());
    }
}
