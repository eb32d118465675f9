//! Authorisation: tokens for each scope that expire in between, blobs on another host, clear messages
//! for refusals.

use std::collections::{BTreeMap, HashSet};

use registrysync::oci::registry::upload::Mount;
use registrysync::oci::{Client, Credentials, Descriptor, Digest};
use registrysync::sync::{Action, SyncItem};

use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::auth::{Auth, TokenAuth, TokenField};
use crate::support::registry::log::Kind;
use crate::support::registry::{Builder, LinkStyle, Registry};
use crate::sync::spec;
use crate::sync::{client, everything, item, options, repository, run};

const USER: &str = "user";
const PASSWORD: &str = "s3cret-w0rd";

fn account() -> TokenAuth {
    TokenAuth {
        account: Some((USER.into(), PASSWORD.into())),
        anonymous_pull: false,
        ..TokenAuth::default()
    }
}

fn guarded(auth: TokenAuth) -> Builder {
    Registry::builder().auth(Auth::Token(auth))
}

/// A client with valid credentials; with one connection its requests are in a defined order.
fn known(address: &str, connections: usize) -> Client {
    let mut options = options(address);
    options.credentials = Credentials::from_parts(USER, PASSWORD);
    options.max_connections = connections;
    Client::new(options).unwrap()
}

/// A complete copy, as at GHCR: each token is valid for a few requests only, so that it expires
/// while listing, between an upload's POST and its PUT, and between blobs; the blobs are on another
/// host.
#[tokio::test]
async fn tokens_end_in_the_middle_and_never_reach_another_host() {
    for (link, uses) in [
        (LinkStyle::Relative, 1),
        (LinkStyle::Absolute, 2),
        (LinkStyle::Opaque, 3),
    ] {
        let storage = Registry::start().await;
        let auth = || TokenAuth {
            uses: Some(uses),
            ..account()
        };
        let builder = guarded(auth()).page_size(2).link(link).blobs_at(&storage);
        let (source, target) = (builder.start().await, guarded(auth()).start().await);
        for number in 0..5 {
            let image = Image::multi(Format::Oci, number * 10, 5000);
            image.store(&source, "team/app", Some(&format!("v{number}")));
        }
        let from = known(source.address(), 1);
        let wanted = spec(vec![item(&from, "team/app", &everything())]);
        let ran = run(&known(target.address(), 1), wanted).await;
        ran.all_done(Action::Copy, 5);
        assert_eq!(target.tags("team/app"), source.tags("team/app"));
        assert_eq!(target.broken_references(), Vec::<String>::new());

        let stored = storage.requests();
        assert!(stored.count("GET", Kind::Storage) > 0);
        assert!(stored.0.iter().all(|r| !r.has_authorization));
        for asked in source.token_requests() {
            assert_eq!(asked.scopes, ["repository:team/app:pull"]);
            assert_eq!(asked.account.as_deref(), Some(USER));
        }
        // A token that expires between POST and PUT needs no new session.
        let requests = target.requests();
        let sessions = requests
            .0
            .iter()
            .filter(|r| r.method == "POST" && r.status == 202);
        let finished = requests
            .0
            .iter()
            .filter(|r| r.method == "PUT" && r.kind() == Kind::Upload && r.status == 201);
        assert_eq!(sessions.count(), finished.count());
    }
}

#[tokio::test]
async fn a_token_is_asked_for_once_for_each_scope() {
    let (source, target) = (
        guarded(account()).start().await,
        guarded(account()).start().await,
    );
    for path in ["one", "two"] {
        for number in 0..10 {
            let image = Image::multi(Format::Oci, number, 1000);
            image.store(&source, path, Some(&format!("v{number}")));
        }
    }
    let from = known(source.address(), 16);
    let items = ["one", "two"].map(|path| item(&from, path, &everything()));
    let ran = run(&known(target.address(), 16), spec(items.into())).await;
    ran.all_done(Action::Copy, 20);
    for registry in [&source, &target] {
        let requests = registry.token_requests();
        let scopes: HashSet<_> = requests.iter().map(|request| &request.scopes).collect();
        assert_eq!(scopes.len(), requests.len(), "{requests:?}");
    }
    assert_eq!(source.token_requests().len(), 2);
}

