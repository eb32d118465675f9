//! Manifests that no ordinary tool writes: each tag has a clear outcome, and the others are copied.

use registrysync::sync::{Action, Engine};

use super::{client, item, literal, run, spec, tags_at};
use crate::support::images::{AMD64, ARM64, Blob, Format, Image};
use crate::support::registry::Registry;

fn image(seed: u64) -> Image {
    Image::single(Format::Oci, AMD64, &[Blob::layer(seed, 500)])
}

/// Puts an index that holds an index, and so on, into a registry; returns its digest.
fn store_nested(source: &Registry, times: usize, tag: &str) -> String {
    let mut inner = image(1);
    for _ in 0..times {
        inner.store(source, "app", None);
        inner = Image::index(Format::Oci, &[(AMD64, inner)]);
    }
    inner.store(source, "app", Some(tag));
    inner.digest().to_owned()
}

/// An index whose arm64 image the source doesn't have.
fn store_incomplete(source: &Registry, tag: &str) -> String {
    let (there, gone) = (
        image(2),
        Image::single(Format::Oci, ARM64, &[Blob::layer(3, 500)]),
    );
    let missing = gone.digest().to_owned();
    let mut index = Image::index(Format::Oci, &[(AMD64, there), (ARM64, gone)]);
    index.children.retain(|child| child.digest != missing);
    index.store(source, "app", Some(tag));
    missing
}

#[tokio::test]
async fn an_index_with_a_missing_image_is_named_and_not_copied() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let missing = store_incomplete(&source, "incomplete");
    image(4).store(&source, "app", Some("whole"));
    let (from, to) = (client(source.address()), client(target.address()));
    let wanted = || spec(vec![item(&from, "app", &literal(&["incomplete", "whole"]))]);
    let plan = Engine::new(to.clone(), wanted()).plan().await;
    let ran = run(&to, wanted()).await;
    for error in [
        ran.error("incomplete"),
        plan.actions[0].error.as_deref().unwrap(),
    ] {
        assert!(error.contains(&missing) && error.contains("404"), "{error}");
    }
    assert_eq!(ran.of("whole").action, Action::Copy);
    assert_eq!(tags_at(target.address(), "app").await.len(), 1);
}

#[tokio::test]
async fn indexes_within_indexes_are_copied_to_a_depth_and_named_beyond() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let deep = store_nested(&source, 3, "deep");
    store_nested(&source, 9, "endless");
    let (from, to) = (client(source.address()), client(target.address()));
    let wanted = spec(vec![item(&from, "app", &literal(&["deep", "endless"]))]);
    let ran = run(&to, wanted).await;
    assert!(
        ran.error("endless").contains("indexes within each other"),
        "{ran:?}"
    );
    let tags = tags_at(target.address(), "app").await;
    assert_eq!(tags.get("deep").map(String::as_str), Some(deep.as_str()));
    assert_eq!(tags.len(), 1);
    assert_eq!(target.broken_references(), Vec::<String>::new());
}

#[tokio::test]
async fn an_unknown_media_type_is_copied_as_it_is() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let config = source.blob_put("app", "{}");
    let text = format!(
        r#"{{ "schemaVersion": 2, "mediaType": "application/vnd.example.thing.v7+json",
  "config": {{"mediaType": "application/x-thing", "digest": "{config}", "size": 2}}, "layers": [] }}"#
    );
    let media_type = "application/vnd.example.thing.v7+json";
    source.manifest_put("app", Some("thing"), media_type, text.clone());
    let (from, to) = (client(source.address()), client(target.address()));
    let ran = run(&to, spec(vec![item(&from, "app", &literal(&["thing"]))])).await;
    ran.all_done(Action::Copy, 1);
    let (found_type, found) = target.manifest("app", "thing").unwrap();
    assert_eq!(
        (found_type.as_str(), &found[..]),
        (media_type, text.as_bytes())
    );
    assert_eq!(target.broken_references(), Vec::<String>::new());
}
