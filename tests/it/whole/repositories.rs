//! Items that name their repositories by pattern, with a real server, worker and command line.

use std::collections::BTreeSet;
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use serde_json::{Value, json};

use super::commands::Person;
use super::server::{Server, Session, Worker};
use crate::support::database::TestDatabase;
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};

/// An image of its own, with two tags.
fn put(registry: &Registry, number: u64, repository: &str) {
    let image = Image::single(Format::Oci, AMD64, &[Blob::layer(number, 2_000)]);
    for tag in ["1", "latest"] {
        image.store(registry, repository, Some(tag));
    }
}

pub(super) async fn source() -> Registry {
    let registry = Registry::builder().page_size(2).start().await;
    let names = ["team/app", "team/db", "team/old-app", "other/app", "web"];
    for (number, name) in (0..).zip(names) {
        put(&registry, number, name);
    }
    registry
}

pub(super) fn pattern(options: &Value) -> Value {
    json!({"label": "web", "repository": "", "tags": [], "options": options})
}

/// The source lists these.
pub(super) fn catalogue(names: &[&str]) -> Fault {
    let listed = Action::Answer {
        status: 200,
        headers: Vec::new(),
        body: json!({"repositories": names}).to_string(),
    };
    Fault::on("GET", "_catalog", listed)
}

/// A server with the project `web` and its item.
pub(super) async fn server(
    source: &Registry,
    target: &Registry,
    options: &Value,
) -> (Server, Session) {
    let server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &[])
        .await;
    let added = session
        .post("registrysync/addImage", pattern(options))
        .await;
    added.unwrap();
    (server, session)
}

/// Repository and tag of each result.
pub(super) async fn places(session: &Session, run: &Value) -> BTreeSet<String> {
    let rows = session.results(run["id"].as_i64().unwrap()).await;
    let name = |row: &Value| format!("{}:{}", row["repository"], row["tag"]).replace('"', "");
    let names: BTreeSet<String> = rows.iter().map(name).collect();
    assert_eq!(names.len(), rows.len(), "twice in {rows:?}");
    names
}

