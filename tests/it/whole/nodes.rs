//! Several processes on one PostgreSQL database: how work is shared, and what happens when one of them
//! is lost.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use registrysync::store::schema::run_part;
use serde_json::{Value, json};

use super::commands::Person;
use super::server::{Server, Session, Worker, serve_to_its_end};
use crate::support::database::TestDatabase;
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::postgres::OwnServer;
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};

/// Polls until a condition holds: every 50 ms, for two minutes.
const LOOKS: usize = 2400;
/// Short, so that nobody waits for long; a busy machine may lose a lease because of it, which the
/// tests tolerate.
const LEASE: [&str; 2] = ["REGISTRYSYNC_LEASE_SECONDS", "6"];

/// Repositories `app0`, `app1`, …, each with this many tags.
async fn registries(repositories: u64, tags: u64) -> (Registry, Registry) {
    let source = Registry::start().await;
    for number in 0..repositories {
        for tag in 0..tags {
            let layer = Blob::layer(100 * number + tag, 20_000);
            let image = Image::single(Format::Oci, AMD64, &[layer]);
            image.store(&source, &format!("app{number}"), Some(&format!("v{tag}")));
        }
    }
    (source, Registry::start().await)
}

/// A server without a worker.
fn server(database: &TestDatabase) -> Server {
    let environment = vec![
        (LEASE[0], LEASE[1].to_owned()),
        ("REGISTRYSYNC_NO_WORKER", "true".to_owned()),
        ("REGISTRYSYNC_DATABASE", database.url.clone()),
    ];
    Server::with_environment(environment)
}

fn worker(server: &Server, database: &TestDatabase) -> Worker {
    let environment = vec![(LEASE[0], LEASE[1].to_owned())];
    Worker::start(server, &database.url, environment)
}

