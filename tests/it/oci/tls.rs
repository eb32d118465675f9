//! A registry on TLS: neither content nor credentials are sent unencrypted.

use registrysync::oci::{Client, Credentials};
use registrysync::sync::Action;

use crate::support::images::{Format, Image};
use crate::support::registry::auth::{Auth, TokenAuth};
use crate::support::registry::{Builder, LinkStyle, LocationStyle, Registry};
use crate::sync::spec;
use crate::sync::{everything, item, options_for, repository, run};

const USER: &str = "user";
const PASSWORD: &str = "s3cret-w0rd";

fn account() -> TokenAuth {
    TokenAuth {
        account: Some((USER.into(), PASSWORD.into())),
        anonymous_pull: false,
        ..TokenAuth::default()
    }
}

fn secure(auth: TokenAuth) -> Builder {
    Registry::builder().tls().auth(Auth::Token(auth))
}

fn known(registry: &Registry) -> Client {
    let mut options = options_for(registry);
    options.credentials = Credentials::from_parts(USER, PASSWORD);
    Client::new(options).unwrap()
}

#[tokio::test]
async fn all_of_it_goes_over_tls() {
    let storage = Registry::builder().tls().start().await;
    let builder = secure(account()).link(LinkStyle::Absolute).page_size(1);
    let source = builder.blobs_at(&storage).start().await;
    let target = secure(account()).location(LocationStyle::Absolute(None));
    let target = target.start().await;
    for (tag, seed) in [("1", 1), ("2", 20)] {
        Image::multi(Format::Oci, seed, 1000).store(&source, "app", Some(tag));
    }
    let wanted = spec(vec![item(&known(&source), "app", &everything())]);
    run(&known(&target), wanted).await.all_done(Action::Copy, 2);
    assert_eq!(target.tags("app"), source.tags("app"));
    assert_eq!(target.broken_references(), Vec::<String>::new());
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_gets_no_password() {
    let registry = secure(account()).start().await;
    Image::artifact(1, "a/b").store(&registry, "app", Some("1"));
    let mut options = options_for(&registry);
    options.credentials = Credentials::from_parts(USER, PASSWORD);
    options.ca_certificate = None;
    let client = Client::new(options).unwrap();
    assert!(client.tag_list(&repository("app")).await.is_err());
    assert!(registry.requests().0.is_empty());
}

/// Tokens, and what they give access to, would be visible on the network.
#[tokio::test]
async fn a_token_server_on_plain_http_is_asked_nothing() {
    let clear = Registry::builder().auth(Auth::Token(account()));
    let clear = clear.start().await;
    let auth = TokenAuth {
        realm: Some(format!("{}/token", clear.url())),
        ..account()
    };
    let registry = secure(auth).start().await;
    Image::artifact(1, "a/b").store(&registry, "app", Some("1"));
    let failed = known(&registry).tag_list(&repository("app")).await;
    let text = failed.unwrap_err().to_string();
    assert!(text.contains("plain http"), "{text}");
    assert!(clear.requests().0.is_empty(), "{:?}", clear.requests().0);
}

#[tokio::test]
async fn no_content_is_written_over_plain_http() {
    let (clear, source) = (Registry::start().await, Registry::start().await);
    let location = LocationStyle::Absolute(Some(clear.address().to_owned()));
    let target = secure(account()).location(location).start().await;
    Image::artifact(1, "a/b").store(&source, "app", Some("1"));
    let from = crate::sync::client(source.address());
    let wanted = spec(vec![item(&from, "app", &everything())]);
    let ran = run(&known(&target), wanted).await;
    assert!(ran.error("1").contains("plain http"), "{}", ran.error("1"));
    assert!(clear.requests().0.is_empty(), "{:?}", clear.requests().0);
    assert!(target.tags("app").is_empty());
}

#[tokio::test]
async fn no_content_is_read_over_plain_http() {
    let (clear, target) = (Registry::start().await, Registry::start().await);
    let source = secure(account()).blobs_at(&clear).start().await;
    Image::artifact(1, "a/b").store(&source, "app", Some("1"));
    let wanted = spec(vec![item(&known(&source), "app", &everything())]);
    let ran = run(&crate::sync::client(target.address()), wanted).await;
    assert!(ran.error("1").contains("plain http"), "{}", ran.error("1"));
    assert!(clear.requests().0.is_empty(), "{:?}", clear.requests().0);
    assert!(target.tags("app").is_empty());
}

/// Not verifying a registry's own certificate doesn't affect other hosts.
#[tokio::test]
async fn the_certificate_of_another_host_is_always_checked() {
    let storage = Registry::builder().tls().start().await;
    let source = Registry::builder().tls().blobs_at(&storage).start().await;
    let target = Registry::start().await;
    Image::artifact(1, "a/b").store(&source, "app", Some("1"));
    let mut options = options_for(&source);
    options.ca_certificate = None;
    options.tls_verify = false;
    let from = Client::new(options).unwrap();
    let wanted = spec(vec![item(&from, "app", &everything())]);
    let ran = run(&crate::sync::client(target.address()), wanted).await;
    let error = ran.error("1");
    assert!(
        error.contains("certificate") && error.contains(storage.address()),
        "{error}"
    );
    assert!(storage.requests().0.is_empty());
}
