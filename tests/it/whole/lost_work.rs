//! A worker is lost, or an answer, after a request had its effect: what was done is reported and recorded
//! by the next one.

use std::time::Duration;

use diesel::prelude::*;
use registrysync::store::Db;
use registrysync::store::schema::{run_result, write_intent, written_tag};
use serde_json::{Value, json};

use super::pruning::{run, set, store, tags, world};
use super::server::{Server, Session};
use crate::support::database::TestDatabase;
use crate::support::images::Image;
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};

/// Waits until the target has changed.
pub(super) async fn until(target: &Registry, is_so: impl Fn(&Registry) -> bool) {
    tokio::time::timeout(Duration::from_secs(30), async {
        while !is_so(target) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the request to be executed");
}

async fn result(session: &Session, run: &Value, action: &str) -> Value {
    let rows = session.results(run["id"].as_i64().unwrap()).await;
    let mut of_action = rows.into_iter().filter(|row| row["action"] == action);
    let only = of_action
        .next()
        .unwrap_or_else(|| panic!("no {action}: {run}"));
    assert!(of_action.next().is_none(), "more than one {action}");
    only
}

async fn intents(db: &Db) -> i64 {
    let count = db.run(|conn| Ok(write_intent::table.count().get_result(conn)?));
    count.await.unwrap()
}

/// Whether the tag's write was asked for.
fn asked(target: &Registry) -> bool {
    let requests = target.requests();
    let mut all = requests.0.iter();
    all.any(|one| one.method == "PUT" && one.path.ends_with("/manifests/3"))
}

const LOST: &str = "an earlier attempt had done it, but couldn't record it";

/// Killed between an overwrite and its answer, with the previous image kept under another name.
async fn overwrite(database: Option<String>) {
    let (source, target, mut server, session) = world(database).await;
    set(&session, json!({"backup_tag": "{tag}-before"}))
        .await
        .unwrap();
    store(&source, 50, "3");
    let (old, new) = (
        target.tags("app")["3"].clone(),
        source.tags("app")["3"].clone(),
    );
    target.fault_add(Fault::on("PUT", "/manifests/3$", Action::AnswerHeld).times(1));
    let id = session.run().await;
    until(&target, |target| target.tags("app")["3"] == new).await;
    server.kill_and_restart();
    let session = server.login().await;
    let done = session.run_ended(id).await;
    assert_eq!(
        (
            &done["status"],
            &done["counts"]["updated"],
            &done["counts"]["skipped"]
        ),
        (&json!("FINISHED"), &json!(1), &json!(4)),
        "{done}"
    );
    let row = result(&session, &done, "update").await;
    assert_eq!(
        (
            &row["previous_digest"],
            &row["target_digest"],
            &row["source_digest"]
        ),
        (&json!(old), &json!(new), &json!(new))
    );
    let reason = row["reason"].as_str().unwrap();
    assert!(
        reason.ends_with(LOST) && reason.contains("`3-before`"),
        "{reason}"
    );
    assert_eq!(target.tags("app")["3-before"], old);
    // Now it is the project's, so it goes with the source's.
    source.tag_remove("app", "3");
    let done = run(&session).await;
    assert_eq!(done["counts"]["deleted"], 1, "{done}");
    assert_eq!(tags(&target), "1 2 3-before 4 5");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_wrote_is_reported_and_recorded_on_sqlite() {
    overwrite(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_wrote_is_reported_and_recorded_on_postgres() {
    if let Some(database) = TestDatabase::postgres() {
        overwrite(Some(database.url.clone())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_deleted_is_reported() {
    for by_digest in [false, true] {
        let (source, target, mut server, session) = world(None).await;
        let old = target.tags("app")["3"].clone();
        source.tag_remove("app", "3");
        let request = if by_digest {
            target.fault_add(Fault::status("DELETE", "/manifests/3$", 405));
            "/manifests/sha256"
        } else {
            "/manifests/3$"
        };
        target.fault_add(Fault::on("DELETE", request, Action::AnswerHeld).times(1));
        let id = session.run().await;
        until(&target, |target| !target.tags("app").contains_key("3")).await;
        server.kill_and_restart();
        let session = server.login().await;
        let done = session.run_ended(id).await;
        assert_eq!(done["counts"]["deleted"], 1, "{done}");
        let row = result(&session, &done, "delete").await;
        assert_eq!(row["previous_digest"], json!(old));
        assert!(row["reason"].as_str().unwrap().ends_with(LOST), "{row}");
        let db = server.sqlite();
        let recorded = db.run(|conn| Ok(written_tag::table.count().get_result::<i64>(conn)?));
        assert_eq!((recorded.await.unwrap(), intents(&db).await), (4, 0));
    }
}

/// Killed while the tag's blobs are sent: it isn't reported as written.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_only_intended_is_done_again() {
    let (source, target, mut server, session) = world(None).await;
    store(&source, 50, "3");
    let old = target.tags("app")["3"].clone();
    target.fault_add(Fault::on("PUT", "/manifests/3$", Action::Hang).times(1));
    let id = session.run().await;
    until(&target, asked).await;
    assert_eq!(intents(&server.sqlite()).await, 1);
    server.kill_and_restart();
    let session = server.login().await;
    let done = session.run_ended(id).await;
    let row = result(&session, &done, "update").await;
    assert_eq!(row["previous_digest"], json!(old));
    assert!(
        !row["reason"].as_str().unwrap().contains("earlier attempt"),
        "{row}"
    );
    assert_eq!(intents(&server.sqlite()).await, 0);
}

/// The same, but then nothing is selected any more that would settle it. The registry may still work on
/// the request, so it is remembered for an hour.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_only_intended_is_forgotten_after_an_hour() {
    let (source, target, mut server, session) = world(None).await;
    set(&session, json!({"prune": "none"})).await.unwrap();
    store(&source, 50, "3");
    target.fault_add(Fault::on("PUT", "/manifests/3$", Action::Hang).times(1));
    let id = session.run().await;
    until(&target, asked).await;
    source.tag_remove("app", "3");
    server.kill_and_restart();
    let session = server.login().await;
    let done = session.run_ended(id).await;
    assert_eq!(done["counts"]["updated"], 0, "{done}");
    let db = server.sqlite();
    assert_eq!(intents(&db).await, 1);
    let then = chrono::Utc::now().naive_utc() - chrono::TimeDelta::minutes(61);
    let aged = db.run(move |conn| {
        let aged = diesel::update(write_intent::table).set(write_intent::kept_at.eq(then));
        Ok(aged.execute(conn)?)
    });
    assert_eq!(aged.await.unwrap(), 1);
    run(&session).await;
    assert_eq!(intents(&db).await, 0);
}

/// The registry carries a request out only when its worker is lost and the next one has looked.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_about_later_is_reported_by_the_next_run() {
    let (source, target, mut server, session) = world(None).await;
    set(&session, json!({"prune": "none"})).await.unwrap();
    store(&source, 50, "3");
    let (old, new) = (
        target.tags("app")["3"].clone(),
        source.tags("app")["3"].clone(),
    );
    target.fault_add(Fault::on("PUT", "/manifests/3$", Action::Hang).times(1));
    let id = session.run().await;
    until(&target, asked).await;
    source.tag_remove("app", "3");
    server.kill_and_restart();
    let session = server.login().await;
    session.run_ended(id).await;
    store(&target, 50, "3");
    let done = run(&session).await;
    let row = result(&session, &done, "update").await;
    assert_eq!(
        (&row["previous_digest"], &row["target_digest"]),
        (&json!(old), &json!(new)),
        "{row}"
    );
    assert_eq!(
        (&done["counts"]["selected"], &done["counts"]["skipped"]),
        (&json!(5), &json!(4)),
        "the recovered tag isn't selected any more, and counts all the same: {done}"
    );
}

/// The tag can't be looked at when the next worker comes, and then gets another image.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_could_not_be_looked_at_is_reported_with_the_next_one() {
    let (source, target, server, session) = world(None).await;
    store(&source, 50, "3");
    let old = target.tags("app")["3"].clone();
    target.fault_add(answered_500());
    target.fault_add(Fault::status("HEAD", "/manifests/3$", 500).after(2));
    let failed = run(&session).await;
    assert_eq!(failed["counts"]["failed"], 1, "{failed}");
    assert_eq!(target.tags("app")["3"], source.tags("app")["3"]);
    store(&source, 51, "3");
    target.faults_clear();
    // One request and its three retries: those of the look at what is left.
    target.fault_add(Fault::status("HEAD", "/manifests/3$", 500).times(4));
    let done = run(&session).await;
    let row = result(&session, &done, "update").await;
    assert_eq!(row["previous_digest"], json!(old), "{row}");
    assert_eq!(
        row["target_digest"],
        json!(target.tags("app")["3"]),
        "{row}"
    );
    assert_eq!(target.tags("app")["3"], source.tags("app")["3"]);
    assert_eq!(intents(&server.sqlite()).await, 0);
}

/// Somebody has moved the tag since: whether it was written isn't known, so all digests are told.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_nobody_can_see_any_more_is_a_warning() {
    let (source, target, mut server, session) = world(None).await;
    store(&source, 50, "3");
    let (old, new) = (
        target.tags("app")["3"].clone(),
        source.tags("app")["3"].clone(),
    );
    target.fault_add(Fault::on("PUT", "/manifests/3$", Action::AnswerHeld).times(1));
    let id = session.run().await;
    until(&target, |target| target.tags("app")["3"] == new).await;
    server.end("KILL");
    store(&target, 70, "3");
    let theirs = target.tags("app")["3"].clone();
    server.start_again();
    let session = server.login().await;
    session.run_ended(id).await;
    let log = session.log(id).await;
    let told = format!("it was `{old}`, it was to be `{new}`, and it is `{theirs}` now");
    assert!(log.contains(&told), "{log}");
}

/// The registry writes the tag, and answers with an error each time.
fn answered_500() -> Fault {
    let answer = Action::AnswerReplaced { status: 500 };
    Fault::on("PUT", "/manifests/3$", answer)
}

/// After that the tag can't be looked at.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_was_an_error_is_found_by_the_next_run() {
    let (source, target, server, session) = world(None).await;
    store(&source, 50, "3");
    let new = source.tags("app")["3"].clone();
    target.fault_add(answered_500());
    // After the two looks before the write, the tag can't be looked at.
    target.fault_add(Fault::status("HEAD", "/manifests/3$", 500).after(2));
    let failed = run(&session).await;
    assert_eq!(failed["counts"]["failed"], 1, "{failed}");
    target.faults_clear();
    assert_eq!(target.tags("app")["3"], new);
    let done = run(&session).await;
    assert_eq!(done["counts"]["updated"], 1, "{done}");
    assert!(
        result(&session, &done, "update").await["reason"]
            .as_str()
            .unwrap()
            .ends_with(LOST)
    );
    assert_eq!(intents(&server.sqlite()).await, 0);
}

/// The same, but the tag can be looked at.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_was_an_error_counts_if_it_is_there() {
    let (source, target, server, session) = world(None).await;
    store(&source, 50, "3");
    let old = target.tags("app")["3"].clone();
    target.fault_add(answered_500());
    let done = run(&session).await;
    assert_eq!(done["status"], "FINISHED", "{done}");
    let row = result(&session, &done, "update").await;
    assert_eq!(
        (&row["previous_digest"], &row["status"]),
        (&json!(old), &json!("done"))
    );
    assert_eq!(intents(&server.sqlite()).await, 0);
}

/// Nothing was asked of the tag, so what somebody else writes is theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_tag_whose_blobs_failed_is_nobodys() {
    let (source, target, server, session) = world(None).await;
    store(&source, 60, "6");
    target.fault_add(Fault::status("POST", "/blobs/uploads", 500));
    let failed = run(&session).await;
    assert_eq!(failed["counts"]["failed"], 1, "{failed}");
    target.faults_clear();
    assert_eq!(intents(&server.sqlite()).await, 0);
    store(&target, 60, "6");
    run(&session).await;
    source.tag_remove("app", "6");
    run(&session).await;
    assert_eq!(tags(&target), "1 2 3 4 5 6");
}

