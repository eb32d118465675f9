//! Pages with odd continuations.

use registrysync::oci::Client;

use crate::support::images::Image;
use crate::support::registry::auth::{Auth, TokenAuth};
use crate::support::registry::faults::{Action, Fault};
use crate::support::registry::{LinkStyle, Registry};
use crate::sync::{client, options, repository};

const TAGS: [&str; 5] = ["a", "b", "c", "d", "e"];

fn filled(registry: &Registry) {
    for tag in TAGS {
        Image::artifact(1, "a/b").store(registry, "app", Some(tag));
    }
}

#[tokio::test]
async fn every_kind_of_link_is_followed() {
    for link in [
        LinkStyle::Relative,
        LinkStyle::Absolute,
        LinkStyle::Opaque,
        LinkStyle::Apart,
    ] {
        let registry = Registry::builder().page_size(2).link(link).start().await;
        filled(&registry);
        let client = client(registry.address());
        assert_eq!(client.tag_list(&repository("app")).await.unwrap(), TAGS);
        assert_eq!(client.repository_list().await.unwrap(), ["app"]);
    }
}

#[tokio::test]
async fn pages_in_a_circle_are_an_error() {
    let looping = Registry::builder().page_size(2).link(LinkStyle::Looping);
    let registry = looping.start().await;
    filled(&registry);
    let failed = client(registry.address())
        .tag_list(&repository("app"))
        .await;
    let text = failed.unwrap_err().to_string();
    assert!(
        text.contains("form a loop") && text.contains("tags of `app`"),
        "{text}"
    );
    assert!(registry.requests().0.len() < 5);
}

/// The other host gets the request, as the page says, but no token.
#[tokio::test]
async fn a_page_on_another_host_is_asked_without_authorization() {
    let other = Registry::start().await;
    filled(&other);
    let auth = Auth::Token(TokenAuth::default());
    let builder = Registry::builder().auth(auth).page_size(2);
    let link = LinkStyle::OtherHost(other.address().to_owned());
    let registry = builder.link(link).start().await;
    filled(&registry);
    let tags = client(registry.address())
        .tag_list(&repository("app"))
        .await;
    assert_eq!(tags.unwrap(), TAGS);
    let asked = other.requests();
    assert!(!asked.0.is_empty());
    assert!(asked.0.iter().all(|r| !r.has_authorization));
    assert!(registry.requests().0.iter().any(|r| r.has_authorization));
}

#[tokio::test]
async fn a_listing_that_is_no_listing_is_an_error() {
    for body in ["", "<html></html>", "[]", r#"{"tags": 7}"#] {
        let answer = Action::Answer {
            status: 200,
            headers: Vec::new(),
            body: body.to_owned(),
        };
        let fault = Fault::on("GET", "/tags/list", answer);
        let registry = Registry::builder().fault(fault).start().await;
        let failed = client(registry.address())
            .tag_list(&repository("app"))
            .await;
        let text = failed.unwrap_err().to_string();
        assert!(
            text.contains("isn't the JSON of a listing"),
            "{body}: {text}"
        );
    }
}

/// An interrupted listing is fetched again, never taken as a shorter one.
#[tokio::test]
async fn a_listing_that_breaks_off_is_no_shorter_listing() {
    let registry = Registry::builder().page_size(2).start().await;
    filled(&registry);
    registry.fault_add(Fault::on("GET", "last=b", Action::Cut { after: 5 }).times(1));
    let options = options(registry.address());
    let listed = Client::new(options)
        .unwrap()
        .tag_list(&repository("app"))
        .await;
    match listed {
        Ok(tags) => assert_eq!(tags, TAGS),
        Err(error) => panic!("one broken connection is no reason to give up: {error}"),
    }
}

/// A list with invalid names may be damaged, so none of them is lost on a later page.
#[tokio::test]
async fn an_invalid_name_is_told_from_every_page() {
    // They begin the second page and the last one.
    let registry = Registry::builder().page_size(2).start().await;
    filled(&registry);
    for tag in ["b!", "e!", "f"] {
        Image::artifact(1, "a/b").store(&registry, "app", Some(tag));
    }
    let listing = client(registry.address())
        .tag_listing(&repository("app"))
        .await
        .unwrap();
    assert_eq!(listing.entries, ["a", "b", "c", "d", "e", "f"]);
    assert_eq!(listing.dropped.named, ["b!", "e!"]);
    assert_eq!(listing.dropped.count, 2);
}
