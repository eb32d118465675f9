//! Large numbers: schedules that are due in the same second, thousands of projects, workers that share
//! the items of one project.
//!
//! The numbers are small here; `bench/taskomatic` uses the documented ones, through the variables
//! below, and makes a table of the lines that begin with `figure:`.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use diesel::prelude::*;
use registrysync::store::Db;
use registrysync::store::runs::run::{Run, RunStatus, SYNC_BUNCH};
use registrysync::store::schema::tasko_run;
use serde_json::{Value, json};

use super::server::{Server, Session, Worker};
use crate::support::database::TestDatabase;
use crate::support::images::{AMD64, Blob, Format, Image, OCI_INDEX, OCI_MANIFEST};
use crate::support::registry::Registry;
use crate::support::registry::content::digest_of;
use crate::support::registry::faults::{Action, Fault};

const SCHEDULES: usize = 60;
const PROJECTS: usize = 150;
const PAGE: usize = 50;
const SLOTS: usize = 2;
/// Polls until a condition holds: every 10 ms, for five minutes.
const LOOKS: usize = 30_000;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().expect(name))
}

async fn projects_make(session: &Session, count: usize) {
    for number in 0..count {
        let body = json!({"label": format!("p{number}"), "srcStore": "from", "destStore": "to"});
        session.post("registrysync/create", body).await.unwrap();
    }
}

async fn runs(db: &Db) -> Vec<Run> {
    let all = db.run(|conn| {
        let of_projects = tasko_run::table.filter(tasko_run::bunch.eq(SYNC_BUNCH));
        let by_id = of_projects.order(tasko_run::id).select(Run::as_select());
        Ok(by_id.load(conn)?)
    });
    all.await.unwrap()
}