/// A world in which the tag `3` is changed at the target while a new image for it is copied, and the
/// error of that.
async fn changed_meanwhile(
    change: fn(&Registry),
) -> ((Registry, Registry), Server, Session, String) {
    let (source, target, server, session) = world(None).await;
    set(&session, json!({"backup_tag": "{tag}-before"}))
        .await
        .unwrap();
    store(&source, 50, "3");
    target.fault_add(Fault::on(
        "POST",
        "/blobs/uploads",
        Action::Delay(Duration::from_secs(2)),
    ));
    let id = session.run().await;
    let uploads = |target: &Registry| {
        let requests = target.requests();
        requests.0.iter().any(|one| one.method == "POST")
    };
    until(&target, uploads).await;
    change(&target);
    let done = session.run_ended(id).await;
    assert_eq!(done["counts"]["failed"], 1, "{done}");
    let rows = session.results(id).await;
    let row = rows.iter().find(|row| row["status"] == "failed").unwrap();
    let error = row["error"].as_str().unwrap().to_owned();
    assert!(!tags(&target).contains("before"), "nothing was kept");
    ((source, target), server, session, error)
}

const MOVED: &str = "was moved at the target while its image was copied";

/// Somebody moves the target's tag while its image is copied: theirs isn't overwritten.
#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_is_moved_during_its_copy_is_not_overwritten() {
    let ((_source, target), _server, session, error) =
        changed_meanwhile(|target| store(target, 70, "3")).await;
    assert!(error.contains(MOVED), "{error}");
    let theirs = target.tags("app")["3"].clone();
    assert_eq!(theirs, Image::artifact(70, "a/b").digest());
    let done = run(&session).await;
    assert_eq!(
        result(&session, &done, "update").await["previous_digest"],
        json!(theirs)
    );
}

