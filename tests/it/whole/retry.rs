//! Only the failed tags of a run are retried.

use diesel::RunQueryDsl as _;
use serde_json::{Value, json};

use super::server::{Server, Session};
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};

/// `app` and `db`, three tags each.
async fn registries() -> (Registry, Registry) {
    let source = Registry::start().await;
    for (number, repository) in (0..).zip(["app", "db"]) {
        for tag in 0..3 {
            let layer = Blob::layer(10 * number + tag, 20_000);
            let image = Image::single(Format::Oci, AMD64, &[layer]);
            image.store(&source, repository, Some(&format!("v{tag}")));
        }
    }
    (source, Registry::start().await)
}

/// A server with a project of these repositories.
async fn server(source: &Registry, target: &Registry, repositories: &[&str]) -> (Server, Session) {
    let server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), repositories)
        .await;
    (server, session)
}

fn out_of_order(source: &Registry, place: &str) {
    for method in ["GET", "HEAD"] {
        source.fault_add(Fault::status(method, place, 404));
    }
}

async fn retry(session: &Session, id: i64) -> Result<Value, String> {
    let body = json!({"label": "web", "options": {"retry": id}});
    let started = session.post("registrysync/run", body).await?;
    Ok(session.run_ended(started.as_i64().unwrap()).await)
}

/// Repository and tag of each result.
async fn tags(session: &Session, run: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = session.results(run["id"].as_i64().unwrap()).await;
    let mut tags: Vec<_> = rows
        .iter()
        .map(|row| (text(&row["repository"]), text(&row["tag"])))
        .collect();
    tags.sort();
    tags
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_failed_tags_are_tried_again() {
    let (source, target) = registries().await;
    out_of_order(&source, "app/manifests/v1");
    out_of_order(&source, "app/manifests/v2");
    let (_server, session) = server(&source, &target, &["app", "db"]).await;
    let first = session.run_ended(session.run().await).await;
    assert_eq!(first["counts"]["failed"], 2, "{first}");
    let id = first["id"].as_i64().unwrap();
    source.faults_clear();
    out_of_order(&source, "app/manifests/v2");
    source.requests_clear();

    let second = retry(&session, id).await.unwrap();
    assert_eq!(
        (&second["trigger"], &second["status"]),
        (&json!("retry"), &json!("FAILED"))
    );
    let app = |tag: &str| ("app".to_owned(), tag.to_owned());
    assert_eq!(tags(&session, &second).await, [app("v1"), app("v2")]);
    assert_eq!(second["counts"]["copied"], 1);
    let asked_for_db = source
        .requests()
        .0
        .iter()
        .any(|one| one.path.contains("db"));
    assert!(!asked_for_db, "nothing of `db` had failed");
    let log = session.log(second["id"].as_i64().unwrap()).await;
    assert!(log.contains(&format!("failed tags of run {id}")), "{log}");

    source.faults_clear();
    let third = retry(&session, second["id"].as_i64().unwrap())
        .await
        .unwrap();
    assert_eq!(tags(&session, &third).await, [app("v2")]);
    assert_eq!(third["status"], "FINISHED");
    assert_eq!(target.tags("app").len(), 3);
    assert!(target.broken_references().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_repository_that_could_not_be_listed_all_is_tried() {
    let (source, target) = registries().await;
    source.fault_add(Fault::status("GET", "db/tags/list", 403));
    let (_server, session) = server(&source, &target, &["app", "db"]).await;
    let first = session.run_ended(session.run().await).await;
    assert_eq!(
        (&first["counts"]["copied"], &first["counts"]["failed"]),
        (&json!(3), &json!(1))
    );
    source.faults_clear();
    let second = retry(&session, first["id"].as_i64().unwrap())
        .await
        .unwrap();
    assert_eq!(second["counts"]["copied"], 3, "{second}");
    let all_of_db = tags(&session, &second)
        .await
        .iter()
        .all(|(repository, _)| repository == "db");
    assert!(all_of_db);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_no_longer_selected_are_not_retried() {
    let (source, target) = registries().await;
    out_of_order(&source, "app/manifests/");
    let (_server, session) = server(&source, &target, &["app"]).await;
    let first = session.run_ended(session.run().await).await;
    assert_eq!(first["counts"]["failed"], 3);
    source.faults_clear();
    let items = session
        .get("registrysync/listImages", &[("label", "web")])
        .await;
    let change = json!({"itemId": items.unwrap()[0]["id"], "details": {"tags": ["v0"]}});
    session
        .post("registrysync/updateImage", change)
        .await
        .unwrap();
    let second = retry(&session, first["id"].as_i64().unwrap())
        .await
        .unwrap();
    assert_eq!(second["status"], "FINISHED");
    assert!(target.tags("app").into_keys().eq(["v0"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn retrying_a_run_without_failures_is_refused() {
    let (source, target) = registries().await;
    let (_server, session) = server(&source, &target, &["app"]).await;
    let body = json!({"label": "other", "srcStore": "from", "destStore": "to"});
    session.post("registrysync/create", body).await.unwrap();
    let run = session.run_ended(session.run().await).await;
    let id = run["id"].as_i64().unwrap();
    for (label, id, reason) in [
        ("web", id, "no tag of run"),
        ("web", 4711, "the project `web` has no run 4711"),
        ("web", -1, "the project `web` has no run -1"),
        ("other", id, "the project `other` has no run"),
    ] {
        let body = json!({"label": label, "options": {"retry": id}});
        let refused = session.post("registrysync/run", body).await.unwrap_err();
        assert!(refused.contains(reason), "{refused}");
    }
    source.fault_add(Fault::on("HEAD", "/manifests/", Action::Hang));
    let under_way = session.run().await;
    let body = json!({"label": "web", "options": {"retry": under_way, "queue": true}});
    let refused = session.post("registrysync/run", body).await.unwrap_err();
    assert!(refused.contains("hasn't ended"), "{refused}");
    let runs = session
        .get("registrysync/listRuns", &[("label", "web")])
        .await;
    assert_eq!(
        runs.unwrap().as_array().unwrap().len(),
        2,
        "nothing was begun"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_deleted_before_its_retry_is_reported() {
    let (source, target) = registries().await;
    out_of_order(&source, "app/manifests/v1");
    let (server, session) = server(&source, &target, &["app"]).await;
    let failed = session.run_ended(session.run().await).await["id"].clone();
    source.faults_clear();
    source.fault_add(Fault::on("HEAD", "/manifests/", Action::Hang));
    let in_the_way = session.run().await;
    let body = json!({"label": "web", "options": {"retry": failed, "queue": true}});
    let waiting = session.post("registrysync/run", body).await.unwrap();
    let db = server.sqlite();
    let statement = format!("DELETE FROM tasko_run WHERE id = {failed}");
    db.run(move |conn| Ok(diesel::sql_query(statement).execute(conn)?))
        .await
        .unwrap();
    source.faults_clear();
    let cancel = json!({"runId": in_the_way});
    session
        .post("registrysync/cancelRun", cancel)
        .await
        .unwrap();
    let run = session.run_ended(waiting.as_i64().unwrap()).await;
    assert_eq!(run["status"], "FAILED");
    let message = run["message"].as_str().unwrap();
    assert!(
        message.contains("should be retried was deleted"),
        "{message}"
    );
}
