//! Where an upload continues, and how registries answer its end.

use registrysync::sync::{Action, Status};

use crate::support::images::{Format, Image};
use crate::support::registry::auth::{Auth, TokenAuth};
use crate::support::registry::faults::Quirk;
use crate::support::registry::{Builder, LocationStyle, Registry};
use crate::sync::spec;
use crate::sync::{client, everything, item, run};

async fn copied_to(target: Builder) -> (Registry, crate::sync::Ran) {
    let (source, target) = (Registry::start().await, target.start().await);
    Image::multi(Format::Oci, 1, 100_000).store(&source, "app", Some("1"));
    let from = client(source.address());
    let ran = run(
        &client(target.address()),
        spec(vec![item(&from, "app", &everything())]),
    )
    .await;
    (target, ran)
}

#[tokio::test]
async fn every_kind_of_location_and_answer_is_understood() {
    for (name, builder) in [
        ("relative", Registry::builder()),
        (
            "with a query",
            Registry::builder().location(LocationStyle::RelativeWithQuery),
        ),
        (
            "absolute",
            Registry::builder().location(LocationStyle::Absolute(None)),
        ),
        ("202", Registry::builder().quirk(Quirk::PutAccepted)),
        ("204", Registry::builder().quirk(Quirk::PutNoContent)),
    ] {
        let (target, ran) = copied_to(builder).await;
        assert_eq!(ran.of("1").action, Action::Copy, "{name}");
        assert_eq!(ran.of("1").status, Status::Done, "{name}: {ran:?}");
        assert_eq!(target.broken_references(), Vec::<String>::new(), "{name}");
        assert_eq!(target.tags("app").len(), 1);
    }
}

/// The session is on another host: requests there have no authorisation, whatever happens.
#[tokio::test]
async fn a_location_on_another_host_gets_no_authorization() {
    let other = Registry::start().await;
    let auth = TokenAuth {
        account: Some(("user".into(), "password".into())),
        ..TokenAuth::default()
    };
    let location = LocationStyle::Absolute(Some(other.address().to_owned()));
    let target = Registry::builder()
        .auth(Auth::Token(auth))
        .location(location);
    let target = target.start().await;
    let source = Registry::start().await;
    Image::artifact(1, "a/b").store(&source, "app", Some("1"));
    let mut options = crate::sync::options(target.address());
    options.credentials = registrysync::oci::Credentials::from_parts("user", "password");
    let to = registrysync::oci::Client::new(options).unwrap();
    let from = client(source.address());
    let ran = run(&to, spec(vec![item(&from, "app", &everything())])).await;
    // The other host doesn't know the session.
    assert!(ran.error("1").contains(other.address()));
    let asked = other.requests();
    assert!(asked.0.iter().any(|r| r.method == "PUT"));
    assert!(asked.0.iter().all(|r| !r.has_authorization));
    assert!(target.tags("app").is_empty());
}