/// The same where somebody removes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_is_removed_during_its_copy_is_not_written() {
    let ((_source, target), _server, session, error) =
        changed_meanwhile(|target| target.tag_remove("app", "3")).await;
    assert!(
        error.contains(MOVED) && error.contains("now it is gone"),
        "{error}"
    );
    assert_eq!(tags(&target), "1 2 4 5");
    let done = run(&session).await;
    let row = result(&session, &done, "copy").await;
    assert_eq!(row["previous_digest"], Value::Null, "{row}");
}

/// A clear refusal is no write: if somebody else then writes the same image, it is theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_write_is_nobodys() {
    let (source, target, server, session) = world(None).await;
    store(&source, 60, "6");
    target.fault_add(Fault::status("PUT", "/manifests/6$", 403));
    let failed = run(&session).await;
    assert_eq!(failed["counts"]["failed"], 1, "{failed}");
    target.faults_clear();
    assert_eq!(intents(&server.sqlite()).await, 0);
    store(&target, 60, "6");
    let done = run(&session).await;
    assert_eq!(
        (&done["counts"]["copied"], &done["counts"]["skipped"]),
        (&json!(0), &json!(6))
    );
    source.tag_remove("app", "6");
    run(&session).await;
    assert_eq!(tags(&target), "1 2 3 4 5 6");
}

