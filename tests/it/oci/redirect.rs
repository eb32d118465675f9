//! Redirects.

use registrysync::oci::Reference;

use crate::support::images::Image;
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};
use crate::sync::{client, repository};

fn redirect(to: Option<&str>) -> Action {
    Action::Answer {
        status: 307,
        headers: to
            .map(|to| ("location", to.to_owned()))
            .into_iter()
            .collect(),
        body: String::new(),
    }
}

#[tokio::test]
async fn a_redirect_within_the_registry_is_followed() {
    let registry = Registry::start().await;
    let image = Image::artifact(1, "a/b");
    image.store(&registry, "real/app", Some("1"));
    let to = "/v2/real/app/manifests/1";
    registry.fault_add(Fault::on("GET", "/v2/app/manifests", redirect(Some(to))));
    let tag = Reference::parse("1").unwrap();
    let client = client(registry.address());
    let found = client.manifest_get(&repository("app"), &tag).await.unwrap();
    assert_eq!(found.digest.as_str(), image.digest());
}

#[tokio::test]
async fn a_redirect_that_leads_nowhere_is_an_error() {
    for (to, words) in [
        (Some("/v2/app/tags/list"), "too many redirects"),
        (Some("http://"), "an invalid URL"),
        (Some("file:///etc/passwd"), "not followed"),
        (None, "without a usable `Location`"),
    ] {
        let registry = Registry::start().await;
        registry.fault_add(Fault::on("GET", "/tags/list", redirect(to)));
        let client = client(registry.address());
        let failed = client.tag_list(&repository("app")).await;
        let text = failed.unwrap_err().to_string();
        assert!(text.contains(words), "{to:?}: {text}");
        assert!(registry.requests().0.len() < 10);
    }
}

/// A manifest larger than the specification's minimum limit, and one larger than ours.
#[tokio::test]
async fn large_manifests_are_read_and_endless_ones_are_not() {
    for (size, fits) in [(5 << 20, true), (40 << 20, false)] {
        let registry = Registry::start().await;
        let text = format!(
            r#"{{"schemaVersion":2,"manifests":[],"annotations":{{"x":"{}"}}}}"#,
            "y".repeat(size)
        );
        registry.manifest_put(
            "app",
            Some("1"),
            "application/vnd.oci.image.index.v1+json",
            text,
        );
        let tag = Reference::parse("1").unwrap();
        let client = client(registry.address());
        let read = client.manifest_get(&repository("app"), &tag).await;
        assert_eq!(read.is_ok(), fits);
        if let Err(error) = read {
            assert!(error.to_string().contains("the limit of 8 MiB"), "{error}");
        }
    }
}
