//! Registries that fail in everything: detected after a few tags, and given up.

use std::time::Duration;

use registrysync::oci::{Client, ClientOptions, HealthRules};
use registrysync::sync::SyncSpec;

use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::raw::{RawServer, endlessly};
use crate::support::registry::Registry;
use crate::support::registry::auth::{Auth, TokenAuth};
use crate::support::registry::faults::{Action, Fault};
use crate::sync::spec;
use crate::sync::{client, everything, item, literal, options, repository, run};

/// All timeouts, short.
fn hasty(address: &str) -> ClientOptions {
    ClientOptions {
        idle_timeout: Duration::from_millis(200),
        first_delay: Duration::from_millis(5),
        health: HealthRules {
            probe_timeout: Duration::from_millis(200),
            pause: Duration::from_millis(5),
            limit: Duration::from_millis(300),
            ..HealthRules::default()
        },
        ..options(address)
    }
}

/// [`hasty`], but it isn't given up while the machine that runs the tests is busy.
fn lasting(address: &str) -> ClientOptions {
    let mut options = hasty(address);
    options.health.limit = Duration::from_mins(1);
    options
}

fn tags(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("v{n}")).collect()
}

fn many(source: &Client, count: usize) -> SyncSpec {
    let tags = tags(count);
    let names: Vec<&str> = tags.iter().map(String::as_str).collect();
    let mut wanted = spec(vec![item(source, "app", &literal(&names))]);
    wanted.max_parallel = 4;
    wanted
}

async fn stored(count: usize) -> Registry {
    let registry = Registry::start().await;
    for (seed, tag) in (1..).zip(tags(count)) {
        Image::artifact(seed, "a/b").store(&registry, "app", Some(&tag));
    }
    registry
}

#[tokio::test]
async fn a_source_that_fails_in_everything_is_given_up_after_a_few_tags() {
    let status = |status| Action::Answer {
        status,
        headers: Vec::new(),
        body: r#"{"message":"down for today"}"#.into(),
    };
    for (where_, fault, most) in [
        (".", Action::Hang, 60),
        (".", status(503), 60),
        (".", status(500), 60),
        // It responds, but never usefully.
        ("/manifests/", Action::Hang, 60),
        ("/manifests/", status(503), 400),
        ("/manifests/", status(502), 400),
    ] {
        let source = stored(5).await;
        for method in ["GET", "HEAD"] {
            source.fault_add(Fault::on(method, where_, fault.clone()));
        }
        let target = Registry::start().await;
        let from = Client::new(hasty(source.address())).unwrap();
        let ran = run(&client(target.address()), many(&from, 1000)).await;
        assert_eq!(
            (ran.end.totals.failed, ran.outcomes.len()),
            (1000, 1000),
            "{where_}"
        );
        let asked = source.requests().0.len();
        assert!(asked <= most, "{where_}: {asked} requests");
        let reason = ran.end.unreachable.expect("the registry that was given up");
        assert!(
            reason.contains("given up") && reason.contains(source.address()),
            "{reason}"
        );
        assert!(
            ran.outcomes[999]
                .error
                .as_ref()
                .unwrap()
                .contains("given up")
        );
    }
}

#[tokio::test]
async fn a_target_that_takes_nothing_is_given_up_after_a_few_tags() {
    for (method, where_, fault) in [
        ("PUT", "/manifests/", Action::Hang),
        ("PUT", "/uploads/", Action::Hang),
        (
            "PUT",
            "/uploads/",
            Action::Answer {
                status: 503,
                headers: vec![],
                body: String::new(),
            },
        ),
        (
            "PUT",
            "/manifests/",
            Action::Answer {
                status: 500,
                headers: vec![],
                body: String::new(),
            },
        ),
    ] {
        let source = stored(300).await;
        let target = Registry::start().await;
        target.fault_add(Fault::on(method, where_, fault.clone()));
        let from = client(source.address());
        let to = Client::new(hasty(target.address())).unwrap();
        let ran = run(&to, many(&from, 300)).await;
        assert_eq!(ran.end.totals.failed, 300, "{where_}");
        let puts = target.requests();
        let puts = puts
            .0
            .iter()
            .filter(|r| r.method == "PUT" && r.path.contains(where_));
        let puts = puts.count();
        assert!(puts < 200, "{where_}: {puts}");
        assert!(
            ran.end
                .unreachable
                .is_some_and(|reason| reason.contains("given up"))
        );
    }
}

/// Faults of every blob of `images`: the same number of times each.
fn blobs_fail(registry: &Registry, images: &[Image], fault: impl Fn(&str) -> Fault, times: usize) {
    for blob in images.iter().flat_map(|image| &image.blobs) {
        let hex = blob.digest.trim_start_matches("sha256:");
        registry.fault_add(fault(hex).times(times));
    }
}

