//! Deleting at the target, with the server: options, records, the lease, and what runs and evidence say.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use registrysync::store::schema::written_tag;
use serde_json::{Value, json};

use super::server::{Server, Session};
use crate::support::database::TestDatabase;
use crate::support::images::Image;
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};
use crate::support::registry::log::Kind;

/// A source with the tags `1` to `5` of `app`, and a target.
async fn registries() -> (Registry, Registry) {
    let source = Registry::start().await;
    for seed in 1..=5 {
        store(&source, seed, &seed.to_string());
    }
    (source, Registry::start().await)
}

pub(super) fn store(registry: &Registry, seed: u64, tag: &str) {
    Image::artifact(seed, "a/b").store(registry, "app", Some(tag));
}

pub(super) async fn set(session: &Session, details: Value) -> Result<Value, String> {
    let body = json!({"label": "web", "details": details});
    session.post("registrysync/setDetails", body).await
}

async fn force(session: &Session) -> Value {
    let body = json!({"label": "web", "options": {"force": true}});
    let id = session.post("registrysync/run", body).await.unwrap();
    session.run_ended(id.as_i64().unwrap()).await
}

pub(super) async fn run(session: &Session) -> Value {
    session.run_ended(session.run().await).await
}

/// A server with a project of `app` that has run, and deletes what has left the source.
pub(super) async fn world(database: Option<String>) -> (Registry, Registry, Server, Session) {
    let (source, target) = registries().await;
    let server = Server::start(database);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    let done = run(&session).await;
    assert_eq!(done["counts"]["copied"], 5, "{done}");
    set(&session, json!({"prune": "gone"})).await.unwrap();
    target.requests_clear();
    (source, target, server, session)
}

fn deletes(target: &Registry) -> usize {
    target.requests().count("DELETE", Kind::Manifest)
}

pub(super) fn tags(target: &Registry) -> String {
    target.tags("app").into_keys().collect::<Vec<_>>().join(" ")
}