/// The runs when `is_so` of them.
async fn runs_when(db: &Db, is_so: impl Fn(&[Run]) -> bool) -> Vec<Run> {
    for _ in 0..LOOKS {
        let runs = runs(db).await;
        if is_so(&runs) {
            return runs;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not in time: {:#?}", runs(db).await);
}

/// This many schedules fire in the same second.
async fn schedules_due_at_once(name: &str, server: &Server, db: &Db) {
    let count = setting("REGISTRYSYNC_SCALE_SCHEDULES", SCHEDULES);
    let source = Registry::start().await;
    let image = Image::single(Format::Oci, AMD64, &[Blob::layer(1, 1000)]);
    image.store(&source, "app", Some("v1"));
    let target = Registry::start().await;
    let session = server.login().await;
    session.store("from", source.address()).await;
    session.store("to", target.address()).await;
    projects_make(&session, count).await;
    for number in 0..count {
        let item = json!({"label": format!("p{number}"), "repository": "app", "tags": ["v1"]});
        session.post("registrysync/addImage", item).await.unwrap();
    }
    let time_to_set = TimeDelta::try_milliseconds(2000 + 25 * i64::try_from(count).unwrap());
    let due: DateTime<Utc> = (Utc::now() + time_to_set.unwrap()).trunc_subsecs(0);
    let line = due.format("%-S %-M %-H %-d %-m ? %Y").to_string();
    for number in 0..count {
        let body = json!({"label": format!("p{number}"), "cronExpr": line});
        session
            .post("registrysync/setSchedule", body)
            .await
            .unwrap();
    }
    assert!(
        Utc::now() < due,
        "the schedules took longer to be set than expected"
    );
    runs_when(db, |runs| runs.len() == count).await;
    let made = Utc::now() - due;
    let is_going = |run: &Run| matches!(run.status, RunStatus::Ready | RunStatus::Running);
    let runs = runs_when(db, |runs| !runs.iter().any(is_going)).await;
    let done = Utc::now() - due;
    let projects: HashSet<Option<i64>> = runs.iter().map(|run| run.project_id).collect();
    assert_eq!((runs.len(), projects.len()), (count, count));
    for run in &runs {
        assert_eq!(
            (run.status, run.fire_time),
            (RunStatus::Finished, due.naive_utc()),
            "{run:?}"
        );
    }
    // The first is started first; those started at once may change places.
    let mut begun: Vec<&Run> = runs.iter().collect();
    begun.sort_by_key(|run| (run.start_time, run.id));
    let moved = begun
        .iter()
        .zip(&runs)
        .map(|(one, other)| one.id.abs_diff(other.id))
        .max();
    assert!(moved <= Some(SLOTS as u64), "not in order: {moved:?}");
    println!(
        "figure: {count} schedules due in one second, {name}: rows made after {:.2} s, all run after {:.1} s",
        made.as_seconds_f64(),
        done.as_seconds_f64(),
    );
}

fn environment(database: Option<&str>) -> Vec<(&'static str, String)> {
    let mut environment = vec![
        ("REGISTRYSYNC_TIME_ZONE", "UTC".to_owned()),
        ("REGISTRYSYNC_WORKER_SLOTS", SLOTS.to_string()),
    ];
    if let Some(url) = database {
        environment.push(("REGISTRYSYNC_DATABASE", url.to_owned()));
    }
    environment
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_due_in_one_second_run_in_order_on_sqlite() {
    let server = Server::with_environment(environment(None));
    schedules_due_at_once("SQLite", &server, &server.sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_due_in_one_second_run_in_order_on_postgres() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let server = Server::with_environment(environment(Some(&database.url)));
    schedules_due_at_once("PostgreSQL", &server, &database).await;
}

/// Lists many projects page by page.
async fn projects_by_pages(name: &str, server: &Server) {
    let count = setting("REGISTRYSYNC_SCALE_PROJECTS", PROJECTS);
    let session = server.login().await;
    for label in ["from", "to"] {
        session.store(label, &format!("{label}.example.com")).await;
    }
    projects_make(&session, count).await;
    let (mut seen, mut times) = (HashSet::new(), Vec::new());
    for offset in (0..count).step_by(PAGE) {
        let query = [("limit", PAGE.to_string()), ("offset", offset.to_string())];
        let query = query
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        let begun = Instant::now();
        let page = session
            .get("registrysync/listProjects", &query)
            .await
            .unwrap();
        times.push(begun.elapsed());
        let labels = page
            .as_array()
            .unwrap()
            .iter()
            .map(|project| project["label"].clone());
        seen.extend(labels.map(|label: Value| label.as_str().unwrap().to_owned()));
    }
    assert_eq!(seen.len(), count);
    let slowest = times.iter().max().unwrap();
    println!(
        "figure: {count} projects by pages of {PAGE}, {name}: slowest page {} ms",
        slowest.as_millis()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_projects_are_listed_by_pages_on_sqlite() {
    projects_by_pages("SQLite", &Server::start(None)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_projects_are_listed_by_pages_on_postgres() {
    if let Some(database) = TestDatabase::postgres() {
        projects_by_pages("PostgreSQL", &Server::start(Some(database.url.clone()))).await;
    }
}

/// How long a project of 30 items takes with this many workers, if every request takes 20 ms.
async fn time_of(workers: usize) -> Option<Duration> {
    let database = TestDatabase::postgres()?;
    let source = Registry::start().await;
    for number in 0..30 {
        for tag in 0..16 {
            let layer = Blob::layer(100 * number + tag, 20_000);
            let image = Image::single(Format::Oci, AMD64, &[layer]);
            image.store(&source, &format!("app{number}"), Some(&format!("v{tag}")));
        }
    }
    let target = Registry::start().await;
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH"] {
        let slow = Fault::on(method, "", Action::Delay(Duration::from_millis(20)));
        source.fault_add(slow.clone());
        target.fault_add(slow);
    }
    let mut of_server = environment(Some(&database.url));
    of_server.push(("REGISTRYSYNC_NO_WORKER", "true".to_owned()));
    let server = Server::with_environment(of_server);
    let names: Vec<String> = (0..30).map(|number| format!("app{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &names)
        .await;
    let details = json!({"label": "web", "details": {"max_parallel": 2}});
    session
        .post("registrysync/setDetails", details)
        .await
        .unwrap();
    let _workers: Vec<_> = (0..workers)
        .map(|_| Worker::start(&server, &database.url, environment(None)))
        .collect();
    let begun = Instant::now();
    let run = session.run_ended(session.run().await).await;
    assert_eq!(run["counts"]["copied"], 480, "{run}");
    Some(begun.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute and only measures: `bench/taskomatic`"]
async fn three_workers_and_one() {
    let (Some(one), Some(three)) = (time_of(1).await, time_of(3).await) else {
        return;
    };
    println!(
        "figure: 30 items, registries that take 20 ms a request: one worker {:.1} s, three {:.1} s, ratio {:.2}",
        one.as_secs_f64(),
        three.as_secs_f64(),
        three.as_secs_f64() / one.as_secs_f64()
    );
}

/// An index with 35 000 children is processed on a separate thread.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_answered_while_a_large_index_is_read() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let child = |number: u64| {
        let digest = digest_of(&number.to_le_bytes());
        let architecture = ["amd64", "arm64"][usize::from(number.is_multiple_of(2))];
        format!(
            "{{\"digest\":\"{digest}\",\"size\":1000,\"mediaType\":\"{OCI_MANIFEST}\",\"platform\":{{\"os\":\"linux\",\"architecture\":\"{architecture}\"}}}}"
        )
    };
    let children: Vec<String> = (0..35_000).map(child).collect();
    let index = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{OCI_INDEX}\",\"manifests\":[{}]}}",
        children.join(",")
    );
    source.manifest_put("app", Some("1"), OCI_INDEX, index);
    let server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    let details = json!({"label": "web", "details": {"architectures": ["amd64"]}});
    session
        .post("registrysync/setDetails", details)
        .await
        .unwrap();
    let id = session.run().await;
    let (mut slowest, mut answers) = (Duration::ZERO, 0);
    let ended = session.run_ended(id);
    tokio::pin!(ended);
    let run = loop {
        let began = Instant::now();
        tokio::select! {
            run = &mut ended => break run,
            listed = session.get("registrysync/listProjects", &[]) => {
                assert_eq!(listed.unwrap().as_array().map(Vec::len), Some(1));
                answers += 1;
                slowest = slowest.max(began.elapsed());
            }
        }
    };
    // Its children don't exist.
    assert_eq!(run["status"], "FAILED", "{run}");
    assert!(
        answers > 1 && slowest < Duration::from_secs(5),
        "{answers} answers, {slowest:?}"
    );
}
