//! One place has one writer at a time, and a registry that sees an incomplete state is asked once more.

use registrysync::sync::{Action, Status};
use serde_json::json;

use super::{client, everything, item, lacking, literal, run, spec, tags_at};
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::{AMD64, ARM64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action as Happens, Fault};
use crate::support::registry::log::Kind;

/// An index, and its children with the ends of their tags.
fn release(number: u64) -> (Image, Vec<(&'static str, Image)>) {
    let image = |seed: u64, platform| {
        let layers = [Blob::layer(1, 2000), Blob::layer(1000 * seed + number, 500)];
        Image::single(Format::Oci, platform, &layers)
    };
    let (amd64, arm64) = (image(1, AMD64), image(2, ARM64));
    let index = Image::index(
        Format::Oci,
        &[(AMD64, amd64.clone()), (ARM64, arm64.clone())],
    );
    (index, vec![("amd64", amd64), ("arm64", arm64)])
}

#[tokio::test(flavor = "multi_thread")]
async fn images_that_are_tags_and_children_too_all_arrive_at_a_real_registry() {
    const RELEASES: u64 = 40;
    let (Some(source), Some(target)) =
        (DockerRegistry::start().await, DockerRegistry::start().await)
    else {
        return;
    };
    for number in 0..RELEASES {
        let (index, children) = release(number);
        let tag = format!("1.{number}");
        index.push(source.address(), "app", Some(&tag)).await;
        for (end, child) in children {
            let tag = format!("{tag}-{end}");
            child.push(source.address(), "app", Some(&tag)).await;
        }
    }
    let (from, to) = (client(source.address()), client(target.address()));
    let ran = run(&to, spec(vec![item(&from, "app", &everything())])).await;
    ran.all_done(Action::Copy, 3 * usize::try_from(RELEASES).unwrap());
    assert_eq!(
        tags_at(target.address(), "app").await,
        tags_at(source.address(), "app").await
    );
    assert_eq!(lacking(target.address(), "app").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_child_that_is_a_tag_too_is_written_once_by_its_digest_or_its_tag() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let (index, children) = release(1);
    index.store(&source, "app", Some("1"));
    for (end, child) in &children {
        child.store(&source, "app", Some(&format!("1-{end}")));
    }
    // Writing the tag takes a while, and the index waits for it instead of writing it as well.
    let slow = Happens::Delay(std::time::Duration::from_millis(300));
    target.fault_add(Fault::on("PUT", "manifests/1-a", slow));
    let (from, to) = (client(source.address()), client(target.address()));
    let tags = literal(&["1-amd64", "1-arm64", "1"]);
    let ran = run(&to, spec(vec![item(&from, "app", &tags)])).await;
    ran.all_done(Action::Copy, 3);
    let requests = target.requests();
    let mut puts: Vec<_> = requests.of(Kind::Manifest);
    puts.retain(|request| request.method == "PUT");
    let last = puts.last().expect("writes");
    assert!(last.path.ends_with("/manifests/1"), "{puts:?}");
    let by_tag = puts.iter().filter(|put| !put.path.contains("sha256:"));
    assert_eq!(by_tag.count(), 3, "{puts:?}");
    assert_eq!(target.broken_references(), Vec::<String>::new());
}

#[tokio::test]
async fn a_manifest_whose_needs_a_registry_does_not_see_yet_is_written_once_more() {
    let refusals = [
        (400, "DIGEST_INVALID", true),
        (400, "MANIFEST_BLOB_UNKNOWN", true),
        (404, "BLOB_UNKNOWN", true),
        (404, "MANIFEST_UNKNOWN", true),
        (400, "MANIFEST_INVALID", false),
        (409, "TAG_IMMUTABLE", false),
    ];
    for (status, code, is_passing) in refusals {
        // Once is a hitch; twice is intended.
        for times in [1, 2] {
            let (source, target) = (Registry::start().await, Registry::start().await);
            Image::multi(Format::Oci, 5, 500).store(&source, "app", Some("1"));
            let refusal = Happens::Answer {
                status,
                headers: Vec::new(),
                body: json!({"errors": [{"code": code, "message": "no"}]}).to_string(),
            };
            target.fault_add(Fault::on("PUT", "manifests/1$", refusal).times(times));
            let (from, to) = (client(source.address()), client(target.address()));
            let ran = run(&to, spec(vec![item(&from, "app", &everything())])).await;
            let (wanted, tries) = match (is_passing, times) {
                (true, 1) => (Status::Done, 2),
                (true, _) => (Status::Failed, 2),
                (false, _) => (Status::Failed, 1),
            };
            assert_eq!(ran.of("1").status, wanted, "{code} {times}: {ran:?}");
            let requests = target.requests();
            let puts = requests.of(Kind::Manifest).into_iter();
            let puts = puts.filter(|r| r.method == "PUT" && r.path.ends_with("/1"));
            assert_eq!(puts.count(), tries, "{code} {times}");
        }
    }
}

#[tokio::test]
async fn a_tag_that_is_refused_does_not_fail_the_index_that_it_is_a_child_of() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let (index, children) = release(1);
    index.store(&source, "app", Some("1"));
    children[0].1.store(&source, "app", Some("1-amd64"));
    target.fault_add(Fault::status("PUT", "manifests/1-amd64$", 409));
    let (from, to) = (client(source.address()), client(target.address()));
    let tags = literal(&["1-amd64", "1"]);
    let ran = run(&to, spec(vec![item(&from, "app", &tags)])).await;
    assert_eq!(ran.of("1-amd64").status, Status::Failed);
    assert_eq!(ran.of("1").status, Status::Done, "{ran:?}");
    assert_eq!(target.broken_references(), Vec::<String>::new());
}