/// A registry that is only busy is waited for, however many uploads it refuses.
#[tokio::test]
async fn a_busy_target_takes_everything_in_the_end() {
    for status in [429, 503] {
        let (source, target) = (stored(10).await, Registry::start().await);
        let images: Vec<Image> = (1..=10).map(|seed| Image::artifact(seed, "a/b")).collect();
        let refused = |hex: &str| Fault::status("PUT", hex, status);
        blobs_fail(&target, &images, refused, 2);
        let to = Client::new(lasting(target.address())).unwrap();
        let mut wanted = many(&client(source.address()), 10);
        wanted.max_parallel = 8;
        let ran = run(&to, wanted).await;
        assert_eq!(ran.end.totals.copied, 10, "{status}: {:?}", ran.end);
    }
}

/// A registry that delivers blobs only in pieces is well.
#[tokio::test]
async fn a_source_that_cuts_every_blob_delivers_all_in_the_end() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let image = |seed| Image::single(Format::Oci, AMD64, &[Blob::layer(seed, 400_000)]);
    let images: Vec<Image> = (1..=10).map(image).collect();
    for (image, tag) in images.iter().zip(tags(10)) {
        image.store(&source, "app", Some(&tag));
    }
    let cut = |hex: &str| {
        Fault::on(
            "GET",
            &format!("blobs/sha256:{hex}"),
            Action::Cut { after: 70_000 },
        )
    };
    blobs_fail(&source, &images, cut, 4);
    let from = Client::new(lasting(source.address())).unwrap();
    let mut wanted = many(&from, 10);
    wanted.max_parallel = 8;
    let ran = run(&client(target.address()), wanted).await;
    assert_eq!(ran.end.totals.copied, 10, "{:?}", ran.end);
}

/// Temporarily unhealthy isn't permanently unhealthy: waiting tags are copied.
#[tokio::test]
async fn a_registry_that_comes_back_is_used_again() {
    let source = stored(50).await;
    for method in ["GET", "HEAD"] {
        source.fault_add(Fault::status(method, ".", 503).times(5));
    }
    let target = Registry::start().await;
    let from = Client::new(lasting(source.address())).unwrap();
    let ran = run(&client(target.address()), many(&from, 50)).await;
    assert!(ran.end.totals.copied >= 46, "{:?}", ran.end);
    assert_eq!(ran.end.unreachable, None);
}

/// Some tags are broken there, each time anew: the others are copied.
#[tokio::test]
async fn broken_tags_spoil_no_others() {
    let source = stored(40).await;
    for method in ["GET", "HEAD"] {
        source.fault_add(Fault::status(method, "/manifests/v(1|[12][0-9])$", 500));
    }
    let target = Registry::start().await;
    let from = Client::new(lasting(source.address())).unwrap();
    let ran = run(
        &client(target.address()),
        spec(vec![item(&from, "app", &everything())]),
    )
    .await;
    assert_eq!(
        (ran.end.totals.copied, ran.end.totals.failed),
        (19, 21),
        "{:?}",
        ran.end
    );
}

#[tokio::test]
async fn a_failing_token_server_is_asked_as_often_as_any_other() {
    let registry = Registry::builder()
        .auth(Auth::Token(TokenAuth::default()))
        .start()
        .await;
    registry.fault_add(Fault::status("GET", "^/token", 503));
    let client = Client::new(hasty(registry.address())).unwrap();
    let failed = client.tag_list(&repository("app")).await.unwrap_err();
    assert_eq!(failed.status(), Some(503), "{failed}");
    let asked = registry.requests();
    let asked = asked.0.iter().filter(|r| r.path == "/token").count();
    assert_eq!(asked, 4);
}

#[tokio::test]
async fn permanent_errors_are_not_retried() {
    let registry = Registry::start().await;
    let to = |to: &str| Action::Answer {
        status: 307,
        headers: vec![("location", to.to_owned())],
        body: String::new(),
    };
    registry.fault_add(Fault::on("GET", "/tags/list", to("ftp://127.0.0.1/x")).times(1));
    let client = client(registry.address());
    let failed = client
        .tag_list(&repository("app"))
        .await
        .unwrap_err()
        .to_string();
    assert!(failed.contains("ftp"), "{failed}");
    assert_eq!(registry.requests().0.len(), 1);

    let scope = "repository:x:pull ".repeat(4000);
    let challenge = format!(
        "Bearer realm=\"http://{}/token\",scope=\"{scope}\"",
        registry.address()
    );
    let asks = Action::Answer {
        status: 401,
        headers: vec![("www-authenticate", challenge)],
        body: String::new(),
    };
    registry.requests_clear();
    registry.fault_add(Fault::on("GET", "/tags/list", asks));
    assert!(client.tag_list(&repository("app")).await.is_err());
    assert!(
        registry.requests().0.len() <= 2,
        "{:?}",
        registry.requests()
    );
}

/// Endless "retry later" counts as a timeout.
#[tokio::test]
async fn answers_that_only_promise_one_end() {
    let server = RawServer::start(|_, _, mut stream| async move {
        endlessly(
            &mut stream,
            b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n",
        )
        .await;
    })
    .await;
    let client = Client::new(hasty(server.address())).unwrap();
    let failed = client.tag_list(&repository("app")).await.unwrap_err();
    assert!(!failed.is_not_found(), "{failed}");
    assert!(server.requests() <= 10, "{}", server.requests());
}
