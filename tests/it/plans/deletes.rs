//! A run of a plan deletes what the plan says, and only while that is still right.

use serde_json::{Value, json};

use super::{id_of, image, plan_make, plan_ran, source, started, word, words};
use crate::support::registry::Registry;
use crate::support::registry::faults::Fault;
use crate::support::registry::log::Kind;
use crate::whole::server::{Server, Session};

async fn set(session: &Session, details: Value) {
    let body = json!({"label": "web", "details": details});
    session.post("registrysync/setDetails", body).await.unwrap();
}

struct World {
    source: Registry,
    target: Registry,
    session: Session,
    _server: Server,
}

/// A project that has copied the tags `1` to `6` of `app`, and deletes what has left the source.
async fn world(details: Value) -> World {
    let source = source(&["1", "2", "3", "4", "5", "6"]).await;
    let target = Registry::start().await;
    let (server, session) = started(&source, &target).await;
    session.run_ended(session.run().await).await;
    set(&session, json!({"prune": "gone", "prune_limit": 100})).await;
    set(&session, details).await;
    World {
        source,
        target,
        session,
        _server: server,
    }
}

impl World {
    fn leave(&self, tags: &[&str]) {
        for tag in tags {
            self.source.tag_remove("app", tag);
        }
    }

    fn tags(&self) -> String {
        let tags = self.target.tags("app").into_keys();
        tags.collect::<Vec<_>>().join(" ")
    }

    fn deletes(&self) -> usize {
        self.target.requests().count("DELETE", Kind::Manifest)
    }