async fn project(server: &Server, source: &Registry, target: &Registry, count: u64) -> Session {
    let session = server.login().await;
    let names: Vec<String> = (0..count).map(|number| format!("app{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    session
        .project(source.address(), target.address(), &names)
        .await;
    session
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    for _ in 0..LOOKS {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not in time: {what}");
}

/// The workers of all parts that ended.
async fn workers_of_parts(database: &TestDatabase) -> BTreeSet<String> {
    let workers = database.run(|conn| {
        let parts = run_part::table.select(run_part::worker.assume_not_null());
        Ok(parts.load::<String>(conn)?)
    });
    workers.await.unwrap().into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_the_items_of_a_project() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let (source, target) = registries(12, 2).await;
    let slow = Action::Delay(Duration::from_millis(600));
    source.fault_add(Fault::on("GET", "/manifests/", slow));
    let server = server(&database);
    let session = project(&server, &source, &target, 12).await;
    let _workers = [worker(&server, &database), worker(&server, &database)];
    let id = session.run().await;
    let run = session.run_ended(id).await;
    assert_eq!(run["status"], "FINISHED", "{run}");
    assert_eq!(
        (&run["counts"]["selected"], &run["counts"]["copied"]),
        (&json!(24), &json!(24))
    );
    assert_eq!(session.results(id).await.len(), 24);
    assert_eq!(workers_of_parts(&database).await.len(), 2);
    assert!(session.log(id).await.contains("12 items in 12 parts"));
    assert!(target.broken_references().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_workers_parts_are_taken_over() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let (source, target) = registries(3, 2).await;
    source.fault_add(Fault::on("GET", "/blobs/", Action::Stall { after: 100 }));
    let server = server(&database);
    let session = project(&server, &source, &target, 3).await;
    let lost = worker(&server, &database);
    let id = session.run().await;
    until("uploads", async || target.uploads_open() > 0).await;
    drop(lost);
    source.faults_clear();
    let heir = worker(&server, &database);
    let run = session.run_ended(id).await;
    assert_eq!(run["status"], "FINISHED", "{run}");
    assert_eq!(run["counts"]["copied"], 6);
    assert!(run["attempt"].as_i64() >= Some(2), "{run}");
    assert_eq!(session.results(id).await.len(), 6);
    let log = session.log(id).await;
    assert!(
        log.contains("sent no heartbeat; retried, attempt 2 of 5"),
        "{log}"
    );
    let said = heir.said();
    for line in [
        "project=web",
        "starting part, target `",
        "taken over",
        "the part has ended",
        "the run has ended",
    ] {
        assert!(said.contains(line), "`{line}` is missing: {said}");
    }
    assert!(target.broken_references().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_stopped_beyond_its_lease_writes_no_more() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let (source, target) = registries(1, 2).await;
    source.fault_add(Fault::on("GET", "/blobs/", Action::Stall { after: 100 }));
    let server = server(&database);
    let session = project(&server, &source, &target, 1).await;
    let stopped = worker(&server, &database);
    let id = session.run().await;
    until("uploads", async || target.uploads_open() > 0).await;
    stopped.signal("STOP");
    source.faults_clear();
    let _heir = worker(&server, &database);
    let run = session.run_ended(id).await;
    assert_eq!(run["status"], "FINISHED", "{run}");
    let ended = session.results(id).await;
    stopped.signal("CONT");
    until("the stopped one gives up", async || {
        stopped.said().contains("given up, its lease was lost")
    })
    .await;
    assert_eq!(session.results(id).await, ended);
    let id = id.to_string();
    let now = session.get("registrysync/getRun", &[("runId", &id)]).await;
    assert_eq!(now, Ok(run));
    assert!(target.broken_references().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_ends_on_whatever_node_its_parts_are() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let (source, target) = registries(6, 1).await;
    source.fault_add(Fault::on("GET", "/blobs/", Action::Stall { after: 100 }));
    let server = server(&database);
    let session = project(&server, &source, &target, 6).await;
    let _workers = [worker(&server, &database), worker(&server, &database)];
    let id = session.run().await;
    until("uploads of both", async || target.uploads_open() >= 4).await;
    let cancelled = session.post("registrysync/cancelRun", json!({"runId": id}));
    assert_eq!(cancelled.await, Ok(json!(1)));
    let run = session.run_ended(id).await;
    assert_eq!(run["status"], "INTERRUPTED", "{run}");
    assert_eq!(target.uploads_open(), 0, "sessions are given up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_comes_back_finds_the_runs_going_on() {
    let Some(mut postgres) = OwnServer::start() else {
        return;
    };
    let database = TestDatabase::of(&postgres);
    let (source, target) = registries(2, 3).await;
    // In progress for longer than the database is unreachable.
    let slow = Action::Slow {
        bytes: 500,
        pause: Duration::from_millis(500),
    };
    source.fault_add(Fault::on("GET", "/blobs/", slow));
    let server = server(&database);
    let session = project(&server, &source, &target, 2).await;
    let _worker = worker(&server, &database);
    let id = session.run().await;
    until("uploads", async || target.uploads_open() > 0).await;
    postgres.stop();
    let refused = session.get("registrysync/listProjects", &[]).await;
    let refused = refused.unwrap_err();
    assert!(refused.contains("database"), "{refused}");
    source.faults_clear();
    postgres.start_again();
    let run = session.run_ended(id).await;
    assert_eq!(run["status"], "FINISHED", "{run}");
    assert_eq!(session.results(id).await.len(), 6);
    assert!(target.broken_references().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_told_to_end_leaves_the_rest_for_later() {
    let (source, target) = registries(1, 8).await;
    // Every tag takes a while.
    let slow = Action::Delay(Duration::from_millis(700));
    source.fault_add(Fault::on("GET", "/blobs/", slow));
    let mut server = Server::start(None);
    let session = project(&server, &source, &target, 1).await;
    let details = json!({"label": "web", "details": {"max_parallel": 1}});
    session
        .post("registrysync/setDetails", details)
        .await
        .unwrap();
    let id = session.run().await;
    session.counted(id, "copied", 1).await;
    assert_eq!(server.end("TERM"), Some(0));
    assert!(target.broken_references().is_empty());
    assert_eq!(target.uploads_open(), 0);
    source.faults_clear();
    server.start_again();
    let session = server.login().await;
    let run = session.run_ended(id).await;
    assert_eq!(run["status"], "FINISHED", "{run}");
    // Nothing was lost by it, so it isn't another attempt.
    assert_eq!(
        (&run["attempt"], &run["counts"]["copied"]),
        (&json!(1), &json!(8))
    );
    let log = session.log(id).await;
    assert!(log.contains("was stopped; it is retried"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_end_gives_its_parts_to_another() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let (source, target) = registries(2, 6).await;
    let slow = Action::Delay(Duration::from_millis(700));
    source.fault_add(Fault::on("GET", "/blobs/", slow));
    let server = server(&database);
    let session = project(&server, &source, &target, 2).await;
    let details = json!({"label": "web", "details": {"max_parallel": 1}});
    session
        .post("registrysync/setDetails", details)
        .await
        .unwrap();
    let first = worker(&server, &database);
    let id = session.run().await;
    session.counted(id, "copied", 1).await;
    assert_eq!(first.end(), Some(0));
    assert_eq!(target.uploads_open(), 0);
    assert!(target.broken_references().is_empty());
    let _second = worker(&server, &database);
    let run = session.run_ended(id).await;
    assert_eq!(run["status"], "FINISHED", "{run}");
    assert_eq!(
        (&run["attempt"], &run["counts"]["copied"]),
        (&json!(1), &json!(12))
    );
    assert_eq!(session.results(id).await.len(), 12);
}

#[test]
fn a_terminal_that_is_closed_ends_a_server_in_order() {
    let mut server = Server::start(None);
    assert_eq!(server.end("HUP"), Some(0));
}

#[test]
fn sqlite_is_for_one_process() {
    let server = Server::start(None);
    let database = format!("sqlite:{}", server.data("registrysync.db").display());
    let elsewhere = tempfile::tempdir().unwrap();
    let refusals = [
        (
            vec!["serve", "--database", &database],
            "is in use by another registrysync, and SQLite allows only one process",
        ),
        (vec!["serve", "--no-worker"], "on SQLite (`sqlite:"),
        (
            vec!["worker", "--database", &database],
            "a worker shares a PostgreSQL database with its servers",
        ),
        (
            vec!["worker", "--database", "postgres://nobody.invalid/x"],
            "secret.key` is missing: copy `secret.key` from a server's data directory",
        ),
    ];
    for (arguments, wanted) in refusals {
        let ended = serve_to_its_end(&elsewhere.path().join("data"), &arguments);
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        let message = String::from_utf8_lossy(&ended.stderr);
        assert!(message.contains(wanted), "{arguments:?}: {message}");
    }
}

/// The sockets that a process has open.
fn sockets(pid: u32) -> usize {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("a process");
    let links = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    links
        .filter(|link| link.to_string_lossy().starts_with("socket:"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_registries_are_closed_when_nobody_uses_them() {
    let (source, target) = registries(4, 4).await;
    let server = Server::start(None);
    let session = project(&server, &source, &target, 4).await;
    let before = sockets(server.id());
    let run = session.run_ended(session.run().await).await;
    assert_eq!(run["counts"]["copied"], 16, "{run}");
    // One more may be a call of the test.
    until("they are closed", async || {
        sockets(server.id()) <= before + 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_are_listed_and_a_run_says_what_it_waits_for() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let (source, target) = registries(1, 1).await;
    source.fault_add(Fault::on("GET", "/blobs/", Action::Stall { after: 100 }));
    let server = server(&database);
    let session = project(&server, &source, &target, 1).await;
    let waits_for = async |id: i64| {
        let id = id.to_string();
        let run = session.get("registrysync/getRun", &[("runId", &id)]).await;
        run.unwrap()["waits_for"].clone()
    };
    let workers = async || session.get("registrysync/listWorkers", &[]).await.unwrap();
    assert_eq!(workers().await, json!([]));
    let id = session.run().await;
    assert_eq!(waits_for(id).await, "a worker: none is running");
    let lost = worker(&server, &database);
    until("uploads", async || target.uploads_open() > 0).await;
    assert_eq!(waits_for(id).await, json!(null));
    let listed = workers().await;
    let part =
        json!({"run_id": id, "project_label": "web", "part": 1, "target_repository": "app0"});
    assert_eq!(
        (
            &listed[0]["status"],
            &listed[0]["busy"],
            &listed[0]["slots"],
            &listed[0]["parts"]
        ),
        (&json!("alive"), &json!(1), &json!(2), &json!([part]))
    );
    // A second one waits for the first, and a third is the second.
    let queue = async || {
        let body = json!({"label": "web", "options": {"queue": true}});
        let id = session.post("registrysync/run", body).await.unwrap();
        id.as_i64().unwrap()
    };
    let second = queue().await;
    assert_ne!(second, id);
    assert_eq!(queue().await, second);
    let why = format!("run {id} of the project, which is RUNNING");
    assert_eq!(waits_for(second).await, why.as_str());
    drop(lost);
    until("it is lost", async || {
        workers().await[0]["status"] == "lost"
    })
    .await;
    source.faults_clear();
    let _heir = worker(&server, &database);
    for id in [id, second] {
        assert_eq!(session.run_ended(id).await["status"], "FINISHED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_says_which_limit_it_waits_for() {
    let (source, target) = registries(2, 1).await;
    source.fault_add(Fault::on("GET", "/blobs/", Action::Stall { after: 100 }));
    for (key, words) in [
        (
            "REGISTRYSYNC_HOST_PARTS",
            "other runs at the registry `127.0.0.1",
        ),
        (
            "REGISTRYSYNC_ORG_PARTS",
            "the organisation's other runs: `org_parts` limits it to 1",
        ),
        (
            "REGISTRYSYNC_WORKER_SLOTS",
            "a free slot: 1 part is running, and the workers have 1 slot",
        ),
    ] {
        let server = Server::with_environment(vec![(key, "1".to_owned())]);
        let session = project(&server, &source, &target, 1).await;
        let other = json!({"label": "other", "srcStore": "from", "destStore": "to"});
        session.post("registrysync/create", other).await.unwrap();
        let image = json!({"label": "other", "repository": "app1", "tags": []});
        session.post("registrysync/addImage", image).await.unwrap();
        let first = session.run().await;
        let is_running = async || {
            let query = [("runId", &*first.to_string())];
            let run = session.get("registrysync/getRun", &query).await.unwrap();
            run["status"] == "RUNNING" && run["waits_for"].is_null()
        };
        until("the first is worked on", is_running).await;
        let second = session.post("registrysync/run", json!({"label": "other"}));
        let second = second.await.unwrap().to_string();
        let run = session
            .get("registrysync/getRun", &[("runId", &second)])
            .await;
        let run = run.unwrap();
        let waits_for = run["waits_for"].as_str().unwrap_or_default();
        assert!(waits_for.starts_with(words), "{key}: {run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_show_the_workers_and_what_a_run_waits_for() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let (source, target) = registries(1, 1).await;
    let server = server(&database);
    project(&server, &source, &target, 1).await;
    let person = Person::at(&server);
    let nobody = person.says(&["workers"]);
    let said = String::from_utf8(nobody.stderr).unwrap();
    assert!(
        nobody.stdout.is_empty() && said.contains("no worker uses this database"),
        "{said}"
    );
    assert_eq!(person.hears(&["workers", "--json"], 0), "");

    let mut wait = person.command(&["project", "run", "web", "--wait"]);
    let mut wait = wait.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(wait.stderr.take().unwrap()).lines();
    let waits = tokio::task::spawn_blocking(move || {
        let why = lines.find_map(|line| line.ok().filter(|line| line.contains("waiting for")));
        // The others have to be read as well.
        std::thread::spawn(move || lines.count());
        why
    });
    let waits = tokio::time::timeout(Duration::from_mins(1), waits).await;
    let waits = waits.expect("a line").unwrap().unwrap_or_default();
    assert!(
        waits.contains("READY, waiting for a worker: none is running"),
        "{waits}"
    );
    let _worker = worker(&server, &database);
    assert!(wait.wait().unwrap().success());

    let table = person.hears(&["workers"], 0);
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 2, "{table}");
    for (head, cell) in [("STATUS", "alive"), ("SLOTS", "0 of 2"), ("WORKS ON", "")] {
        let at = rows[0].find(head).expect(head);
        assert!(
            rows[1].get(at..).unwrap_or_default().starts_with(cell),
            "{table}"
        );
    }
    let listed = person.hears(&["workers", "--json"], 0);
    let listed: Value = serde_json::from_str(listed.trim_end()).unwrap();
    assert_eq!(
        (&listed["status"], &listed["parts"]),
        (&json!("alive"), &json!([]))
    );
    assert!(table.contains(listed["name"].as_str().unwrap()), "{table}");
}

/// If PostgreSQL requires a password, it comes from a file.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_logs_in_at_its_database_with_the_password_of_a_file() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let database = OwnServer::start_with(|dir| {
        let rules = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(dir.join("pg_hba.conf"), rules).unwrap();
        vec![
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={port}"),
        ]
    });
    let Some(database) = database else { return };
    PgConnection::establish(&database.url())
        .unwrap()
        .batch_execute("CREATE ROLE sync LOGIN SUPERUSER PASSWORD 's3cret phrase'")
        .unwrap();
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let url = format!("postgres://sync@127.0.0.1:{port}/postgres");
    let right = file("right", "s3cret phrase\n");
    let by_file =
        |path: &str| ["--database", &url, "--database-password-file", path].map(str::to_owned);
    let server = Server::with(by_file(&right).to_vec());
    server.login().await;
    drop(server);
    for (path, word) in [
        (
            file("wrong", "another one\n"),
            "password authentication failed",
        ),
        (
            files.path().join("missing").display().to_string(),
            "database_password_file",
        ),
    ] {
        let words = by_file(&path);
        let words: Vec<&str> = ["serve"]
            .into_iter()
            .chain(words.iter().map(String::as_str))
            .collect();
        let output = serve_to_its_end(&files.path().join("data"), &words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(word), "{said}");
        assert!(
            !said.contains("another one") && !said.contains("s3cret"),
            "{said}"
        );
    }
}