/// Waits until a run has a result with this action.
async fn recorded(db: &Db, run: i64, action: &'static str) {
    let count = async || {
        let of_run = run_result::table.filter(run_result::run_id.eq(run));
        let these = of_run.filter(run_result::action.eq(action)).count();
        db.run(move |conn| Ok(these.get_result::<i64>(conn)?))
            .await
            .unwrap()
    };
    tokio::time::timeout(Duration::from_secs(30), async {
        while count().await == 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .expect("a result");
}

/// What was recorded before the worker was lost stays, whatever its heir finds.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_before_a_take_over_stays() {
    for moves_again in [false, true] {
        let (source, target, mut server, session) = world(None).await;
        let old = target.tags("app")["1"].clone();
        store(&source, 51, "1");
        store(&source, 52, "2");
        let new = source.tags("app")["1"].clone();
        target.fault_add(Fault::on("PUT", "/manifests/2$", Action::AnswerHeld).times(1));
        let id = session.run().await;
        recorded(&server.sqlite(), id, "update").await;
        if moves_again {
            store(&source, 53, "1");
        } else {
            source.fault_add(Fault::status("HEAD", "/manifests/", 403));
        }
        server.kill_and_restart();
        let session = server.login().await;
        let done = session.run_ended(id).await;
        let rows = session.results(id).await;
        let row = rows.iter().find(|row| row["tag"] == "1").unwrap();
        assert_eq!(
            (&row["status"], &row["action"]),
            (&json!("done"), &json!("update")),
            "{done}"
        );
        assert_eq!(row["previous_digest"], json!(old));
        assert_eq!(row["target_digest"], json!(target.tags("app")["1"]));
        let reason = row["reason"].as_str().unwrap();
        let between = format!("before that, this run had made it `{new}`");
        assert_eq!(reason.ends_with(&between), moves_again, "{reason}");
        // It and `2`, once each.
        assert_eq!(done["counts"]["updated"], 2, "{done}");
    }
}

/// It wasn't there before the run, whatever the run has made it meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_tag_that_moves_again_after_a_take_over_is_one_copy() {
    let (source, target, mut server, session) = world(None).await;
    store(&source, 61, "6");
    store(&source, 52, "2");
    let second = source.tags("app")["2"].clone();
    target.fault_add(Fault::on("PUT", "/manifests/2$", Action::AnswerHeld).times(1));
    let id = session.run().await;
    until(&target, |target| target.tags("app")["2"] == second).await;
    recorded(&server.sqlite(), id, "copy").await;
    store(&source, 63, "6");
    server.kill_and_restart();
    let session = server.login().await;
    let done = session.run_ended(id).await;
    assert_eq!(
        (&done["counts"]["copied"], &done["counts"]["updated"]),
        (&json!(1), &json!(1)),
        "{done}"
    );
    let row = result(&session, &done, "copy").await;
    assert_eq!((&row["tag"], &row["status"]), (&json!("6"), &json!("done")));
    assert_eq!(row["previous_digest"], Value::Null, "{row}");
    assert_eq!(row["target_digest"], json!(source.tags("app")["6"]));
}

