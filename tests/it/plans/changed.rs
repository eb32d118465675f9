//! A project or a store that isn't any more what it was when the plan was made.

use std::time::Duration;

use serde_json::json;

use super::{id_of, plan_make, plan_ran, plan_run, source, started};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};
use crate::support::registry::log::Kind;

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_refused_while_the_source_store_has_another_address() {
    let (here, target) = (source(&["1"]).await, Registry::start().await);
    let (_server, session) = started(&here, &target).await;
    let plan = id_of(&plan_make(&session).await);
    // It has the same tag.
    let there = source(&["1"]).await;
    let moved = async |to: &Registry| {
        let uri = format!("http://{}", to.address());
        let body = json!({"label": "from", "details": {"uri": uri}});
        session.post("image/store/setDetails", body).await.unwrap();
    };
    moved(&there).await;
    let said = plan_run(&session, plan).await.expect_err("it is refused");
    let words = format!(
        "its source store was at `{}` and is at `{}` now; make a new plan",
        here.address(),
        there.address()
    );
    assert!(said.contains(&words), "{said}");
    moved(&here).await;
    let (run, _) = plan_ran(&session, plan).await;
    assert_eq!(run["counts"]["copied"], 1, "{run}");
}

/// A worker begins one run, and is lost; another run waits.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_worker_has_begun_when_the_project_is_changed_is_not_copied() {
    let (source, target) = (source(&["1"]).await, Registry::start().await);
    let (mut server, session) = started(&source, &target).await;
    let plan = id_of(&plan_make(&session).await);
    source.fault_add(Fault::on("GET", "/blobs/", Action::Hang));
    let begun = plan_run(&session, plan).await.expect("a run");
    let again = json!({"label": "web", "options": {"plan": plan, "queue": true}});
    let waits = session.post("registrysync/run", again).await.unwrap();
    while source.requests().count("GET", Kind::Blob) == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let change = json!({"label": "web", "details": {"description": "x"}});
    session
        .post("registrysync/setDetails", change)
        .await
        .unwrap();
    source.faults_clear();
    server.kill_and_restart();
    let session = server.login().await;
    for id in [begun, waits.as_i64().unwrap()] {
        let run = session.run_ended(id).await;
        assert_eq!(run["status"], "FAILED", "{run}");
        let log = session.log(id).await;
        let words = "the project `web` has changed since plan";
        assert!(log.contains(words), "{run} {log}");
    }
    assert!(target.tags("app").is_empty());
}