#[tokio::test]
async fn tokens_are_read_in_all_their_dresses() {
    for field in [TokenField::Token, TokenField::AccessToken, TokenField::Both] {
        for expires_in in [None, Some(300), Some(u64::MAX)] {
            let auth = TokenAuth {
                expires_in,
                field,
                ..account()
            };
            let registry = guarded(auth).start().await;
            Image::artifact(1, "a/b").store(&registry, "app", Some("1"));
            let client = known(registry.address(), 4);
            for _ in 0..3 {
                let tags = client.tag_list(&repository("app")).await.unwrap();
                assert_eq!(tags, ["1"]);
            }
            assert_eq!(registry.token_requests().len(), 1);
        }
    }
    let auth = TokenAuth {
        field: TokenField::Neither,
        ..account()
    };
    let registry = guarded(auth).start().await;
    let failed = known(registry.address(), 4)
        .tag_list(&repository("app"))
        .await;
    let error = failed.unwrap_err().to_string();
    assert!(
        error.contains("neither `token` nor `access_token`") && error.contains("realm `127.0.0.1:"),
        "{error}"
    );
    // No empty bearer token is sent.
    assert!(
        registry
            .requests()
            .of(Kind::TagList)
            .iter()
            .all(|r| !r.has_authorization)
    );
}

#[tokio::test]
async fn refused_credentials_are_named_without_the_password() {
    let basic = Auth::Basic {
        user: USER.into(),
        password: PASSWORD.into(),
    };
    for auth in [Auth::Token(account()), basic] {
        let registry = Registry::builder().auth(auth).start().await;
        Image::artifact(1, "a/b").store(&registry, "app", Some("1"));
        let ask = async |user: &str, password: &str| {
            let mut options = options(registry.address());
            options.credentials = Credentials::from_parts(user, password);
            let client = Client::new(options).unwrap();
            client.tag_list(&repository("app")).await
        };
        assert_eq!(ask(USER, PASSWORD).await.unwrap(), ["1"]);
        let error = ask("stranger", "wr0ng-w0rd").await.unwrap_err();
        assert!(error.is_auth() && !error.is_retryable());
        let text = error.to_string();
        assert!(
            text.contains("refuses the credentials of `stranger`"),
            "{text}"
        );
        assert!(!format!("{error:?}").contains("wr0ng"), "{error:?}");
        let text = ask("", "").await.unwrap_err().to_string();
        assert!(text.contains("none were given"), "{text}");
    }
}

/// A valid account that may not see the catalogue: this isn't a refusal of its credentials.
#[tokio::test]
async fn a_refused_catalogue_keeps_its_status() {
    let auth = TokenAuth {
        grants: BTreeMap::from([("catalog".to_owned(), Vec::new())]),
        ..account()
    };
    let registry = guarded(auth).start().await;
    let failed = known(registry.address(), 4).repository_list().await;
    let error = failed.unwrap_err();
    assert_eq!(error.status(), Some(401), "{error}");
    assert!(
        error.is_auth()
            && error
                .to_string()
                .contains("the account lacks the permission")
    );
}

/// The account may not read the other repository: the mount fails, the upload that follows doesn't.
#[tokio::test]
async fn a_mount_without_enough_scopes_spoils_no_upload() {
    let auth = TokenAuth {
        grants: BTreeMap::from([("secret/app".to_owned(), Vec::new())]),
        ..account()
    };
    let target = guarded(auth).start().await;
    let source = Registry::start().await;
    let bytes = "content of the blob";
    let digest = Digest::parse(&source.blob_put("app", bytes)).unwrap();
    target.blob_put("secret/app", bytes);
    let to = known(target.address(), 4);
    let (own, secret) = (repository("own/app"), repository("secret/app"));
    match to.blob_mount(&own, &secret, &digest).await {
        Err(error) => assert!(error.is_auth(), "{error}"),
        Ok(Mount::Mounted | Mount::Session(_)) => {
            panic!("a mount from a repository that may not be read")
        }
    }
    let blob = Descriptor {
        media_type: String::new(),
        size: bytes.len() as u64,
        digest,
        platform: None,
        annotations: BTreeMap::new(),
        artifact_type: None,
    };
    let from = client(source.address());
    let quiet: registrysync::oci::registry::upload::OnBytes = std::sync::Arc::new(|_| {});
    let from = (&from, &repository("app"));
    to.blob_upload(&own, from, &blob, None, &quiet)
        .await
        .unwrap();
    assert!(target.blob_size("own/app", blob.digest.as_str()).is_some());
}

