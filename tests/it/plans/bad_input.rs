//! What is refused, how long plans are kept, and who sees them.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use registrysync::store::DbConnection;
use registrysync::store::projects::kept_plan::plans_remove;
use serde_json::{Value, json};

use super::{id_of, plan_make, plan_run, source, started};
use crate::support::database::TestDatabase;
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};
use crate::whole::server::{Server, Session};

/// A server whose runs wait, on a database, with the project `web`.
async fn waiting(
    database: &TestDatabase,
    source: &Registry,
    target: &Registry,
) -> (Server, Session) {
    let environment = vec![("REGISTRYSYNC_DATABASE", database.url.clone())];
    let server = Server::with_environment(environment);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    (server, session)
}

async fn refused(session: &Session, plan: i64) -> String {
    plan_run(session, plan).await.expect_err("it is refused")
}

async fn change(session: &Session, method: &str, body: Value) {
    session.post(method, body).await.expect("a change");
}

/// Waits until a worker has the run.
async fn begun(session: &Session, run: i64) {
    let id = run.to_string();
    let query = [("runId", id.as_str())];
    for _ in 0..600 {
        let run = session
            .get("registrysync/getRun", &query)
            .await
            .expect("a run");
        if run["status"] != "READY" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("run {run} still waits");
}

async fn statement(database: &TestDatabase, text: &str) {
    let text = text.to_owned();
    let run = database.run(move |conn: &mut DbConnection| Ok(conn.batch_execute(&text)?));
    run.await.expect("no error");
}

on_both_databases! {
    async fn a_plan_of_something_else_is_refused(database) {
        let (source, target) = (source(&["1"]).await, Registry::start().await);
        let (_server, session) = waiting(&database, &source, &target).await;
        let plan = id_of(&plan_make(&session).await);
        let other = json!({"label": "other", "srcStore": "from", "destStore": "to"});
        change(&session, "registrysync/create", other).await;
        let of_other = json!({"label": "other", "options": {"plan": plan}});
        let said = session.post("registrysync/run", of_other).await.expect_err("refused");
        assert_eq!(said, format!("`plan`: plan {plan} isn't one of the project `other`; list its plans"));
        assert!(refused(&session, 4711).await.contains("there is no plan 4711"));
        let both = json!({"label": "web", "options": {"plan": plan, "retry": 1}});
        session.post("registrysync/run", both).await.expect_err("refused");

        // A change of the project, of its items, of its stores.
        change(&session, "registrysync/setDetails", json!({"label": "web", "details": {"description": "x"}})).await;
        let said = refused(&session, plan).await;
        assert!(said.contains("it was changed (version 1, now 2); make a new plan"), "{said}");
        let plan = id_of(&plan_make(&session).await);
        change(&session, "registrysync/addImage", json!({"label": "web", "repository": "more", "tags": []})).await;
        let said = refused(&session, plan).await;
        assert!(said.contains("its items were changed; make a new plan"), "{said}");
        let plan = id_of(&plan_make(&session).await);
        let items = session.get("registrysync/listImages", &[("label", "web")]).await.expect("items");
        let fewer = json!({"itemId": items[0]["id"], "details": {"tags": ["1"]}});
        change(&session, "registrysync/updateImage", fewer).await;
        let said = refused(&session, plan).await;
        assert!(said.contains("its items were changed; make a new plan"), "{said}");
        let plan = id_of(&plan_make(&session).await);
        let moved = Registry::start().await;
        let uri = format!("http://{}", moved.address());
        change(&session, "image/store/setDetails", json!({"label": "to", "details": {"uri": uri}})).await;
        let said = refused(&session, plan).await;
        let words = format!("its target store was at `{}` and is at `{}` now", target.address(), moved.address());
        assert!(said.contains(&words), "{said}");

        let plan = id_of(&plan_make(&session).await);
        statement(&database, "UPDATE kept_plan SET expires = '2026-01-02 03:04:05'").await;
        let said = refused(&session, plan).await;
        assert_eq!(said, format!("`plan`: plan {plan} expired at 2026-01-02T03:04:05Z; make a new plan"));
        assert!(target.tags("app").is_empty() && moved.tags("app").is_empty());
        let runs = session.get("registrysync/listRuns", &[("label", "web")]).await;
        assert_eq!(runs, Ok(json!([])));
    }
}

on_both_databases! {
    async fn a_plan_with_a_run_is_kept_and_an_expired_one_is_removed(database) {
        let (source, target) = (source(&["1", "2"]).await, Registry::start().await);
        let (_server, session) = waiting(&database, &source, &target).await;
        let plan = id_of(&plan_make(&session).await);
        source.fault_add(Fault::on("GET", "/blobs/", Action::Hang));
        let run = plan_run(&session, plan).await.expect("a run");
        begun(&session, run).await;
        let queued = json!({"label": "web", "options": {"plan": plan, "queue": true}});
        let queued = session.post("registrysync/run", queued).await.expect("queued");
        let again = json!({"label": "web", "options": {"plan": plan, "queue": true}});
        let said = session.post("registrysync/run", again).await.expect_err("refused");
        assert_eq!(said, format!("`plan`: run {queued} of plan {plan} is already waiting"));
        let delete = json!({"planId": plan});
        let said = session.post("registrysync/deletePlan", delete.clone()).await.expect_err("refused");
        assert!(said.starts_with(&format!("`planId`: run {queued} of plan {plan} is waiting")), "{said}");
        statement(&database, "UPDATE kept_plan SET expires = '2026-01-02 03:04:05'").await;
        assert_eq!(database.run(|conn| plans_remove(conn, 1000)).await.expect("no error"), 0);
        for id in [queued.as_i64().expect("an id"), run] {
            change(&session, "registrysync/cancelRun", json!({"runId": id})).await;
            session.run_ended(id).await;
        }
        // The plan and its two actions.
        assert_eq!(database.run(|conn| plans_remove(conn, 2)).await.expect("no error"), 2);
        assert_eq!(database.run(|conn| plans_remove(conn, 1000)).await.expect("no error"), 1);
        let listed = session.get("registrysync/listPlans", &[("label", "web")]).await;
        assert_eq!(listed, Ok(json!([])));
        let said = session.post("registrysync/deletePlan", delete).await;
        assert_eq!(said, Err(format!("there is no plan with the id {plan}")));
        // A run keeps the id of its plan, and isn't retried without it.
        let query = [("runId", &*run.to_string())];
        let kept = session.get("registrysync/getRun", &query).await.expect("the run");
        assert_eq!(kept["plan_id"], json!(plan));
        let retry = json!({"label": "web", "options": {"retry": run}});
        let said = session.post("registrysync/run", retry).await.expect_err("refused");
        assert!(said.contains(&format!("run {run} was one of plan {plan}")), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn housekeeping_removes_expired_plans() {
    let database = TestDatabase::sqlite();
    let (source, target) = (source(&["1"]).await, Registry::start().await);
    let (_server, session) = waiting(&database, &source, &target).await;
    let plan = id_of(&plan_make(&session).await);
    statement(
        &database,
        "UPDATE kept_plan SET expires = '2026-01-02 03:04:05'",
    )
    .await;
    let body = json!({"bunch": "run-history-cleanup-bunch", "params": {}});
    change(&session, "taskomatic/scheduleSingleSatBunchRun", body).await;
    let query = [("planId", &*plan.to_string())];
    for _ in 0..600 {
        if session.get("registrysync/getPlan", &query).await.is_err() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("it is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_a_run_needs_is_not_replaced_by_newer_ones() {
    let (source, target) = (source(&["1"]).await, Registry::start().await);
    let (_server, session) = started(&source, &target).await;
    let oldest = id_of(&plan_make(&session).await);
    let slow = Action::Delay(Duration::from_secs(20));
    target.fault_add(Fault::on("PUT", "/manifests/", slow));
    let run = plan_run(&session, oldest).await.expect("a run");
    for _ in 0..21 {
        plan_make(&session).await;
    }
    let plan = [("planId", &*oldest.to_string())];
    let kept = session.get("registrysync/getPlan", &plan).await;
    assert_eq!(kept.expect("the plan")["id"], oldest);
    target.faults_clear();
    let cancel = json!({"runId": run});
    session
        .post("registrysync/cancelRun", cancel)
        .await
        .unwrap();
    session.run_ended(run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_twenty_plans_are_kept() {
    let (source, target) = (source(&["1"]).await, Registry::start().await);
    let (_server, session) = started(&source, &target).await;
    let mut made = Vec::new();
    for _ in 0..22 {
        made.push(id_of(&plan_make(&session).await));
    }
    let listed = session
        .get("registrysync/listPlans", &[("label", "web")])
        .await;
    let listed = listed.expect("plans");
    let ids: Vec<i64> = listed
        .as_array()
        .expect("a list")
        .iter()
        .map(id_of)
        .collect();
    made.reverse();
    assert_eq!(ids, made[..20]);
    assert!(listed[0].get("actions").is_none());
    let page = session
        .get(
            "registrysync/listPlans",
            &[("label", "web"), ("limit", "2"), ("offset", "1")],
        )
        .await;
    let page = page.expect("plans");
    assert_eq!(
        page.as_array()
            .expect("a list")
            .iter()
            .map(id_of)
            .collect::<Vec<_>>(),
        made[1..3]
    );
    let delete = json!({"planId": made[0]});
    assert_eq!(
        session.post("registrysync/deletePlan", delete).await,
        Ok(json!(1))
    );
    assert_eq!(
        refused(&session, made[0]).await,
        format!(
            "there is no plan {}: it was deleted, or removed after it expired",
            made[0]
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn other_organisations_see_no_plan() {
    let (source, target) = (source(&["1"]).await, Registry::start().await);
    let (server, session) = started(&source, &target).await;
    let plan = id_of(&plan_make(&session).await);
    let acme = json!({"name": "Acme", "adminLogin": "acme-admin", "adminPassword": "correct horse battery",
        "prefix": "", "first": "", "last": "", "email": "", "usePam": false});
    change(&session, "org/create", acme).await;
    let login = server.try_login_of("acme-admin", "correct horse battery");
    let acme = login.await.1.expect("a session");
    let id = plan.to_string();
    let none = Err(format!("there is no plan with the id {plan}"));
    assert_eq!(
        acme.get("registrysync/getPlan", &[("planId", &id)]).await,
        none
    );
    assert_eq!(
        acme.post("registrysync/deletePlan", json!({"planId": plan}))
            .await,
        none
    );
    acme.project(source.address(), target.address(), &["app"])
        .await;
    assert!(
        refused(&acme, plan)
            .await
            .starts_with(&format!("there is no plan {plan}"))
    );
    assert!(
        session
            .get("registrysync/getPlan", &[("planId", &id)])
            .await
            .is_ok()
    );
    let events = session.get("audit/listEvents", &[("limit", "100")]).await;
    let events = events.expect("events");
    let made = events.as_array().into_iter().flatten();
    let made = made.filter(|event| event["method"] == "registrysync.createPlan");
    assert_eq!(made.count(), 1, "{events}");
}
