//! A run of a plan copies exactly its digests, whatever has moved since.

use std::time::Duration;

use serde_json::{Value, json};

use super::{id_of, image, plan_make, plan_ran, plan_run, source, started, word, words};
use crate::support::images::{Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault, Quirk};
use crate::support::registry::log::Kind;
use crate::whole::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_run_and_run_again() {
    let (source, target) = (source(&["1", "2", "3"]).await, Registry::start().await);
    image(3).store(&target, "app", Some("3"));
    let (_server, session) = started(&source, &target).await;
    let plan = plan_make(&session).await;
    assert_eq!(
        (&plan["totals"]["copy"], &plan["totals"]["skip"]),
        (&json!(2), &json!(1))
    );
    // A new tag isn't in the plan.
    image(9).store(&source, "app", Some("9"));
    source.requests_clear();
    let (run, results) = plan_ran(&session, id_of(&plan)).await;
    assert_eq!(run["status"], "FINISHED", "{run}");
    assert_eq!(run["plan_id"], plan["id"]);
    assert_eq!(
        words(&results),
        [["1", "copy", "done"], ["2", "copy", "done"]]
    );
    assert_eq!(
        source.requests().count("GET", Kind::TagList),
        0,
        "nothing is listed"
    );
    let asked_for_others = source
        .requests()
        .0
        .iter()
        .any(|one| one.path.ends_with("/9"));
    assert!(!asked_for_others);
    assert!(target.tags("app").into_keys().eq(["1", "2", "3"]));
    let (again, results) = plan_ran(&session, id_of(&plan)).await;
    assert_eq!(again["status"], "FINISHED");
    assert_eq!(
        words(&results),
        [["1", "skip", "done"], ["2", "skip", "done"]]
    );
    let query = [("runId", &*again["id"].to_string())];
    let evidence = session.get("registrysync/getRunEvidence", &query).await;
    let asked = evidence.expect("evidence")["asked"]["plan"].take();
    assert_eq!(asked, json!({"id": plan["id"], "actions": 2}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_moved_at_the_source_is_blocked_and_named() {
    let (source, target) = (
        source(&["gone", "moved", "stays"]).await,
        Registry::start().await,
    );
    let (_server, session) = started(&source, &target).await;
    let plan = plan_make(&session).await;
    image(50).store(&source, "app", Some("moved"));
    source.fault_add(Fault::status("HEAD", "/manifests/gone", 404));
    let (run, results) = plan_ran(&session, id_of(&plan)).await;
    assert_eq!(run["counts"]["blocked"], 2, "{run}");
    assert_eq!(
        words(&results),
        [
            ["gone", "blocked", "blocked"],
            ["moved", "blocked", "blocked"],
            ["stays", "copy", "done"]
        ]
    );
    let host = source.address();
    let gone = format!(
        "`{host}/app:gone` is gone since the plan, in which it is `{}`",
        image(1).digest()
    );
    assert!(word(&results[0], "reason").ends_with(&gone), "{results:?}");
    let moved = format!(
        "`{host}/app:moved` has moved since the plan: it was `{}`, now it is `{}`",
        image(2).digest(),
        image(50).digest()
    );
    assert!(word(&results[1], "reason").ends_with(&moved), "{results:?}");
    assert!(target.tags("app").into_keys().eq(["stays"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_moves_during_the_run_is_copied_as_planned_or_not_at_all() {
    let (source, target) = (source(&["1"]).await, Registry::start().await);
    let (_server, session) = started(&source, &target).await;
    let plan = id_of(&plan_make(&session).await);
    // Between the look at the tag and the copy.
    let slow = Action::Delay(Duration::from_millis(700));
    source.fault_add(Fault::on("GET", "/manifests/sha256", slow));
    source.requests_clear();
    let id = plan_run(&session, plan).await.expect("a run");
    while source.requests().count("HEAD", Kind::Manifest) == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    image(60).store(&source, "app", Some("1"));
    let run = session.run_ended(id).await;
    assert_eq!(run["counts"]["copied"], 1, "{run}");
    assert_eq!(target.tags("app")["1"], image(1).digest());
    // The planned manifest is gone, while the tag has another: that isn't copied instead.
    source.faults_clear();
    let (source, target) = (super::source(&["1"]).await, Registry::start().await);
    let (_server, session) = started(&source, &target).await;
    let plan = id_of(&plan_make(&session).await);
    source.fault_add(Fault::status("GET", "/manifests/sha256", 404));
    let (run, _) = plan_ran(&session, plan).await;
    assert_eq!(run["counts"]["failed"], 1, "{run}");
    assert!(target.tags("app").is_empty());
    assert_eq!(
        source
            .requests()
            .0
            .iter()
            .filter(|one| one.method == "GET" && one.path.ends_with("manifests/1"))
            .count(),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_has_changed_is_left_alone() {
    let (source, target) = (
        source(&["lost", "new", "same"]).await,
        Registry::start().await,
    );
    image(70).store(&target, "app", Some("lost"));
    let (_server, session) = started(&source, &target).await;
    let plan = plan_make(&session).await;
    assert_eq!(plan["totals"]["update"], 1);
    image(71).store(&target, "app", Some("lost"));
    image(72).store(&target, "app", Some("new"));
    image(3).store(&target, "app", Some("same"));
    target.requests_clear();
    let (run, results) = plan_ran(&session, id_of(&plan)).await;
    assert_eq!(run["counts"]["blocked"], 2, "{run}");
    assert_eq!(
        words(&results),
        [
            ["lost", "blocked", "blocked"],
            ["new", "blocked", "blocked"],
            ["same", "skip", "done"]
        ]
    );
    for (result, then, now) in [
        (&results[0], format!("`{}`", image(70).digest()), image(71)),
        (&results[1], "absent".to_owned(), image(72)),
    ] {
        let words = format!("was {then}, now it is `{}`", now.digest());
        assert!(word(result, "reason").ends_with(&words), "{result}");
    }
    assert_eq!(target.requests().count("PUT", Kind::Manifest), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_are_written_as_planned() {
    let source = Registry::start().await;
    let index = Image::multi(Format::Oci, 5, 1000);
    index.store(&source, "app", Some("multi"));
    for mode in ["sparse", "rewrite", "rewrite-single"] {
        let target = Registry::builder()
            .quirk(Quirk::SparseAllowed)
            .start()
            .await;
        let server = Server::start(None);
        let session = server.login().await;
        session
            .project(source.address(), target.address(), &["app"])
            .await;
        let details =
            json!({"label": "web", "details": {"architectures": ["amd64"], "index": mode}});
        session
            .post("registrysync/setDetails", details)
            .await
            .expect("changed");
        let literal = json!({"label": "web", "repository": "app", "tags": [index.digest()]});
        if mode == "sparse" {
            session
                .post("registrysync/addImage", literal)
                .await
                .expect("an item");
        }
        let plan = plan_make(&session).await;
        let (run, _) = plan_ran(&session, id_of(&plan)).await;
        assert_eq!(run["status"], "FINISHED", "{mode}: {run}");
        let planned = |action: &&Value| action["tag"] == "multi";
        let planned = plan["actions"]
            .as_array()
            .and_then(|all| all.iter().find(planned));
        let planned = planned.expect("its action");
        assert_eq!(planned["source_digest"], json!(index.digest()));
        assert_eq!(
            json!(target.tags("app")["multi"]),
            planned["digest"],
            "{mode}"
        );
        assert_eq!(
            planned["digest"] == planned["source_digest"],
            mode == "sparse"
        );
        let (_, results) = plan_ran(&session, id_of(&plan)).await;
        assert!(
            words(&results)
                .iter()
                .all(|[_, action, _]| *action == "skip"),
            "{results:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_says_another_digest_than_would_be_written_writes_nothing() {
    let source = Registry::start().await;
    Image::multi(Format::Oci, 5, 1000).store(&source, "app", Some("multi"));
    let target = Registry::start().await;
    let (server, session) = started(&source, &target).await;
    let details = json!({"label": "web", "details": {"architectures": ["amd64"]}});
    session
        .post("registrysync/setDetails", details)
        .await
        .expect("changed");
    let plan = id_of(&plan_make(&session).await);
    let other = format!("sha256:{}", "7".repeat(64));
    let statement = format!("UPDATE kept_action SET digest = '{other}'");
    server
        .sqlite()
        .run(move |conn| {
            Ok(diesel::connection::SimpleConnection::batch_execute(
                conn, &statement,
            )?)
        })
        .await
        .expect("changed");
    let (run, results) = plan_ran(&session, plan).await;
    assert_eq!(run["counts"]["blocked"], 1, "{run}");
    let reason = word(&results[0], "reason");
    assert!(
        reason.contains("would get `sha256:")
            && reason.ends_with(&format!("the plan says `{other}`")),
        "{reason}"
    );
    assert!(target.tags("app").is_empty());
}
