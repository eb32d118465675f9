//! Nothing is silent: what a run doesn't do is counted and reported; what is lost at a target is
//! reported until it is repaired.

use std::time::Duration;

use serde_json::{Value, json};

use super::server::{Server, Session};
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};

/// `app` with an image for three platforms and one for amd64 only.
async fn registries() -> (Registry, Registry) {
    let source = Registry::start().await;
    Image::multi(Format::Oci, 10, 5000).store(&source, "app", Some("multi"));
    let single = Image::single(Format::Oci, AMD64, &[Blob::layer(7, 1000)]);
    single.store(&source, "app", Some("single"));
    (source, Registry::start().await)
}

async fn run(session: &Session) -> Value {
    let run = session.run_ended(session.run().await).await;
    let counts = &run["counts"];
    let count = |name: &str| counts[name].as_i64().unwrap();
    let done = [
        "copied", "updated", "skipped", "deleted", "blocked", "failed",
    ];
    assert_eq!(
        count("selected"),
        done.into_iter().map(count).sum::<i64>(),
        "{run}"
    );
    run
}

async fn item(session: &Session, repository: &str, options: Value) -> Result<Value, String> {
    let body = json!({"label": "web", "repository": repository, "tags": [], "options": options});
    session.post("registrysync/addImage", body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_selects_nothing_is_a_warning_a_failure_or_nothing() {
    let (source, target) = registries().await;
    let server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    let nothing = json!({"tags_regex": "^nothing$", "target_repository": "other"});
    let added = item(&session, "app", nothing).await.unwrap();
    let id = added["id"].as_i64().unwrap();
    let set = async |text: &str| {
        let body = json!({"itemId": id, "details": {"on_empty": text}});
        session.post("registrysync/updateImage", body).await
    };

    let warned = run(&session).await;
    assert_eq!(
        (&warned["status"], &warned["counts"]["warnings"]),
        (&json!("FINISHED"), &json!(1)),
        "{warned}"
    );
    assert!(
        warned["message"].as_str().unwrap().contains("1 warning"),
        "{warned}"
    );
    let log = session.log(warned["id"].as_i64().unwrap()).await;
    assert!(log.contains("none of its 2 tags is selected"), "{log}");

    set("ignore").await.unwrap();
    let ignored = run(&session).await;
    assert_eq!(ignored["counts"]["warnings"], 0, "{ignored}");
    set("fail").await.unwrap();
    let failed = run(&session).await;
    assert_eq!(
        (&failed["status"], &failed["counts"]["failed"]),
        (&json!("FAILED"), &json!(1)),
        "{failed}"
    );
    let refused = set("perhaps").await.unwrap_err();
    assert!(refused.contains("`warn`, `fail` or `ignore`"), "{refused}");
    // If unset, the project's setting applies.
    set("").await.unwrap();
    let project = json!({"label": "web", "details": {"on_empty": "fail"}});
    session
        .post("registrysync/setDetails", project)
        .await
        .unwrap();
    assert_eq!(run(&session).await["status"], "FAILED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_missing_fails_the_run_and_so_does_nothing_at_all() {
    let (source, target) = registries().await;
    let server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app", "gone"])
        .await;
    let missing = run(&session).await;
    assert_eq!(
        (&missing["status"], &missing["counts"]["copied"]),
        (&json!("FAILED"), &json!(2)),
        "{missing}"
    );
    let log = session.log(missing["id"].as_i64().unwrap()).await;
    assert!(log.contains("there is no such repository"), "{log}");

    let server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &[])
        .await;
    item(&session, "app", json!({"tags_regex": "^nothing$"}))
        .await
        .unwrap();
    let nothing = run(&session).await;
    assert_eq!(nothing["status"], "FAILED", "{nothing}");
    let message = nothing["message"].as_str().unwrap();
    assert!(message.contains("no item selects anything"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_without_items_has_failed() {
    let (source, target) = registries().await;
    let server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &[])
        .await;
    let empty = run(&session).await;
    assert_eq!(empty["status"], "FAILED", "{empty}");
    let message = empty["message"].as_str().unwrap();
    assert!(
        message.contains("the project has no items, so nothing was copied"),
        "{message}"
    );
    let log = session.log(empty["id"].as_i64().unwrap()).await;
    assert!(log.contains("has no items"), "{log}");
}

/// Only an item's warning that it is empty makes a run fail; not any other warning.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_item_that_is_to_be_ignored_is_no_failure_whatever_else_is_odd() {
    let (source, target) = registries().await;
    let odd = r#"{"name":"app","tags":["a b","multi"]}"#;
    let listing = Action::Answer {
        status: 200,
        headers: vec![("content-type", "application/json".to_owned())],
        body: odd.into(),
    };
    source.fault_add(Fault::on("GET", "/app/tags/list", listing));
    let server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &[])
        .await;
    let nothing = json!({"tags_regex": "^nothing$", "on_empty": "ignore"});
    let added = item(&session, "app", nothing).await.unwrap();
    let ignored = run(&session).await;
    assert_eq!(
        (&ignored["status"], &ignored["counts"]["warnings"]),
        (&json!("FINISHED"), &json!(1)),
        "{ignored}"
    );
    let warn = json!({"itemId": added["id"], "details": {"on_empty": "warn"}});
    session
        .post("registrysync/updateImage", warn)
        .await
        .unwrap();
    let failed = run(&session).await;
    assert_eq!(
        (&failed["status"], &failed["counts"]["warnings"]),
        (&json!("FAILED"), &json!(2)),
        "{failed}"
    );
    // With a second item with something to do, it is a warning again.
    let named = json!({"tags_regex": "^multi$", "target_repository": "other"});
    item(&session, "app", named).await.unwrap();
    let warned = run(&session).await;
    assert_eq!(warned["status"], "FINISHED", "{warned}");
    let message = warned["message"].as_str().unwrap();
    assert!(message.starts_with("1 tag selected: 1 copied"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_an_image_does_not_have_is_told_in_every_run() {
    let (source, target) = registries().await;
    let server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &[])
        .await;
    let refused = item(&session, "app", json!({"architectures": ["arm46"]})).await;
    let refused = refused.unwrap_err();
    assert!(refused.contains("did you mean `arm64`?"), "{refused}");
    // `single` has neither, `multi` only one.
    let wanted = json!({"architectures": ["aarch64", "s390x"]});
    let added = item(&session, "app", wanted).await.unwrap();
    assert_eq!(added["architectures"], json!(["aarch64", "s390x"]));
    let mut digests = Vec::new();
    for copied in [1, 0] {
        let ran = run(&session).await;
        assert_eq!(
            (
                &ran["status"],
                &ran["counts"]["warnings"],
                &ran["counts"]["copied"]
            ),
            (&json!("FINISHED"), &json!(2), &json!(copied)),
            "{ran}"
        );
        let log = session.log(ran["id"].as_i64().unwrap()).await;
        for part in [
            "app:single`: skipped: the image is for",
            "lacks some of the chosen platforms (`s390x`)",
            "linux/arm/v7",
        ] {
            assert!(log.contains(part), "{log}");
        }
        digests.push(target.tags("app"));
    }
    assert_eq!(digests[0], digests[1]);
    assert_eq!(digests[0].len(), 1);
    let body = json!({"itemId": added["id"], "details": {"architectures": ["ppc64el"]}});
    session
        .post("registrysync/updateImage", body)
        .await
        .unwrap();
    let none = run(&session).await;
    assert_eq!(
        (&none["status"], &none["counts"]["failed"]),
        (&json!("FAILED"), &json!(2)),
        "{none}"
    );
    let log = session.log(none["id"].as_i64().unwrap()).await;
    assert!(log.contains("(`ppc64le`); it has `linux/amd64`"), "{log}");
}

/// Checks the targets; returns status and message.
async fn check(session: &Session) -> (String, String) {
    let list = [("bunch", "target-verify-bunch")];
    let ended = async || {
        let runs = session.get("taskomatic/listBunchSatRuns", &list).await;
        let runs = runs.unwrap().as_array().cloned().unwrap();
        let done = |run: &&Value| !matches!(run["status"].as_str(), Some("READY" | "RUNNING"));
        (runs.iter().filter(done).count(), runs)
    };
    let before = ended().await.0;
    let body = json!({"bunch": "target-verify-bunch", "params": {}});
    session
        .post("taskomatic/scheduleSingleSatBunchRun", body)
        .await
        .unwrap();
    for _ in 0..300 {
        let (count, runs) = ended().await;
        if count > before {
            let newest = runs.iter().max_by_key(|run| run["id"].as_i64()).unwrap();
            let text = |name: &str| newest[name].as_str().unwrap_or_default().to_owned();
            return (text("status"), newest.to_string());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the check doesn't end");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_images_are_reported_until_the_next_run_repairs_them() {
    let (source, target) = registries().await;
    let server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    run(&session).await;
    assert_eq!(check(&session).await.0, "FINISHED");
    // A layer of a child, which isn't visible in any manifest check.
    target.blob_remove("app", &Blob::layer(12, 5000).digest);
    assert!(!target.broken_references().is_empty());
    let unseen = run(&session).await;
    assert_eq!(unseen["counts"]["skipped"], 2, "{unseen}");
    for _ in 0..2 {
        let (status, run) = check(&session).await;
        assert_eq!(status, "FAILED", "{run}");
    }
    let mended = run(&session).await;
    assert_eq!(
        (&mended["status"], &mended["counts"]["updated"]),
        (&json!("FINISHED"), &json!(1)),
        "{mended}"
    );
    assert_eq!(target.broken_references(), Vec::<String>::new());
    let (status, run_text) = check(&session).await;
    assert_eq!(status, "FINISHED", "{run_text}");
    assert_eq!(run(&session).await["counts"]["skipped"], 2);
}
