//! What is taken from a catalogue, and when it is read.

use std::time::Duration;

use serde_json::json;

use super::repositories::{catalogue, pattern, places, server, set, source};
use super::server::Server;
use crate::support::images::Image;
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};

#[tokio::test(flavor = "multi_thread")]
async fn each_pattern_has_its_own_repositories() {
    let (source, target) = (source().await, Registry::start().await);
    let first = json!({"repositories_regex": "^team/app$", "tags_regex": "^1$"});
    let (_server, session) = server(&source, &target, &first).await;
    let second = json!({"repositories_regex": "^team/db$", "tags_regex": "^latest$"});
    let added = session.post("registrysync/addImage", pattern(&second));
    added.await.unwrap();
    let run = session.run_ended(session.run().await).await;
    assert_eq!(run["status"], "FINISHED", "{run}");
    let expected = set(["team/app:1", "team/db:latest"]);
    assert_eq!(places(&session, &run).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_repositories_than_a_project_may_have_are_an_error_and_none_is_copied() {
    let (source, target) = (source().await, Registry::start().await);
    let (_server, session) = server(
        &source,
        &target,
        &json!({"repositories_regex": "^(team|many)/"}),
    )
    .await;
    // The first two exist.
    let others = (0..19_999).map(|number| format!("many/{number}"));
    let names = ["team/app", "team/db"].map(str::to_owned).into_iter();
    let names: Vec<String> = names.chain(others).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    source.fault_add(catalogue(&names));
    let error = "the project's patterns match more than 20000 repositories";
    let plan = session.get("registrysync/plan", &[("label", "web")]).await;
    let plan = plan.unwrap();
    let totals = &plan["totals"];
    assert_eq!(
        (&totals["copy"], &totals["failed"]),
        (&json!(0), &json!(1)),
        "{totals}"
    );
    assert!(plan.to_string().contains(error), "{plan}");
    let run = session.run_ended(session.run().await).await;
    assert_eq!(
        (&run["status"], &run["counts"]["copied"]),
        (&json!("FAILED"), &json!(0)),
        "{run}"
    );
    let results = session.results(run["id"].as_i64().unwrap()).await;
    assert!(results[0].to_string().contains(error), "{results:?}");
    assert!(target.tags("team/app").is_empty());
}

/// Another run of the organisation has all that the organisation, or its source, may have at once.
#[tokio::test(flavor = "multi_thread")]
async fn no_catalogue_is_read_while_its_run_could_not_start() {
    for limit in ["REGISTRYSYNC_ORG_PARTS", "REGISTRYSYNC_HOST_PARTS"] {
        let (source, target) = (source().await, Registry::start().await);
        let server = Server::with_environment(vec![
            (limit, "1".to_owned()),
            ("REGISTRYSYNC_WORKER_SLOTS", "4".to_owned()),
        ]);
        let session = server.login().await;
        session
            .project(source.address(), target.address(), &["web"])
            .await;
        source.fault_add(Fault::on("GET", "/v2/web/blobs/", Action::Hang));
        let busy = session.run().await;
        while target.uploads_open() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let body = json!({"label": "other", "srcStore": "from", "destStore": "to"});
        session.post("registrysync/create", body).await.unwrap();
        let mut item = pattern(&json!({"repositories_regex": "^team/"}));
        item["label"] = json!("other");
        session.post("registrysync/addImage", item).await.unwrap();
        let other = session.post("registrysync/run", json!({"label": "other"}));
        let other = other.await.unwrap().as_i64().unwrap();

        // A later run of somebody else, elsewhere: the queue has been looked at before.
        let (from, to) = (Registry::start().await, Registry::start().await);
        Image::artifact(1, "a/b").store(&from, "app", Some("1"));
        let acme = json!({"name": "Acme", "adminLogin": "acme-admin", "adminPassword": "correct horse battery",
            "prefix": "", "first": "", "last": "", "email": "", "usePam": false});
        session.post("org/create", acme).await.unwrap();
        let acme = server.try_login_of("acme-admin", "correct horse battery");
        let acme = acme.await.1.expect("a session");
        acme.project(from.address(), to.address(), &["app"]).await;
        let free = acme.run_ended(acme.run().await).await;
        assert_eq!(free["status"], "FINISHED", "{free}");
        let requests = source.requests();
        let mut all = requests.0.iter();
        assert!(!all.any(|one| one.path.contains("_catalog")), "{limit}");

        let cancel = json!({"runId": busy});
        session
            .post("registrysync/cancelRun", cancel)
            .await
            .unwrap();
        let other = session.run_ended(other).await;
        assert_eq!(other["status"], "FINISHED", "{limit} {other}");
    }
}
