//! A run of a plan on several workers, a take-over, and a plan of very many tags.

use std::time::Duration;

use diesel::prelude::*;
use registrysync::store::DbConnection;
use serde_json::json;

use super::{id_of, image, plan_make, plan_run, started};
use crate::cli::memory::peak;
use crate::support::database::TestDatabase;
use crate::support::images::{AMD64, Blob, Format, Image, client};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};
use crate::whole::server::{Server, Session, Worker};

const LEASE: (&str, &str) = ("REGISTRYSYNC_LEASE_SECONDS", "6");
const REPOSITORIES: u64 = 6;

/// `app0` and so on, with two tags each.
async fn registries() -> (Registry, Registry) {
    let source = Registry::start().await;
    for number in 0..REPOSITORIES {
        for tag in 0..2 {
            let layer = Blob::layer(100 * number + tag, 20_000);
            let image = Image::single(Format::Oci, AMD64, &[layer]);
            image.store(&source, &format!("app{number}"), Some(&format!("v{tag}")));
        }
    }
    (source, Registry::start().await)
}

/// A server without a worker, with a plan of a project.
async fn planned(
    database: &TestDatabase,
    source: &Registry,
    target: &Registry,
) -> (Server, Session, i64) {
    let server = Server::with_environment(vec![
        (LEASE.0, LEASE.1.to_owned()),
        ("REGISTRYSYNC_NO_WORKER", "true".to_owned()),
        ("REGISTRYSYNC_DATABASE", database.url.clone()),
    ]);
    let session = server.login().await;
    let names: Vec<String> = (0..REPOSITORIES)
        .map(|number| format!("app{number}"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    session
        .project(source.address(), target.address(), &names)
        .await;
    let plan = id_of(&plan_make(&session).await);
    (server, session, plan)
}

fn worker(server: &Server, database: &TestDatabase) -> Worker {
    Worker::start(server, &database.url, vec![(LEASE.0, LEASE.1.to_owned())])
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_a_plan() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let (source, target) = registries().await;
    let (server, session, plan) = planned(&database, &source, &target).await;
    let slow = Action::Delay(Duration::from_millis(600));
    source.fault_add(Fault::on("GET", "/manifests/", slow));
    let _workers = [worker(&server, &database), worker(&server, &database)];
    let id = plan_run(&session, plan).await.expect("a run");
    let run = session.run_ended(id).await;
    assert_eq!(run["status"], "FINISHED", "{run}");
    assert_eq!(run["counts"]["copied"], 2 * REPOSITORIES);
    assert_eq!(session.results(id).await.len() as u64, 2 * REPOSITORIES);
    let workers = database.run(|conn| {
        use registrysync::store::schema::run_part;
        let parts = run_part::table.select(run_part::worker.assume_not_null());
        Ok(parts.distinct().load::<String>(conn)?)
    });
    assert_eq!(workers.await.expect("no error").len(), 2);
    let log = session.log(id).await;
    assert!(
        log.contains(&format!("12 tags of plan {plan} in 6 parts")),
        "{log}"
    );
    assert!(target.broken_references().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_workers_plan_is_taken_over() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let (source, target) = registries().await;
    let (server, session, plan) = planned(&database, &source, &target).await;
    source.fault_add(Fault::on("GET", "/blobs/", Action::Stall { after: 100 }));
    let lost = worker(&server, &database);
    let id = plan_run(&session, plan).await.expect("a run");
    for _ in 0..2400 {
        if target.uploads_open() > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(lost);
    source.faults_clear();
    // It has moved since, so the heir must not copy it.
    image(90).store(&source, "app0", Some("v1"));
    let _heir = worker(&server, &database);
    let run = session.run_ended(id).await;
    let counts = (&run["counts"]["copied"], &run["counts"]["blocked"]);
    assert_eq!(counts, (&json!(2 * REPOSITORIES - 1), &json!(1)), "{run}");
    assert!(run["attempt"].as_i64() >= Some(2), "{run}");
    assert!(target.tags("app0").into_keys().eq(["v0"]));
}

/// Planned for real.
const TAGS: usize = 20_000;
/// In the kept plan, with rows that are added.
const ACTIONS: usize = 100_000;
/// How much planning may add to the server's peak memory: the selected tags are in it, their actions
/// aren't.
const PLANNING_KIB: u64 = 64 * 1024;
/// How much showing all of them may add; the JSON is 60 MB.
const SHOWING_KIB: u64 = 16 * 1024;

const FILL: &str = "
    INSERT INTO kept_action (plan_id, number, repository, tag, source, target, target_repository, target_tag,
        action, reason, platforms, source_digest, digest, size)
    WITH RECURSIVE n(i) AS (SELECT FIRST UNION ALL SELECT i + 1 FROM n WHERE i < LAST)
    SELECT 1, i, 'app', printf('build-%06d', i), printf('a.example/app:build-%06d', i),
        printf('b.example/app:build-%06d', i), 'app', printf('build-%06d', i), 'teleport', 'selected: all tags', '',
        printf('sha256:%064x', i), printf('sha256:%064x', i), 1099511627776 FROM n";

/// Each tag has a manifest of its own, without blobs.
fn fill(source: &Registry, tags: usize) {
    for number in 0..tags {
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let text = format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"{kind}\",\"layers\":[],\"annotations\":{{\"n\":\"{number}\"}}}}"
        );
        source.manifest_put("app", Some(&format!("tag-{number:06}")), kind, text);
    }
}

/// More than are read at once.
#[tokio::test(flavor = "multi_thread")]
async fn all_pages_of_a_plan_are_run() {
    const MANY: usize = 2100;
    let source = Registry::builder().page_size(1000).start().await;
    let target = Registry::start().await;
    fill(&source, MANY);
    let (_server, session) = started(&source, &target).await;
    let plan = id_of(&plan_make(&session).await);
    let id = plan_run(&session, plan).await.expect("a run");
    let run = session.run_ended(id).await;
    let counts = (&run["counts"]["selected"], &run["counts"]["copied"]);
    assert_eq!(counts, (&json!(MANY), &json!(MANY)), "{run}");
    assert_eq!(target.tags("app").len(), MANY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_very_many_tags_is_kept_and_shown_page_by_page() {
    let source = Registry::builder().page_size(1000).start().await;
    let target = Registry::start().await;
    fill(&source, TAGS);
    let (server, session) = started(&source, &target).await;
    let before = peak(server.id()).expect("a process");
    let plan = plan_make(&session).await;
    assert_eq!(plan["totals"]["copy"], TAGS, "{:?}", plan["totals"]);
    let planned = peak(server.id()).expect("a process");
    assert!(
        planned < before + PLANNING_KIB,
        "{before} KiB, then {planned} KiB"
    );

    // Words of actions that this version doesn't know are shown all the same.
    let statement = FILL.replace("FIRST", &(TAGS + 1).to_string());
    let statement = statement.replace("LAST", &ACTIONS.to_string());
    let more = move |conn: &mut DbConnection| Ok(diesel::sql_query(statement).execute(conn)?);
    server.sqlite().run(more).await.expect("filled");
    let url = format!(
        "{}/rhn/manager/api/registrysync/getPlan?planId={}",
        server.url,
        id_of(&plan)
    );
    let request = client().get(url).bearer_auth(&session.key);
    let mut answer = request.send().await.expect("an answer");
    let (mut actions, mut rest) = (0, Vec::new());
    while let Some(piece) = answer.chunk().await.expect("a whole answer") {
        rest.extend_from_slice(&piece);
        let text = String::from_utf8_lossy(&rest).into_owned();
        actions += text.matches("\"reason\"").count();
        rest.drain(..rest.len().saturating_sub(7));
    }
    assert_eq!(actions, ACTIONS);
    let shown = peak(server.id()).expect("a process");
    assert!(
        shown < planned + SHOWING_KIB,
        "{planned} KiB, then {shown} KiB"
    );
    let page = [("planId", "1"), ("limit", "2"), ("offset", "99998")];
    let page = session
        .get("registrysync/getPlan", &page)
        .await
        .expect("a page");
    let last: Vec<_> = page["actions"].as_array().into_iter().flatten().collect();
    assert_eq!(last.len(), 2);
    assert_eq!(
        (&last[1]["tag"], &last[1]["action"]),
        (&json!("build-100000"), &json!("teleport"))
    );
}