/// Nobody works on its place any more.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_for_an_item_that_was_removed_is_reported() {
    let (source, target, mut server, session) = world(None).await;
    store(&source, 50, "3");
    let (old, new) = (
        target.tags("app")["3"].clone(),
        source.tags("app")["3"].clone(),
    );
    target.fault_add(Fault::on("PUT", "/manifests/3$", Action::AnswerHeld).times(1));
    let id = session.run().await;
    until(&target, |target| target.tags("app")["3"] == new).await;
    let items = session.get("registrysync/listImages", &[("label", "web")]);
    let remove = json!({"itemId": items.await.unwrap()[0]["id"]});
    let removed = session.post("registrysync/removeImage", remove).await;
    removed.unwrap();
    server.kill_and_restart();
    let session = server.login().await;
    let done = session.run_ended(id).await;
    let row = result(&session, &done, "update").await;
    assert_eq!(
        (&row["previous_digest"], &row["target_digest"]),
        (&json!(old), &json!(new))
    );
    assert!(row["reason"].as_str().unwrap().ends_with(LOST), "{row}");
    assert_eq!(intents(&server.sqlite()).await, 0);
}

/// From then on it isn't the project's to delete, whatever becomes of the worker.
#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_kept_image_is_forgotten_before_the_overwrite() {
    let (source, target, server, session) = world(None).await;
    store(&source, 8, "3-before");
    run(&session).await;
    let db = server.sqlite();
    let records = async || {
        let these = written_tag::table.filter(written_tag::tag.eq("3-before"));
        let count = db.run(move |conn| Ok(these.count().get_result::<i64>(conn)?));
        count.await.unwrap()
    };
    assert_eq!(records().await, 1);
    source.tag_remove("app", "3-before");
    set(&session, json!({"backup_tag": "{tag}-before"}))
        .await
        .unwrap();
    store(&source, 50, "3");
    let (old, new) = (
        target.tags("app")["3"].clone(),
        source.tags("app")["3"].clone(),
    );
    target.fault_add(Fault::on("PUT", "/manifests/3$", Action::AnswerHeld).times(1));
    session.run().await;
    until(&target, |target| target.tags("app")["3"] == new).await;
    assert_eq!(target.tags("app")["3-before"], old);
    // The worker still waits for the answer.
    assert_eq!(records().await, 0);
}
