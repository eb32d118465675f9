//! The real binary with a clock that is changed while it runs, by libfaketime: nothing is duplicated,
//! and nothing is stuck.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::server::{Server, Session, Worker};
use crate::support::database::TestDatabase;
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};
use crate::support::tools;

/// Polls until a result is available: every 100 ms, for a minute.
const LOOKS: usize = 600;

/// Debian's libfaketime; `None` if it is missing, which CI doesn't allow.
fn library() -> Option<PathBuf> {
    let found = std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten()
        .map(|dir| dir.path().join("faketime/libfaketime.so.1"))
        .find(|path| path.exists());
    tools::found(found.is_some(), "`faketime` isn't installed");
    found
}

/// The clock of one process.
struct Hands(tempfile::TempDir);

impl Hands {
    fn new(offset: &str) -> Hands {
        let hands = Hands(tempfile::tempdir().unwrap());
        hands.set(offset);
        hands
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("now")
    }

    /// Sets it to an offset from the true time: `+1h`, `-2y`.
    fn set(&self, offset: &str) {
        let new = self.0.path().join("new");
        std::fs::write(&new, offset).unwrap();
        std::fs::rename(new, self.file()).unwrap();
    }

    /// The variables that make a process use it. Monotonic time is unchanged, as when an
    /// administrator sets the clock.
    fn environment(&self, library: &Path) -> Vec<(&'static str, String)> {
        vec![
            ("LD_PRELOAD", library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }
}

async fn registries() -> (Registry, Registry) {
    let source = Registry::start().await;
    for (repository, seed) in [("app", 1), ("slow", 2)] {
        let image = Image::single(Format::Oci, AMD64, &[Blob::layer(seed, 20_000)]);
        image.store(&source, repository, Some("v1"));
    }
    (source, Registry::start().await)
}

async fn schedule(session: &Session, line: &str) {
    let body = json!({"label": "web", "cronExpr": line});
    assert_eq!(
        session.post("registrysync/setSchedule", body).await,
        Ok(json!(1))
    );
}

async fn runs(session: &Session, label: &str) -> Vec<Value> {
    let runs = session
        .get("registrysync/listRuns", &[("label", label)])
        .await;
    serde_json::from_value(runs.unwrap()).unwrap()
}

/// Waits until this many runs with an id above `after` have finished; returns the latest id.
async fn finished_after(session: &Session, after: i64, count: usize, when: &str) -> i64 {
    for _ in 0..LOOKS {
        let runs = runs(session, "web").await;
        let new = runs.iter().filter(|run| run["id"].as_i64() > Some(after));
        let finished = new.filter(|run| run["status"] == "FINISHED").count();
        if finished >= count {
            return runs[0]["id"].as_i64().unwrap();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{when}: the schedule is stuck");
}

fn nothing_is_doubled(runs: &[Value]) {
    let times: HashSet<&str> = runs
        .iter()
        .map(|run| run["fire_time"].as_str().unwrap())
        .collect();
    assert_eq!(times.len(), runs.len(), "{runs:#?}");
    for run in runs {
        let is_known =
            ["FINISHED", "SKIPPED", "READY", "RUNNING"].contains(&run["status"].as_str().unwrap());
        assert!(is_known && run["attempt"] == 1, "{run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_forward_and_back_doubles_and_loses_nothing() {
    let Some(library) = library() else { return };
    let (source, target) = registries().await;
    let slow = Action::Slow {
        bytes: 1000,
        pause: Duration::from_millis(500),
    };
    source.fault_add(Fault::on("GET", "slow/blobs/", slow));
    let hands = Hands::new("+0");
    let server = Server::with_environment(hands.environment(&library));
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    for (method, body) in [
        (
            "registrysync/create",
            json!({"label": "slow", "srcStore": "from", "destStore": "to"}),
        ),
        (
            "registrysync/addImage",
            json!({"label": "slow", "repository": "slow", "tags": ["v1"]}),
        ),
    ] {
        session.post(method, body).await.unwrap();
    }
    schedule(&session, "0/2 * * * * ?").await;
    let mut last = finished_after(&session, 0, 1, "at the start").await;
    // In progress while the clock jumps by years and back.
    let slow = session
        .post("registrysync/run", json!({"label": "slow"}))
        .await;
    let slow = slow.unwrap().as_i64().unwrap();
    for offset in ["+2y", "+0", "-2y", "+0", "+1h", "+0", "-1h", "+0"] {
        hands.set(offset);
        // An earlier session may have expired.
        let session = server.login().await;
        last = finished_after(&session, last, 2, offset).await;
    }
    let session = server.login().await;
    let slow = session.run_ended(slow).await;
    assert_eq!(
        (&slow["status"], &slow["attempt"]),
        (&json!("FINISHED"), &json!(1))
    );
    nothing_is_doubled(&runs(&session, "web").await);
    assert!(target.broken_references().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_whose_clocks_are_years_apart_go_by_the_databases() {
    let (Some(library), Some(database)) = (library(), TestDatabase::postgres()) else {
        return;
    };
    let (source, target) = registries().await;
    let (past, future) = (Hands::new("-2y"), Hands::new("+2y"));
    let mut environment = past.environment(&library);
    environment.push(("REGISTRYSYNC_DATABASE", database.url.clone()));
    environment.push(("REGISTRYSYNC_NO_WORKER", "true".to_owned()));
    let server = Server::with_environment(environment);
    let _workers = [&past, &future]
        .map(|hands| Worker::start(&server, &database.url, hands.environment(&library)));
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app", "slow"])
        .await;
    schedule(&session, "0/2 * * * * ?").await;
    let asked = session.run().await;
    finished_after(&session, 0, 4, "two workers").await;
    let runs = runs(&session, "web").await;
    nothing_is_doubled(&runs);
    // All of them in the same year, whichever node created them, and so in the order of their ids.
    let by_id = runs.iter().filter(|run| run["id"].as_i64() > Some(asked));
    let times: Vec<&str> = by_id
        .map(|run| run["fire_time"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted_by(|a, b| a > b), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_as_old_at_every_server() {
    let (Some(library), Some(database)) = (library(), TestDatabase::postgres()) else {
        return;
    };
    // Two hours apart, and a session lasts one.
    let (past, future) = (Hands::new("-1h"), Hands::new("+1h"));
    let environment = |hands: &Hands| {
        let mut environment = hands.environment(&library);
        environment.push(("REGISTRYSYNC_DATABASE", database.url.clone()));
        environment.push(("REGISTRYSYNC_NO_WORKER", "true".to_owned()));
        environment
    };
    let first = Server::with_environment(environment(&past));
    let mut environment = environment(&future);
    let key = first.data("secret.key").display().to_string();
    environment.push(("REGISTRYSYNC_KEY_FILE", key));
    let second = Server::with_environment(environment);
    for (here, there) in [(&first, &second), (&second, &first)] {
        let session = here.login().await;
        for server in [there, here, there] {
            let session = Session::at(&server.url, &session.key).await;
            let listed = session.get("registrysync/listProjects", &[]).await;
            assert_eq!(listed, Ok(json!([])));
        }
    }
}
