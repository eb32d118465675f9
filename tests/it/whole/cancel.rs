//! Cancelled runs: what stays at the target, and how soon they end.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, RunQueryDsl as _, SqliteConnection};
use serde_json::{Value, json};

use super::server::{Server, Session};
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};

/// Far longer than a cancelled run takes, and far shorter than an endless transfer.
const SOON: Duration = Duration::from_secs(20);

/// Two registries; the source's blobs stop in the middle.
async fn stalled() -> (Registry, Registry) {
    let source = Registry::start().await;
    for seed in 0..3 {
        let image = Image::single(Format::Oci, AMD64, &[Blob::layer(seed, 500_000)]);
        image.store(&source, "app", Some(&format!("v{seed}")));
    }
    source.fault_add(Fault::on("GET", "/blobs/", Action::Stall { after: 100 }));
    (source, Registry::start().await)
}

/// Waits until blobs are being transferred.
async fn uploads_begun(target: &Registry) {
    tokio::time::timeout(SOON, async {
        while target.uploads_open() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("an upload");
}

async fn cancel(session: &Session, id: i64) -> Result<Value, String> {
    session
        .post("registrysync/cancelRun", json!({"runId": id}))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_ends_in_the_middle_of_a_blob_and_leaves_nothing_half() {
    let (source, target) = stalled().await;
    let server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    let id = session.run().await;
    uploads_begun(&target).await;
    assert_eq!(cancel(&session, id).await, Ok(json!(1)));
    let run = tokio::time::timeout(SOON, session.run_ended(id))
        .await
        .expect("an end");
    assert_eq!(run["status"], "INTERRUPTED");
    assert!(
        run["message"].as_str().unwrap().starts_with("cancelled"),
        "{run}"
    );
    assert!(session.log(id).await.contains("cancelled by `admin`"));
    assert_eq!(target.uploads_open(), 0, "sessions are given up");
    assert!(target.broken_references().is_empty() && target.tags("app").is_empty());

    let refused = cancel(&session, id).await.unwrap_err();
    assert!(
        refused.contains(&format!("run {id} has ended already: it is INTERRUPTED")),
        "{refused}"
    );
    let unknown = cancel(&session, 4711).await.unwrap_err();
    assert!(unknown.contains("no run with the id 4711"), "{unknown}");

    source.faults_clear();
    let run = session.run_ended(session.run().await).await;
    assert_eq!(
        (&run["status"], &run["counts"]["copied"]),
        (&json!("FINISHED"), &json!(3))
    );
}

/// A failed deletion, which takes several steps, reports the reason, and that its progress is
/// unknown.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_the_database_stops_says_why() {
    let (source, target) = stalled().await;
    let server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    let path = server.data("registrysync.db");
    let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let delete = || session.post("registrysync/delete", json!({"label": "web"}));
    let refused = delete().await.unwrap_err();
    for part in ["locked by another program", "check before you retry"] {
        assert!(refused.contains(part), "{refused}");
    }
    other.batch_execute("COMMIT").unwrap();
    delete().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_is_cancelled_at_once() {
    let (source, target) = stalled().await;
    let server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    let first = session.run().await;
    let queue = json!({"label": "web", "options": {"queue": true}});
    let second = session
        .post("registrysync/run", queue)
        .await
        .unwrap()
        .as_i64()
        .unwrap();
    uploads_begun(&target).await;
    assert_eq!(cancel(&session, second).await, Ok(json!(1)));
    let id = second.to_string();
    let run = session
        .get("registrysync/getRun", &[("runId", &id)])
        .await
        .unwrap();
    assert_eq!(
        (&run["status"], &run["message"]),
        (&json!("INTERRUPTED"), &json!("cancelled by `admin`"))
    );
    let id = first.to_string();
    let run = session
        .get("registrysync/getRun", &[("runId", &id)])
        .await
        .unwrap();
    assert_eq!(run["status"], "RUNNING");
    assert_eq!(cancel(&session, first).await, Ok(json!(1)));
    assert_eq!(session.run_ended(first).await["status"], "INTERRUPTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_project_cancels_its_runs_first() {
    let (source, target) = stalled().await;
    let server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    session.run().await;
    let queue = json!({"label": "web", "options": {"queue": true}});
    session.post("registrysync/run", queue).await.unwrap();
    uploads_begun(&target).await;
    let delete = session.post("registrysync/delete", json!({"label": "web"}));
    let deleted = tokio::time::timeout(SOON, delete).await.expect("an answer");
    assert_eq!(deleted, Ok(json!(1)));
    // The run had ended before the project was removed.
    assert_eq!(target.uploads_open(), 0);
    assert!(target.broken_references().is_empty() && target.tags("app").is_empty());
    assert_eq!(
        session.get("registrysync/listProjects", &[]).await,
        Ok(json!([]))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_cancelled_though_its_registries_answer_no_more() {
    let (source, target) = stalled().await;
    let server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    let id = session.run().await;
    uploads_begun(&target).await;
    for method in ["DELETE", "POST", "HEAD"] {
        target.fault_add(Fault::on(method, "", Action::Hang));
    }
    assert_eq!(cancel(&session, id).await, Ok(json!(1)));
    let run = tokio::time::timeout(SOON, session.run_ended(id))
        .await
        .expect("an end");
    assert_eq!(run["status"], "INTERRUPTED");
}

/// Nobody cancels it; the server itself sees that it no longer holds the part.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_was_deleted_or_taken_stops_its_transfers() {
    for statement in [
        "DELETE FROM run_part",
        "UPDATE run_part SET fence = fence + 1",
    ] {
        let (source, target) = stalled().await;
        let server = Server::start(None);
        let session = server.login().await;
        session
            .project(source.address(), target.address(), &["app"])
            .await;
        let id = session.run().await;
        uploads_begun(&target).await;
        // Nothing more will be written for a while: a write would notice by itself.
        tokio::time::timeout(SOON, async {
            while !session.log(id).await.contains("selected") {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await
        .expect("a line of the log");
        tokio::time::sleep(Duration::from_secs(2)).await;
        let db = server.sqlite();
        let done = db.run(move |conn| Ok(diesel::sql_query(statement).execute(conn)?));
        assert_eq!(done.await.unwrap(), 1, "{statement}");
        tokio::time::timeout(SOON, async {
            while target.uploads_open() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{statement}: the transfers go on"));
        assert!(target.tags("app").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_a_server_at_once() {
    let (source, target) = stalled().await;
    let grace = ("REGISTRYSYNC_GRACE_SECONDS", "300".to_owned());
    let mut server = Server::with_environment(vec![grace]);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    session.run().await;
    uploads_begun(&target).await;
    server.signal("TERM");
    // It accepts no more calls: it got the signal, and waits for the tags in progress.
    let address = server.url.trim_start_matches("http://").to_owned();
    let refused = async {
        while tokio::net::TcpStream::connect(&address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, refused).await.expect("it stops");
    let ended = tokio::task::spawn_blocking(move || server.end("TERM"));
    let code = tokio::time::timeout(SOON, ended).await.expect("an end");
    assert_eq!(code.expect("no panic"), Some(130));
}
