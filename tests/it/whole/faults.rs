//! Failures around a run, and how it ends.

use std::time::Duration;

use serde_json::{Value, json};

use super::lost_work::until;
use super::server::Server;
use crate::support::database::TestDatabase;
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::postgres::OwnServer;
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault, Quirk};

async fn source_with(tags: u64) -> Registry {
    let source = Registry::start().await;
    for seed in 0..tags {
        let image = Image::single(Format::Oci, AMD64, &[Blob::layer(seed, 20_000)]);
        image.store(&source, "app", Some(&format!("v{seed}")));
    }
    source
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_tag_stops_no_other_and_is_in_results_and_log() {
    let source = source_with(5).await;
    let target = Registry::start().await;
    source.fault_add(Fault::status("GET", "/manifests/v2", 404));
    source.fault_add(Fault::status("HEAD", "/manifests/v2", 404));
    let server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    let id = session.run().await;
    let run = session.run_ended(id).await;
    assert_eq!(run["status"], "FAILED");
    assert_eq!(run["counts"]["copied"], 4);
    assert_eq!(run["counts"]["failed"], 1);
    let id = id.to_string();
    let query = [("runId", id.as_str()), ("status", "failed")];
    let failed = session
        .get("registrysync/listRunResults", &query)
        .await
        .unwrap();
    assert_eq!(failed.as_array().unwrap().len(), 1, "{failed}");
    assert_eq!(failed[0]["tag"], "v2");
    assert!(
        failed[0]["error"]
            .as_str()
            .unwrap()
            .contains("`app:v2` was not found"),
        "{failed}"
    );
    let log = session
        .get("registrysync/getRunLog", &[("runId", &id)])
        .await
        .unwrap();
    assert!(log.to_string().contains("`app:v2` failed"), "{log}");
    assert_eq!(target.tags("app").len(), 4);
    assert!(target.broken_references().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_out_of_reach_is_named() {
    let target = Registry::start().await;
    let nobody = {
        let gone = Registry::start().await;
        gone.address().to_owned()
    };
    let server = Server::start(None);
    let session = server.login().await;
    session.project(&nobody, target.address(), &["app"]).await;
    let ping = session
        .get("registrysync/ping", &[("storeLabel", "from")])
        .await
        .unwrap();
    assert_eq!(ping["ok"], false);
    assert_eq!(ping["steps"][1]["name"], "connect");
    assert!(
        ping["steps"][1]["message"]
            .as_str()
            .unwrap()
            .contains("refused"),
        "{ping}"
    );
    for (method, query) in [
        (
            "registrysync/listTags",
            vec![("storeLabel", "from"), ("repository", "app")],
        ),
        ("registrysync/plan", vec![("label", "web")]),
    ] {
        let fault = session.get(method, &query).await.unwrap_err();
        assert!(
            fault.contains(&nobody) && fault.contains("can't connect"),
            "{fault}"
        );
    }
    let run = session.run_ended(session.run().await).await;
    assert_eq!(run["status"], "FAILED");
    assert!(
        run["message"].as_str().unwrap().contains("can't connect"),
        "{run}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_is_refused_or_queued_and_many_may_watch() {
    let source = source_with(20).await;
    let target = Registry::start().await;
    source.fault_add(Fault::on(
        "GET",
        "/blobs/",
        Action::Delay(Duration::from_millis(300)),
    ));
    let server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    let first = session.run().await;
    let refused = session
        .post("registrysync/run", json!({"label": "web"}))
        .await
        .unwrap_err();
    assert!(refused.contains(&format!("run {first}")), "{refused}");
    let queue = json!({"label": "web", "options": {"queue": true}});
    let second = session
        .post("registrysync/run", queue)
        .await
        .unwrap()
        .as_i64()
        .unwrap();
    let mut watchers = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let session = session.clone();
        watchers.spawn(async move { session.run_ended(first).await });
    }
    while let Some(run) = watchers.join_next().await {
        let run = run.unwrap();
        assert_eq!(run["status"], "FINISHED");
        assert_eq!(run["counts"]["copied"], 20);
    }
    let run = session.run_ended(second).await;
    assert_eq!(run["counts"]["skipped"], 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_after_its_server_was_killed_and_counts_nothing_twice() {
    let source = source_with(3).await;
    let target = Registry::start().await;
    source.fault_add(Fault::on("GET", "/manifests/", Action::Hang).after(1));
    let mut server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    let id = session.run().await;
    // One tag is done and recorded, the others hang.
    session.counted(id, "copied", 1).await;
    server.end("KILL");
    source.faults_clear();
    server.start_again();
    let session = server.login().await;
    let run = session.run_ended(id).await;
    assert_eq!(run["status"], "FINISHED", "{run}");
    assert_eq!(run["attempt"], 2);
    assert_eq!(
        (&run["counts"]["copied"], &run["counts"]["skipped"]),
        (&json!(3), &json!(0))
    );
    let query = [("runId", &*id.to_string())];
    let results = session.get("registrysync/listRunResults", &query).await;
    assert_eq!(results.unwrap().as_array().unwrap().len(), 3);
    let log = session.get("registrysync/getRunLog", &query).await;
    let log = log.unwrap().to_string();
    assert!(
        log.contains("its worker ended first; retried, attempt 2 of 5"),
        "{log}"
    );
    let run = session.run_ended(session.run().await).await;
    assert_eq!(run["counts"]["skipped"], 3);
    assert!(target.broken_references().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_one_data_directory_is_refused() {
    let server = Server::start(None);
    let second = server.again();
    assert_eq!(second.status.code(), Some(2), "{second:?}");
    let message = String::from_utf8_lossy(&second.stderr);
    assert!(
        message.contains("is in use by another registrysync"),
        "{message}"
    );
    server.login().await;
}

#[test]
fn a_password_that_cant_be_kept_is_shown_all_the_same() {
    let files = tempfile::tempdir().unwrap();
    let kept = files.path().join("admin-password");
    std::fs::create_dir(&kept).unwrap();
    let ended = super::server::serve_to_its_end(files.path(), &["serve"]);
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    let message = String::from_utf8_lossy(&ended.stderr);
    assert!(
        message.contains("the account `admin` has the password"),
        "{message}"
    );
    assert!(message.contains("write it down"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_architecture_that_a_single_image_hasnt_is_refused() {
    let source = source_with(1).await;
    let target = Registry::start().await;
    let server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    let details = |architecture: &'static str| {
        let session = session.clone();
        async move {
            let query = [
                ("storeLabel", "from"),
                ("repository", "app"),
                ("tag", "v0"),
                ("architecture", architecture),
            ];
            session.get("registrysync/getImageDetails", &query).await
        }
    };
    assert_eq!(details("amd64").await.unwrap()["architecture"], "amd64");
    let refused = details("arm64").await.unwrap_err();
    assert!(
        refused.contains("no image for `arm64`; it has `linux/amd64`"),
        "{refused}"
    );
}

/// The database goes while a referrer is sent, and is away when its index is about to be written.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_referrers_waits_for_a_database_that_comes_back() {
    let Some(mut postgres) = OwnServer::start() else {
        return;
    };
    let database = TestDatabase::of(&postgres);
    let source = source_with(1).await;
    let image = Image::single(Format::Oci, AMD64, &[Blob::layer(0, 20_000)]);
    let referrer = Image::referrer(1, "a/signature", &image.top);
    referrer.store(&source, "app", None);
    let target = Registry::builder().quirk(Quirk::NoReferrers).start().await;
    let path = format!("/manifests/{}", referrer.digest());
    let slow = Action::Delay(Duration::from_secs(5));
    target.fault_add(Fault::on("PUT", &path, slow).times(1));
    let server = Server::start(Some(database.url.clone()));
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    let details = json!({"label": "web", "details": {"referrers": true}});
    session
        .post("registrysync/setDetails", details)
        .await
        .unwrap();
    let id = session.run().await;
    let is_sent = |target: &Registry| {
        let requests = target.requests();
        let mut all = requests.0.iter();
        all.any(|one| one.method == "PUT" && one.path.ends_with(&path))
    };
    until(&target, is_sent).await;
    postgres.stop();
    let is_there = |target: &Registry| target.manifest("app", referrer.digest()).is_some();
    until(&target, is_there).await;
    // The worker asks the database as long as these two.
    for _ in 0..2 {
        let refused = session.get("registrysync/listProjects", &[]).await;
        let refused = refused.unwrap_err();
        assert!(refused.contains("database"), "{refused}");
    }
    postgres.start_again();
    let run = session.run_ended(id).await;
    assert_eq!(run["status"], "FINISHED", "{run}");
    let (_, index) = target
        .manifest("app", &image.digest().replace(':', "-"))
        .expect("an index");
    let index: Value = serde_json::from_slice(&index).unwrap();
    let listed = &index["manifests"][0]["digest"];
    assert_eq!(*listed, referrer.digest(), "{index}");
}