    async fn warnings(&self, run: &Value) -> String {
        self.session.log(id_of(run)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plans_deletes_are_done_and_no_others() {
    let world = world(json!({})).await;
    world.leave(&["3", "4"]);
    image(20).store(&world.source, "app", Some("7"));
    let plan = plan_make(&world.session).await;
    assert_eq!(
        (&plan["totals"]["copy"], &plan["totals"]["delete"]),
        (&json!(1), &json!(2))
    );
    // Another has left since, and one is back.
    world.leave(&["5"]);
    image(4).store(&world.source, "app", Some("4"));
    world.source.requests_clear();
    let (run, results) = plan_ran(&world.session, id_of(&plan)).await;
    assert_eq!(run["status"], "FINISHED", "{run}");
    assert_eq!(
        words(&results),
        [["3", "delete", "done"], ["7", "copy", "done"]]
    );
    let planned = plan["actions"].as_array().unwrap();
    let planned = planned.iter().find(|one| one["tag"] == "3").unwrap();
    for member in ["reason", "previous_digest", "target", "repository"] {
        assert_eq!(results[0][member], planned[member], "{member}");
    }
    assert_eq!(world.tags(), "1 2 4 5 6 7");
    let origin = format!("`{}/app:4` is back since the plan", world.source.address());
    let log = world.warnings(&run).await;
    assert!(log.contains(&origin), "{log}");
    let lists = world.source.requests().count("GET", Kind::TagList);
    assert_eq!(lists, 0, "nothing is listed at the source");
    let query = [("runId", &*run["id"].to_string())];
    let evidence = world.session.get("registrysync/getRunEvidence", &query);
    let asked = evidence.await.unwrap()["asked"]["plan"].take();
    assert_eq!(asked, json!({"id": plan["id"], "actions": 3}));

    // Once more: what is gone is gone, and what is back stays.
    world.target.requests_clear();
    let (again, _) = plan_ran(&world.session, id_of(&plan)).await;
    assert_eq!(again["status"], "FINISHED", "{again}");
    assert_eq!((world.deletes(), &*world.tags()), (0, "1 2 4 5 6 7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_that_are_no_longer_selected_go_and_the_newest_stay_as_planned() {
    let world = world(json!({"prune": "selected", "prune_retain": 1})).await;
    let images = [("label", "web")];
    let items = world.session.get("registrysync/listImages", &images).await;
    let item = items.unwrap()[0]["id"].clone();
    let details = json!({"tags": ["1", "2", "3"]});
    let body = json!({"itemId": item, "details": details});
    world
        .session
        .post("registrysync/updateImage", body)
        .await
        .unwrap();
    let plan = plan_make(&world.session).await;
    assert_eq!(plan["totals"]["delete"], 2, "{plan}");
    let planned = plan["actions"].as_array().unwrap().iter();
    let planned = planned.filter(|one| one["action"] == "delete");
    let mut planned: Vec<&str> = planned.map(|one| word(one, "tag")).collect();
    planned.sort_unstable();
    let (_, results) = plan_ran(&world.session, id_of(&plan)).await;
    let expected: Vec<_> = planned.iter().map(|tag| [tag, "delete", "done"]).collect();
    assert_eq!(words(&results), expected);
    assert_eq!(world.target.tags("app").len(), 4, "the newest stays");
}

/// The run of a plan reads no catalogue, so it knows no repositories of the pattern.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_pattern_wrote_is_deleted_too() {
    let world = world(json!({})).await;
    let images = [("label", "web")];
    let items = world.session.get("registrysync/listImages", &images).await;
    let item = items.unwrap()[0]["id"].clone();
    let body = json!({"itemId": item, "details": {"repositories_regex": "^app$"}});
    let changed = world.session.post("registrysync/updateImage", body).await;
    changed.unwrap();
    world.leave(&["3"]);
    let plan = plan_make(&world.session).await;
    assert_eq!(plan["totals"]["delete"], 1, "{plan}");
    let (run, _) = plan_ran(&world.session, id_of(&plan)).await;
    assert_eq!(run["counts"]["deleted"], 1, "{run}");
    assert_eq!(world.tags(), "1 2 4 5 6");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_places_with_deletes_and_no_copies_are_worked_on_too() {
    let world = world(json!({})).await;
    image(30).store(&world.source, "lib", Some("1"));
    let body = json!({"label": "web", "repository": "lib", "tags": []});
    world
        .session
        .post("registrysync/addImage", body)
        .await
        .unwrap();
    world.leave(&["3"]);
    let plan = plan_make(&world.session).await;
    let (run, results) = plan_ran(&world.session, id_of(&plan)).await;
    assert_eq!(run["counts"]["deleted"], 1, "{run}");
    assert_eq!(
        words(&results),
        [["1", "copy", "done"], ["3", "delete", "done"]]
    );
    assert_eq!(world.tags(), "1 2 4 5 6");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_project_or_somebody_else_has_written_since_stays() {
    let world = world(json!({})).await;
    world.leave(&["3", "4"]);
    let plan = plan_make(&world.session).await;
    // The project writes `3` once more, and somebody else `4`.
    image(60).store(&world.source, "app", Some("3"));
    image(4).store(&world.source, "app", Some("4"));
    world.session.run_ended(world.session.run().await).await;
    image(70).store(&world.target, "app", Some("4"));
    world.leave(&["3", "4"]);
    let (run, results) = plan_ran(&world.session, id_of(&plan)).await;
    assert_eq!(run["counts"]["deleted"], 0, "{run}");
    assert!(results.is_empty(), "{results:?}");
    assert_eq!((world.deletes(), &*world.tags()), (0, "1 2 3 4 5 6"));
    let log = world.warnings(&run).await;
    let ours = format!(
        "app:3` isn't deleted: the project has written it since the plan; it was `{}`, now it is `{}`",
        image(3).digest(),
        image(60).digest()
    );
    assert!(log.contains(&ours), "{log}");
    assert!(
        log.contains("app:4` isn't deleted: somebody else has overwritten it"),
        "{log}"
    );
}

/// Even with the same image.
#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_the_project_has_written_again_since_the_plan_stays() {
    let world = world(json!({})).await;
    world.leave(&["3"]);
    let plan = plan_make(&world.session).await;
    assert_eq!(plan["totals"]["delete"], 1, "{plan}");
    world.target.tag_remove("app", "3");
    image(3).store(&world.source, "app", Some("3"));
    let run = world.session.run_ended(world.session.run().await).await;
    assert_eq!(run["counts"]["copied"], 1, "{run}");
    world.leave(&["3"]);
    let (run, _) = plan_ran(&world.session, id_of(&plan)).await;
    assert_eq!(run["counts"]["deleted"], 0, "{run}");
    assert_eq!((world.deletes(), &*world.tags()), (0, "1 2 3 4 5 6"));
    let log = world.warnings(&run).await;
    let told = "app:3` isn't deleted: the project has written it again since the plan";
    assert!(log.contains(told), "{log}");
}

/// The registry deletes only whole images.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_stays_that_the_plan_has_by_digest() {
    let world = world(json!({})).await;
    let images = [("label", "web")];
    let items = world.session.get("registrysync/listImages", &images).await;
    let item = items.unwrap()[0]["id"].clone();
    let details = json!({"tags": [image(3).digest()], "tags_regex": "^[0-9]$"});
    let body = json!({"itemId": item, "details": details});
    let changed = world.session.post("registrysync/updateImage", body).await;
    changed.unwrap();
    world.leave(&["3"]);
    let by_tag = Fault::status("DELETE", "/manifests/[^:]*$", 405);
    world.target.fault_add(by_tag);
    let plan = plan_make(&world.session).await;
    assert_eq!(plan["totals"]["delete"], 1, "{plan}");
    let (run, results) = plan_ran(&world.session, id_of(&plan)).await;
    assert_eq!(run["counts"]["deleted"], 0, "{run}");
    assert_eq!(words(&results), [["3", "delete", "blocked"]]);
    let reason = word(&results[0], "reason");
    assert!(reason.contains("` is the same image"), "{reason}");
    assert!(world.target.manifest("app", image(3).digest()).is_some());
    assert_eq!(world.tags(), "1 2 3 4 5 6");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deleted_beside_a_copy_that_failed_or_unless_the_source_can_be_checked() {
    let world = world(json!({})).await;
    world.leave(&["3"]);
    image(20).store(&world.source, "app", Some("7"));
    let plan = id_of(&plan_make(&world.session).await);
    image(21).store(&world.source, "app", Some("7"));
    let blocked = |results: &[Value], words: &str| {
        let delete = results.iter().find(|one| one["tag"] == "3").unwrap();
        assert_eq!(
            (word(delete, "action"), word(delete, "status")),
            ("delete", "blocked")
        );
        assert!(word(delete, "reason").contains(words), "{delete}");
    };
    let (_, results) = plan_ran(&world.session, plan).await;
    blocked(&results, "app:7` isn't as it should be");
    image(20).store(&world.source, "app", Some("7"));
    world
        .source
        .fault_add(Fault::status("HEAD", "/manifests/3", 403));
    let (_, results) = plan_ran(&world.session, plan).await;
    blocked(&results, "app:3` can't be checked");
    assert_eq!((world.deletes(), &*world.tags()), (0, "1 2 3 4 5 6 7"));
    world.source.faults_clear();
    let (run, _) = plan_ran(&world.session, plan).await;
    assert_eq!(run["counts"]["deleted"], 1, "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_that_the_plan_blocks_stay_blocked() {
    let world = world(json!({"prune_limit": 10})).await;
    world.leave(&["3", "4"]);
    let plan = plan_make(&world.session).await;
    assert_eq!(plan["totals"]["blocked"], 2, "{plan}");
    let forced = json!({"label": "web", "options": {"plan": plan["id"], "force": true}});
    let refused = world.session.post("registrysync/run", forced).await;
    let refused = refused.unwrap_err();
    assert!(
        refused.contains("`force`: it can't be combined with `plan`"),
        "{refused}"
    );
    let body = json!({"label": "web", "options": {"plan": plan["id"]}});
    let run = world.session.post("registrysync/run", body).await.unwrap();
    let run = world.session.run_ended(run.as_i64().unwrap()).await;
    assert_eq!(
        (world.deletes(), &*world.tags()),
        (0, "1 2 3 4 5 6"),
        "{run}"
    );
}