/// From the first copy to the delete, on a database.
async fn life(database: Option<String>) {
    let (source, target, _server, session) = world(database).await;
    store(&target, 9, "foreign");
    source.tag_remove("app", "3");
    let plan = session
        .get("registrysync/plan", &[("label", "web")])
        .await
        .unwrap();
    assert_eq!(
        (&plan["totals"]["delete"], &plan["totals"]["skip"]),
        (&json!(1), &json!(4))
    );
    let planned = plan["actions"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&planned["action"], &planned["tag"]),
        (&json!("delete"), &json!("3"))
    );

    let done = run(&session).await;
    assert_eq!(done["status"], "FINISHED", "{done}");
    assert_eq!(
        (&done["counts"]["deleted"], &done["counts"]["selected"]),
        (&json!(1), &json!(4))
    );
    assert!(
        done["message"].as_str().unwrap().contains("1 deleted"),
        "{done}"
    );
    assert_eq!(tags(&target), "1 2 4 5 foreign");
    let id = done["id"].as_i64().unwrap();
    let results = session.results(id).await;
    let deleted = results
        .iter()
        .find(|row| row["action"] == "delete")
        .unwrap();
    assert_eq!(deleted["previous_digest"], planned["previous_digest"]);
    assert_eq!(
        (&deleted["repository"], &deleted["tag"]),
        (&json!("app"), &json!("3"))
    );
    assert!(deleted.get("target_digest").is_none(), "{deleted}");
    let log = session.log(id).await;
    assert!(log.contains("`app:3` deleted at `"), "{log}");
    let query = [("runId", id.to_string())];
    let query: Vec<_> = query
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let evidence = session
        .get("registrysync/getRunEvidence", &query)
        .await
        .unwrap();
    assert_eq!(
        (&evidence["totals"]["deleted"], &evidence["complete"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(evidence["asked"]["options"]["prune"], "gone");
    assert!(evidence["asked"].get("force").is_none());

    // Two of five are more than a fifth.
    for tag in ["4", "5"] {
        source.tag_remove("app", tag);
    }
    let done = run(&session).await;
    assert_eq!(
        (&done["counts"]["blocked"], &done["counts"]["deleted"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(tags(&target), "1 2 4 5 foreign");
    let rows = session.results(done["id"].as_i64().unwrap()).await;
    let row = rows.iter().find(|row| row["action"] == "delete").unwrap();
    assert_eq!(row["status"], "blocked");
    let error = row["error"].as_str().unwrap();
    assert!(
        error.contains("2 of the 5 tags of `") && error.contains("`force`"),
        "{error}"
    );
    assert_eq!(done["force"], false);
    let done = force(&session).await;
    assert_eq!(
        (&done["counts"]["deleted"], &done["force"]),
        (&json!(2), &json!(true)),
        "{done}"
    );
    let id = done["id"].as_i64().unwrap();
    assert!(session.log(id).await.contains("1 item, with `force`"));
    let id = id.to_string();
    let query = [("runId", id.as_str())];
    let evidence = session
        .get("registrysync/getRunEvidence", &query)
        .await
        .unwrap();
    assert_eq!(evidence["asked"]["force"], true);
    assert_eq!(tags(&target), "1 2 foreign");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_goes_from_the_first_copy_to_its_delete_on_sqlite() {
    life(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_goes_from_the_first_copy_to_its_delete_on_postgres() {
    if let Some(database) = TestDatabase::postgres() {
        life(Some(database.url.clone())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_project_wrote_is_recorded_and_deleted() {
    let (source, target) = registries().await;
    // It is there before the project is.
    store(&target, 3, "3");
    let server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    set(&session, json!({"prune": "selected", "prune_limit": 100}))
        .await
        .unwrap();
    let done = run(&session).await;
    assert_eq!(
        (&done["counts"]["copied"], &done["counts"]["skipped"]),
        (&json!(4), &json!(1))
    );
    let db = server.sqlite();
    let recorded = db.run(|conn| {
        Ok(written_tag::table
            .order(written_tag::tag)
            .select(written_tag::tag)
            .load::<String>(conn)?)
    });
    assert_eq!(recorded.await.unwrap(), ["1", "2", "4", "5"]);
    for tag in ["3", "4"] {
        source.tag_remove("app", tag);
    }
    // Somebody deletes one of them by hand: its record goes, too.
    target.tag_remove("app", "4");
    let done = run(&session).await;
    assert_eq!(
        (&done["counts"]["deleted"], deletes(&target)),
        (&json!(0), 0)
    );
    let recorded = db.run(|conn| Ok(written_tag::table.count().get_result::<i64>(conn)?));
    assert_eq!(recorded.await.unwrap(), 3);
    assert_eq!(tags(&target), "1 2 3 5");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_projects_with_one_target_delete_nothing_that_both_wrote() {
    let (source, target, _server, session) = world(None).await;
    set(&session, json!({"prune_limit": 100})).await.unwrap();
    let body = json!({"label": "other", "srcStore": "from", "destStore": "to"});
    session.post("registrysync/create", body).await.unwrap();
    let body = json!({"label": "other", "repository": "app", "tags": ["3"]});
    session.post("registrysync/addImage", body).await.unwrap();
    // The other one writes it again, after the first one's copy was lost.
    target.tag_remove("app", "3");
    let id = session
        .post("registrysync/run", json!({"label": "other"}))
        .await
        .unwrap();
    let done = session.run_ended(id.as_i64().unwrap()).await;
    assert_eq!(done["counts"]["copied"], 1, "{done}");
    for tag in ["3", "4"] {
        source.tag_remove("app", tag);
    }
    let done = run(&session).await;
    assert_eq!(done["counts"]["deleted"], 1, "{done}");
    assert_eq!(tags(&target), "1 2 3 5");
    let log = session.log(done["id"].as_i64().unwrap()).await;
    assert!(
        log.contains("1 tag stays: 1 needed by another project too"),
        "{log}"
    );
}

/// The other project found the tag as it should be, so it has written nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_another_project_only_found_stays_as_long_as_that_one_selects_it() {
    let (source, target, _server, session) = world(None).await;
    let other_source = Registry::start().await;
    store(&other_source, 3, "3");
    session.store("elsewhere", other_source.address()).await;
    let body = json!({"label": "other", "srcStore": "elsewhere", "destStore": "to"});
    session.post("registrysync/create", body).await.unwrap();
    let body = json!({"label": "other", "repository": "app", "tags": []});
    session.post("registrysync/addImage", body).await.unwrap();
    let other = async || {
        let body = json!({"label": "other"});
        let id = session.post("registrysync/run", body).await.unwrap();
        session.run_ended(id.as_i64().unwrap()).await
    };
    assert_eq!(other().await["counts"]["skipped"], 1);
    source.tag_remove("app", "3");
    let done = run(&session).await;
    assert_eq!(done["counts"]["deleted"], 0, "{done}");
    let log = session.log(done["id"].as_i64().unwrap()).await;
    assert!(
        log.contains("1 tag stays: 1 needed by another project too"),
        "{log}"
    );
    // Once the other one has lost it too, it goes.
    other_source.tag_remove("app", "3");
    store(&other_source, 8, "8");
    other().await;
    let done = run(&session).await;
    assert_eq!(done["counts"]["deleted"], 1, "{done}");
    assert_eq!(tags(&target), "1 2 4 5 8");
}

/// Changes its database.
async fn executed(server: &Server, sql: &'static str) {
    let db = server.sqlite();
    let done = db.run(move |conn| Ok(conn.batch_execute(sql)?));
    done.await.unwrap();
}

/// The run waits between its last check of the tag and the delete, while `change` happens.
async fn between(database: Option<String>, change: impl AsyncFn(&Server, &Session), why: &str) {
    let (source, target, server, session) = world(database).await;
    set(&session, json!({"prune_limit": 100})).await.unwrap();
    for tag in ["3", "4"] {
        source.tag_remove("app", tag);
    }
    // The first HEAD is that of the decision.
    let slow = Action::Delay(Duration::from_secs(4));
    target.fault_add(
        Fault::on("HEAD", "/manifests/[34]$", slow)
            .after(2)
            .times(1),
    );
    let id = session.run().await;
    let looks = |target: &Registry| {
        let requests = target.requests();
        let looks = requests.0.iter().filter(|request| {
            request.method == "HEAD"
                && (request.path.ends_with("/3") || request.path.ends_with("/4"))
        });
        looks.count()
    };
    tokio::time::timeout(Duration::from_secs(30), async {
        while looks(&target) < 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the look before the delete");
    change(&server, &session).await;
    if why.is_empty() {
        // Its lease is lost, so it writes nothing more.
        tokio::time::sleep(Duration::from_secs(6)).await;
    } else {
        let done = session.run_ended(id).await;
        let log = session.log(id).await;
        assert!(log.contains(why), "{done} {log}");
    }
    assert_eq!((deletes(&target), tags(&target).as_str()), (0, "1 2 3 4 5"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_is_changed_in_between_deletes_nothing() {
    let change = async |_: &Server, session: &Session| {
        set(session, json!({"prune": "none"})).await.unwrap();
    };
    between(None, change, "the project was changed meanwhile").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_is_changed_in_between_deletes_nothing_on_postgres() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let change = async |_: &Server, session: &Session| {
        set(session, json!({"description": "other"})).await.unwrap();
    };
    let url = Some(database.url.clone());
    between(url, change, "the project was changed meanwhile").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_whose_items_are_changed_in_between_deletes_nothing() {
    for method in ["addImage", "updateImage", "removeImage"] {
        let change = async |_: &Server, session: &Session| {
            let images = session.get("registrysync/listImages", &[("label", "web")]);
            let id = images.await.unwrap()[0]["id"].clone();
            let body = match method {
                "addImage" => json!({"label": "web", "repository": "lib", "tags": ["1"]}),
                "updateImage" => json!({"itemId": id, "details": {"tags": ["3", "4"]}}),
                _ => json!({"itemId": id}),
            };
            let path = format!("registrysync/{method}");
            session.post(&path, body).await.unwrap();
        };
        between(None, change, "the project was changed meanwhile").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_is_disabled_in_between_deletes_nothing() {
    let disable = async |server: &Server, _: &Session| {
        let sql = "UPDATE sync_project SET enabled = 0";
        executed(server, sql).await;
    };
    between(None, disable, "the project was disabled meanwhile").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_another_project_records_in_between_stays() {
    let claim = async |server: &Server, session: &Session| {
        let body = json!({"label": "other", "srcStore": "from", "destStore": "to"});
        session.post("registrysync/create", body).await.unwrap();
        let sql = "INSERT INTO written_tag SELECT (SELECT id FROM sync_project WHERE label = 'other'), \
            place, tag, source_repository, source_tag, digest, written_at FROM written_tag";
        executed(server, sql).await;
    };
    between(None, claim, "another project needs it too, meanwhile").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_with_another_worker_deletes_nothing() {
    let lose = async |server: &Server, _: &Session| {
        // As a claim by another worker leaves it.
        let sql =
            "UPDATE run_part SET fence = fence + 1, worker = 'other' WHERE status = 'RUNNING'";
        executed(server, sql).await;
    };
    between(None, lose, "").await;
}

/// A template gives all tags new names: the old ones are deleted, each with its own result.
#[tokio::test(flavor = "multi_thread")]
async fn a_tag_is_copied_under_a_new_name_and_deleted_under_the_old_one_in_one_run() {
    let (_source, target, _server, session) = world(None).await;
    let details = json!({"target_tag": "x-{tag}", "prune": "selected", "prune_limit": 100});
    set(&session, details).await.unwrap();
    let done = run(&session).await;
    assert_eq!(
        (&done["counts"]["copied"], &done["counts"]["deleted"]),
        (&json!(5), &json!(5)),
        "{done}"
    );
    assert_eq!(tags(&target), "x-1 x-2 x-3 x-4 x-5");
    let rows = session.results(done["id"].as_i64().unwrap()).await;
    assert_eq!(rows.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_delete_is_no_reason_to_retry() {
    let (source, target, _server, session) = world(None).await;
    source.tag_remove("app", "3");
    target.fault_add(Fault::status("DELETE", "/manifests/", 403));
    let done = run(&session).await;
    assert_eq!(
        (&done["status"], &done["counts"]["failed"]),
        (&json!("FAILED"), &json!(1))
    );
    let retry = json!({"label": "web", "options": {"retry": done["id"]}});
    let refused = session.post("registrysync/run", retry).await.unwrap_err();
    assert!(refused.contains("no tag of run"), "{refused}");
    let both = json!({"label": "web", "options": {"retry": done["id"], "force": true}});
    let refused = session.post("registrysync/run", both).await.unwrap_err();
    assert!(
        refused.contains("`force`: it permits deletes, but a retry deletes nothing"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn overwritten_images_are_kept_under_their_names() {
    let (source, target, _server, session) = world(None).await;
    set(&session, json!({"backup_tag": "{tag}-before"}))
        .await
        .unwrap();
    store(&source, 50, "3");
    let before = target.tags("app")["3"].clone();
    let done = run(&session).await;
    assert_eq!(done["counts"]["updated"], 1, "{done}");
    let rows = session.results(done["id"].as_i64().unwrap()).await;
    let row = rows.iter().find(|row| row["action"] == "update").unwrap();
    assert!(
        row["reason"]
            .as_str()
            .unwrap()
            .ends_with("kept the previous image as `3-before`")
    );
    assert_eq!(target.tags("app")["3-before"], before);
}