/// A realm on another host gets no credentials, which is distinguished from a refusal.
#[tokio::test]
async fn credentials_dont_go_to_a_realm_on_another_host() {
    let elsewhere = guarded(account()).start().await;
    let auth = TokenAuth {
        // Those in its address aren't sent either.
        realm: Some(format!("http://a:b@{}/token", elsewhere.address())),
        ..account()
    };
    let registry = guarded(auth).start().await;
    Image::artifact(1, "a/b").store(&registry, "app", Some("1"));
    let failed = known(registry.address(), 4)
        .tag_list(&repository("app"))
        .await;
    let text = failed.unwrap_err().to_string();
    assert!(text.contains("another host"), "{text}");
    let asked = elsewhere.token_requests();
    assert!(
        asked.iter().all(|request| request.account.is_none()),
        "{asked:?}"
    );
    assert!(elsewhere.requests().0.iter().all(|r| !r.has_authorization));
}

#[tokio::test]
async fn basic_copies_in_both_directions() {
    let basic = || Auth::Basic {
        user: USER.into(),
        password: PASSWORD.into(),
    };
    let source = Registry::builder().auth(basic()).start().await;
    let target = Registry::builder().auth(basic()).start().await;
    let layers = [Blob::layer(1, 200_000)];
    Image::single(Format::Oci, AMD64, &layers).store(&source, "app", Some("1"));
    let from = known(source.address(), 4);
    let wanted = spec(vec![item(&from, "app", &everything())]);
    run(&known(target.address(), 4), wanted)
        .await
        .all_done(Action::Copy, 1);
    assert_eq!(target.tags("app"), source.tags("app"));
}

/// Short lifetimes are used fully: a token server with a rate limit would soon refuse us.
#[tokio::test]
async fn a_token_of_a_short_life_is_used_for_most_of_it() {
    for expires_in in [20, 30, 45] {
        let auth = TokenAuth {
            expires_in: Some(expires_in),
            ..account()
        };
        let registry = guarded(auth).start().await;
        Image::artifact(1, "a/b").store(&registry, "app", Some("1"));
        let client = known(registry.address(), 1);
        for _ in 0..5 {
            client.tag_list(&repository("app")).await.unwrap();
        }
        let asked = registry.token_requests().len();
        assert_eq!(asked, 1, "for {expires_in} s each");
    }
}

/// Within one registry, reading, writing and mounting have different scopes: after the first
/// challenge no request uses an insufficient token.
#[tokio::test]
async fn no_token_of_one_scope_is_tried_for_another() {
    let registry = guarded(account()).start().await;
    for number in 0..3 {
        let image = Image::multi(Format::Oci, number * 10, 1000);
        image.store(&registry, "team/app", Some(&format!("v{number}")));
    }
    let client = known(registry.address(), 1);
    // Something is written there before anything is mounted.
    let elsewhere = Registry::start().await;
    Image::multi(Format::Oci, 50, 1000).store(&elsewhere, "copy/app", Some("other"));
    let from = crate::sync::client(elsewhere.address());
    let wanted = spec(vec![item(&from, "copy/app", &everything())]);
    run(&client, wanted).await.all_done(Action::Copy, 1);
    let moved = SyncItem {
        target_repository: Some(repository("copy/app")),
        ..item(&client, "team/app", &everything())
    };
    run(&client, spec(vec![moved]))
        .await
        .all_done(Action::Copy, 3);
    let requests = registry.requests();
    assert!(
        requests
            .0
            .iter()
            .any(|r| r.query.contains("mount=") && r.status == 201),
        "blobs are mounted"
    );
    let refused = requests.0.iter().filter(|r| r.status == 401);
    assert_eq!(
        refused.count(),
        1,
        "the challenge that says where tokens are"
    );
    let asked = registry.token_requests();
    let scopes: HashSet<_> = asked.iter().map(|request| &request.scopes).collect();
    assert_eq!(scopes.len(), asked.len(), "{asked:?}");
}