pub(super) fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_repositories_that_match_are_copied_and_new_ones_are_found() {
    let (source, target) = (source().await, Registry::start().await);
    let options = json!({"repositories_regex": "^team/", "repositories_exclude_regex": "old",
        "tags_regex": "^[0-9]"});
    let (_server, session) = server(&source, &target, &options).await;
    // An item of its own adds to what the pattern selects.
    let body = json!({"label": "web", "repository": "team/app", "tags": ["latest"]});
    session.post("registrysync/addImage", body).await.unwrap();
    let plan = session.get("registrysync/plan", &[("label", "web")]).await;
    assert_eq!(plan.unwrap()["totals"]["copy"], 3);

    let run = session.run_ended(session.run().await).await;
    assert_eq!(run["status"], "FINISHED", "{run}");
    let expected = set(["team/app:1", "team/app:latest", "team/db:1"]);
    assert_eq!(places(&session, &run).await, expected);
    assert_eq!(target.tags("team/app").len(), 2);
    assert_eq!(target.tags("team/db").len(), 1);
    assert!(target.tags("team/old-app").is_empty() && target.tags("other/app").is_empty());

    put(&source, 9, "team/new");
    let run = session.run_ended(session.run().await).await;
    assert_eq!(
        (&run["counts"]["copied"], &run["counts"]["skipped"]),
        (&json!(1), &json!(3)),
        "{run}"
    );
    assert_eq!(target.tags("team/new").len(), 1);
    assert!(target.broken_references().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_without_catalogue_fails_the_item_and_nothing_else() {
    let (source, target) = (source().await, Registry::start().await);
    source.fault_add(Fault::status("GET", "_catalog", 404));
    let (_server, session) = server(&source, &target, &json!({"repositories_regex": "team"})).await;
    let body = json!({"label": "web", "repository": "web", "tags": ["1"]});
    session.post("registrysync/addImage", body).await.unwrap();
    let failed = session.run_ended(session.run().await).await;
    assert_eq!(
        (
            &failed["status"],
            &failed["counts"]["copied"],
            &failed["counts"]["failed"]
        ),
        (&json!("FAILED"), &json!(1), &json!(1)),
        "{failed}"
    );
    let results = session.results(failed["id"].as_i64().unwrap()).await;
    let result = results
        .iter()
        .find(|row| row["status"] == "failed")
        .unwrap();
    assert_eq!(result["repository"], "repositories matching team");
    let error = result["error"].as_str().unwrap();
    assert!(
        error.contains("no catalogue") && error.contains("items of their own"),
        "{error}"
    );
    let plan = session.get("registrysync/plan", &[("label", "web")]).await;
    let plan = plan.unwrap();
    assert_eq!(plan["totals"]["failed"], 1, "{plan}");

    // A retry lists them, and copies all of them, but not what was copied.
    source.faults_clear();
    let body = json!({"label": "web", "options": {"retry": failed["id"]}});
    let id = session.post("registrysync/run", body).await.unwrap();
    let run = session.run_ended(id.as_i64().unwrap()).await;
    assert_eq!(run["status"], "FINISHED", "{run}");
    let names = places(&session, &run).await;
    assert_eq!(names.len(), 6, "{names:?}");
    assert!(names.iter().all(|name| name.starts_with("team/")));
}

/// What the pattern would select isn't known then, so it mustn't count as left out.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_catalogue_nothing_is_deleted() {
    let (source, target) = (source().await, Registry::start().await);
    let options = json!({"repositories_regex": "^team/", "tags_regex": "1"});
    let (_server, session) = server(&source, &target, &options).await;
    let body = json!({"label": "web", "repository": "team/app", "tags": ["latest"]});
    session.post("registrysync/addImage", body).await.unwrap();
    let details = json!({"prune": "selected", "prune_limit": 100});
    let body = json!({"label": "web", "details": details});
    session.post("registrysync/setDetails", body).await.unwrap();
    let run = session.run_ended(session.run().await).await;
    assert_eq!(
        (&run["status"], &run["counts"]["copied"]),
        (&json!("FINISHED"), &json!(4))
    );
    source.fault_add(Fault::status("GET", "_catalog", 404));
    let run = session.run_ended(session.run().await).await;
    assert_eq!(
        (&run["status"], &run["counts"]["deleted"]),
        (&json!("FAILED"), &json!(0))
    );
    assert_eq!(target.tags("team/app").len(), 2);

    // One that the catalogue doesn't have, but another item names, still matches.
    source.faults_clear();
    source.fault_add(catalogue(&["team/db"]));
    let run = session.run_ended(session.run().await).await;
    assert_eq!(
        (&run["status"], &run["counts"]["deleted"]),
        (&json!("FINISHED"), &json!(0))
    );
    assert_eq!(target.tags("team/app").len(), 2);
}

/// Pages may overlap.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_listed_twice_is_copied_once() {
    let (source, target) = (source().await, Registry::start().await);
    source.fault_add(catalogue(&["team/db", "team/app", "team/db"]));
    let (_server, session) =
        server(&source, &target, &json!({"repositories_regex": "^team/"})).await;
    let run = session.run_ended(session.run().await).await;
    assert_eq!(
        (&run["status"], &run["counts"]["copied"]),
        (&json!("FINISHED"), &json!(4))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_with_invalid_names_deletes_nothing() {
    let (source, target) = (source().await, Registry::start().await);
    let (_server, session) =
        server(&source, &target, &json!({"repositories_regex": "^team/"})).await;
    let details = json!({"prune": "selected", "prune_limit": 100});
    let body = json!({"label": "web", "details": details});
    session.post("registrysync/setDetails", body).await.unwrap();
    session.run_ended(session.run().await).await;
    source.tag_remove("team/db", "1");
    source.fault_add(catalogue(&["team/db", "team/app\u{0}", "team/old-app"]));
    let run = session.run_ended(session.run().await).await;
    assert_eq!(run["counts"]["deleted"], 0, "{run}");
    let log = session.log(run["id"].as_i64().unwrap()).await;
    assert!(log.contains("; nothing is deleted in this run"), "{log}");
    source.faults_clear();
    let run = session.run_ended(session.run().await).await;
    assert_eq!(run["counts"]["deleted"], 1, "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_that_matches_nothing_is_told() {
    let (source, target) = (source().await, Registry::start().await);
    let (_server, session) = server(&source, &target, &json!({"repositories_regex": "^x"})).await;
    let run = session.run_ended(session.run().await).await;
    assert_eq!(
        (&run["status"], &run["counts"]["warnings"]),
        // Nothing at all was selected.
        (&json!("FAILED"), &json!(1))
    );
    let log = session.log(run["id"].as_i64().unwrap()).await;
    let told = "none of the 5 repositories of";
    assert!(
        log.contains(told) && log.contains("repositories matching ^x"),
        "{log}"
    );

    let items = session
        .get("registrysync/listImages", &[("label", "web")])
        .await;
    let change = |on_empty: &str| json!({"itemId": items.as_ref().unwrap()[0]["id"], "details": {"on_empty": on_empty}});
    session
        .post("registrysync/updateImage", change("fail"))
        .await
        .unwrap();
    let run = session.run_ended(session.run().await).await;
    assert_eq!(
        (&run["status"], &run["counts"]["failed"]),
        (&json!("FAILED"), &json!(1))
    );
    session
        .post("registrysync/updateImage", change("ignore"))
        .await
        .unwrap();
    let run = session.run_ended(session.run().await).await;
    assert_eq!(
        (&run["status"], &run["counts"]["warnings"]),
        (&json!("FINISHED"), &json!(0))
    );
}

/// With a flat placement, two repositories that match may have one target.
#[tokio::test(flavor = "multi_thread")]
async fn two_repositories_of_one_target_are_a_conflict() {
    let (source, target) = (source().await, Registry::start().await);
    let (_server, session) =
        server(&source, &target, &json!({"repositories_regex": "/app$"})).await;
    let body = json!({"label": "web", "details": {"placement": "flat"}});
    session.post("registrysync/setDetails", body).await.unwrap();
    let run = session.run_ended(session.run().await).await;
    assert_eq!(run["counts"]["blocked"], 2, "{run}");
    assert!(target.tags("app").is_empty());
}

/// A catalogue takes a while: the run waits for it visibly, others go on, and it can be cancelled.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_waits_for_a_slow_catalogue_and_can_be_cancelled() {
    let (source, target) = (source().await, Registry::start().await);
    // Longer than the test waits: reading ends with the run.
    let slow = Action::Delay(Duration::from_mins(5));
    source.fault_add(Fault::on("GET", "_catalog", slow).times(1));
    let (_server, session) = server(&source, &target, &json!({"repositories_regex": "team"})).await;
    let body = json!({"label": "other", "srcStore": "from", "destStore": "to"});
    session.post("registrysync/create", body).await.unwrap();
    let body = json!({"label": "other", "repository": "web", "tags": []});
    session.post("registrysync/addImage", body).await.unwrap();
    let id = session.run().await;
    let other = session
        .post("registrysync/run", json!({"label": "other"}))
        .await;
    let other = session.run_ended(other.unwrap().as_i64().unwrap()).await;
    assert_eq!(other["status"], "FINISHED");
    let query = [("runId", id.to_string())];
    let query: Vec<_> = query
        .iter()
        .map(|(name, id)| (*name, id.as_str()))
        .collect();
    let waiting = session.get("registrysync/getRun", &query).await.unwrap();
    assert_eq!(waiting["status"], "READY", "{waiting}");
    assert_eq!(
        waiting["waits_for"],
        "the list of its source's repositories"
    );
    let cancel = session
        .post("registrysync/cancelRun", json!({"runId": id}))
        .await;
    cancel.unwrap();
    assert_eq!(session.run_ended(id).await["status"], "INTERRUPTED");
    let run = session.run_ended(session.run().await).await;
    assert_eq!(
        (&run["status"], &run["counts"]["copied"]),
        (&json!("FINISHED"), &json!(6))
    );
}

/// Another version may have stored what this one can't read: the run must not wait for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_an_item_that_can_not_be_read_fails() {
    let (source, target) = (source().await, Registry::start().await);
    let (server, session) = server(&source, &target, &json!({"repositories_regex": "team"})).await;
    let db = server.sqlite();
    let broken = db.run(|conn| {
        let sql = "UPDATE sync_item SET options = 'x'";
        Ok(conn.batch_execute(sql)?)
    });
    broken.await.unwrap();
    let run = session.run_ended(session.run().await).await;
    assert_eq!(run["status"], "FAILED", "{run}");
}

/// A worker that is killed while it reads leaves the run to another.
#[tokio::test(flavor = "multi_thread")]
async fn workers_share_the_repositories_and_a_killed_reader_is_replaced() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let (source, target) = (source().await, Registry::start().await);
    source.fault_add(Fault::on("GET", "_catalog", Action::Delay(Duration::from_mins(1))).times(1));
    let server = Server::with_environment(vec![
        ("REGISTRYSYNC_NO_WORKER", "true".to_owned()),
        ("REGISTRYSYNC_DATABASE", database.url.clone()),
    ]);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &[])
        .await;
    let added = session.post(
        "registrysync/addImage",
        pattern(&json!({"repositories_regex": "."})),
    );
    added.await.unwrap();
    let id = session.run().await;
    let first = Worker::start(&server, &database.url, Vec::new());
    while !source
        .requests()
        .0
        .iter()
        .any(|one| one.path.contains("_catalog"))
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(first);
    let slots = || vec![("REGISTRYSYNC_WORKER_SLOTS", "1".to_owned())];
    let _workers = [
        Worker::start(&server, &database.url, slots()),
        Worker::start(&server, &database.url, slots()),
    ];
    let run = session.run_ended(id).await;
    assert_eq!(
        (&run["status"], &run["counts"]["copied"]),
        (&json!("FINISHED"), &json!(10))
    );
    let log = session.log(id).await;
    assert!(log.contains("1 item in 5 parts"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_takes_patterns_too() {
    let (source, target) = (source().await, Registry::start().await);
    let server = Server::start(None);
    let person = Person::at(&server);
    let (from, to) = (source.url(), target.url());
    let base = ["sync", "--from", &from, "--to", &to];
    let words = |more: &[&'static str]| -> Vec<String> {
        base.iter()
            .copied()
            .chain(more.iter().copied())
            .map(str::to_owned)
            .collect()
    };
    let hears = |more: &[&'static str], code: i32| {
        let words = words(more);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        person.hears(&words, code)
    };
    let flags = [
        "--repository-regex",
        "^team/",
        "--repository-exclude-regex",
        "old",
        "--tag",
        "1",
    ];
    hears(&flags, 0);
    assert_eq!(
        target.tags("team/app").len() + target.tags("team/db").len(),
        2
    );
    assert!(target.tags("team/old-app").is_empty());
    // A plan counts the catalogue, which a run reads as well.
    let mut plan = words(&flags);
    plan[0] = "plan".to_owned();
    plan.push("--json".to_owned());
    let plan: Vec<&str> = plan.iter().map(String::as_str).collect();
    let said = String::from_utf8(person.says(&plan).stdout).unwrap();
    source.requests_clear();
    hears(&flags, 0);
    let asked = format!("\"source_requests\":{}", source.requests().0.len());
    assert!(said.contains(&asked), "{asked}, {said}");
    let told = hears(&["--repository-regex", "^x"], 1);
    assert!(told.contains("none of the 5 repositories"), "{told}");
    let told = hears(&["--repository-regex", "("], 2);
    assert!(told.contains("`--repository-regex`: `(`"), "{told}");
    let told = hears(&["--repository-regex", "a", "--repository", "b"], 2);
    assert!(told.contains("cannot be used with"), "{told}");
    source.fault_add(Fault::status("GET", "_catalog", 405));
    let told = hears(&["--repository-regex", "a"], 2);
    assert!(told.contains("no catalogue"), "{told}");
}
