//! Schedules on the real server: they fire, wait their turn, and are made up for.

use std::collections::HashSet;
use std::time::Duration;

use diesel::RunQueryDsl as _;
use serde_json::{Value, json};

use super::server::{Server, Session};
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};

/// Polls until a result is available: every 50 ms, for a minute.
const LOOKS: usize = 1200;

async fn registries() -> (Registry, Registry) {
    let source = Registry::start().await;
    let image = Image::single(Format::Oci, AMD64, &[Blob::layer(1, 100_000)]);
    image.store(&source, "app", Some("v1"));
    (source, Registry::start().await)
}

async fn schedule(session: &Session, cron_expr: &str) {
    let body = json!({"label": "web", "cronExpr": cron_expr});
    let set = session.post("registrysync/setSchedule", body).await;
    assert_eq!(set, Ok(json!(1)));
}

/// The project's runs, oldest first, when `enough` of them are there.
async fn runs(session: &Session, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    for _ in 0..LOOKS {
        let runs = session
            .get("registrysync/listRuns", &[("label", "web")])
            .await;
        let mut runs: Vec<Value> = serde_json::from_value(runs.unwrap()).unwrap();
        runs.reverse();
        if enough(&runs) {
            return runs;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("there aren't enough runs");
}

fn count(runs: &[Value], status: &str) -> usize {
    runs.iter().filter(|run| run["status"] == status).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_of_every_second_fires_and_leaves_out_what_comes_while_it_runs() {
    let (source, target) = registries().await;
    let mut server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    schedule(&session, "* * * * * ?").await;
    let fired = runs(&session, |runs| count(runs, "FINISHED") >= 2).await;
    assert_eq!(fired[0]["trigger"], "schedule");
    assert_eq!(fired[0]["counts"]["copied"], 1);
    assert_eq!(target.tags("app").len(), 1);

    source.fault_add(Fault::on("GET", "/tags/list", Action::Hang));
    let fired = runs(&session, |runs| {
        count(runs, "SKIPPED") >= 2 && count(runs, "RUNNING") == 1
    })
    .await;
    let running = fired.iter().find(|run| run["status"] == "RUNNING").unwrap();
    let left_out = fired.last().unwrap();
    assert_eq!(
        left_out["message"],
        format!("skipped: run {} is still running", running["id"])
    );

    source.faults_clear();
    server.kill_and_restart();
    let session = server.login().await;
    let before = fired.len();
    let fired = runs(&session, |runs| count(&runs[before..], "FINISHED") >= 1).await;
    let times: HashSet<&str> = fired
        .iter()
        .map(|run| run["fire_time"].as_str().unwrap())
        .collect();
    assert_eq!(times.len(), fired.len(), "a fire time has one run");

    // There is none after it was removed, except one that was due just before.
    schedule(&session, "").await;
    let removed = session
        .get("registrysync/getSchedule", &[("label", "web")])
        .await;
    assert_eq!(removed.unwrap()["cron_expr"], "");
}

#[tokio::test(flavor = "multi_thread")]
async fn fire_times_missed_during_downtime_make_one_run() {
    let (source, target) = registries().await;
    let mut server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    schedule(&session, "0 0 3 * * ?").await;
    let db = server.sqlite();
    // As found by a server after days of downtime.
    let missed = "UPDATE tasko_schedule SET next_fire = '2026-01-05 03:00:00', \
                  due_time = '2026-01-05 03:00:00' WHERE org_id IS NOT NULL";
    db.run(move |conn| Ok(diesel::sql_query(missed).execute(conn)?))
        .await
        .unwrap();
    server.kill_and_restart();
    let session = server.login().await;
    let fired = runs(&session, |runs| {
        count(runs, "FINISHED") + count(runs, "INTERRUPTED") >= 1
    })
    .await;
    assert_eq!(fired.len(), 1);
    assert_eq!(fired[0]["fire_time"], "2026-01-05T03:00:00Z");
    let shown = session
        .get("registrysync/getSchedule", &[("label", "web")])
        .await;
    assert_eq!(
        shown.unwrap()["next_fire_times"].as_array().unwrap().len(),
        5
    );
}
