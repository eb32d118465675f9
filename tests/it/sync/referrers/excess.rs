//! Sources with more referrers than are followed.

use std::ops::Range;

use serde_json::{Value, json};

use registrysync::sync::input::referrer_choice::ReferrerChoice;
use registrysync::sync::{Action, SyncSpec};

use super::faults::answer;
use super::wanted;
use crate::support::images::{Image, OCI_MANIFEST};
use crate::support::registry::Registry;
use crate::support::registry::faults::Fault;
use crate::support::registry::log::Kind;
use crate::sync::{client, run};

/// Entries of unwanted manifests, which don't say of what type those are.
fn untyped(source: &Registry, numbers: Range<u64>) -> Vec<Value> {
    let entry = |number: u64| {
        let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [],
            "artifactType": "a/other", "annotations": {"number": number.to_string()}});
        let manifest = manifest.to_string();
        let size = manifest.len();
        let digest = source.manifest_put("app", None, OCI_MANIFEST, manifest);
        json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": size})
    };
    numbers.map(entry).collect()
}

fn listed(subject: &str, entries: &[Value]) -> Fault {
    let body = json!({"schemaVersion": 2, "manifests": entries}).to_string();
    Fault::on("GET", &format!("/referrers/{subject}"), answer(200, body))
}

#[tokio::test]
async fn what_is_read_for_its_type_counts_like_what_is_followed() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let image = Image::artifact(1, "a/b");
    image.store(&source, "app", Some("1"));
    let sbom = Image::referrer(2, "a/sbom", &image.top);
    sbom.store(&source, "app", None);
    let mut entries = untyped(&source, 0..600);
    entries.push(
        json!({"mediaType": OCI_MANIFEST, "digest": sbom.digest(), "size": sbom.top.bytes.len(),
        "artifactType": "a/sbom"}),
    );
    source.fault_add(listed(image.digest(), &entries));
    source.fault_add(listed(sbom.digest(), &untyped(&source, 600..1200)));
    let (from, to) = (client(source.address()), client(target.address()));
    let some = SyncSpec {
        referrers: ReferrerChoice::parse(&["a/sbom"]).unwrap(),
        ..wanted(&from)
    };
    let ran = run(&to, some).await;
    ran.all_done(Action::Copy, 1);
    assert_eq!(ran.of("1").referrers.written, 1);
    let [warning] = ran.warnings.as_slice() else {
        panic!("{ran:?}")
    };
    assert!(
        warning.contains("more than 1000 referrers with those of its referrers"),
        "{warning}"
    );
    // And the image, and the SBOM.
    let read = source.requests().count("GET", Kind::Manifest);
    assert!((999..1010).contains(&read), "{read}");
}
