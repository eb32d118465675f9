use dxr::Value as Xml;
use registrysync::service::Role;
use registrysync::store::projects::project::project_by_label;
use registrysync::store::runs::log::{LogLevel, NewLogLine};
use registrysync::store::runs::progress::log_append;
use registrysync::store::runs::result::{NewRunResult, ResultAction, ResultStatus, result_put};
use registrysync::store::runs::run::{Run, RunStatus, RunTotals, run_get};
use registrysync::store::{DbConnection, Error, now};
use serde_json::{Value, json};

use super::{Admin, run_enqueue_one};
use crate::support::answer::{ANY, assert_answer};
use crate::support::queue;

/// More results than are read at once.
const RESULTS: u32 = 1203;

fn result(number: u32) -> NewRunResult {
    let failed = number.is_multiple_of(400);
    NewRunResult {
        repository: "nginx".to_owned(),
        tag: number.to_string(),
        target: format!("target.example/nginx:{number}"),
        action: ResultAction::Copy,
        status: if failed {
            ResultStatus::Failed
        } else {
            ResultStatus::Done
        },
        source_digest: Some("sha256:00".to_owned()),
        target_digest: None,
        previous_digest: None,
        bytes: 5_000_000_000,
        duration_ms: 7,
        error: failed.then(|| "the blob is \u{1b}[0m gone".to_owned()),
        source: format!("source.example/nginx:{number}"),
        platforms: "linux/amd64".to_owned(),
        reason: "literal; not there yet".to_owned(),
        blobs_copied: 2,
        blobs_mounted: 1,
    }
}

/// A run as left by a worker.
fn run_done(conn: &mut DbConnection) -> Result<Run, Error> {
    run_enqueue_one(conn)?;
    let (run, part) = queue::claim(conn, "host-1")?.expect("the run");
    let results: Vec<_> = (0..RESULTS).map(result).collect();
    result_put(conn, part.lease(), &results)?;
    let lines = ["begun", "middle", "done"].map(|message| NewLogLine {
        time: now(),
        level: LogLevel::Info,
        message: message.to_owned(),
    });
    log_append(conn, part.lease(), &lines)?;
    let totals = RunTotals {
        selected: RESULTS.into(),
        failed: 4,
        bytes: 6_000_000_000_000,
        ..RunTotals::default()
    };
    queue::end(
        conn,
        part.lease(),
        RunStatus::Failed,
        "4 tags failed",
        &totals,
    )?;
    Ok(run)
}

fn texts(listed: &Value, member: &str) -> Vec<String> {
    let listed = listed.as_array().expect("an array");
    listed
        .iter()
        .map(|one| {
            one[member]
                .as_str()
                .map_or_else(|| one[member].to_string(), str::to_owned)
        })
        .collect()
}

on_both_databases! {
    async fn a_project_that_is_being_deleted_begins_nothing_new(database) {
        let admin = Admin::new(database).await;
        admin.project("mirror", json!({})).await;
        let db = &admin.server.app.db;
        // A run whose worker ends slowly.
        let begun = db.run(|conn| {
            run_enqueue_one(conn)?;
            let (run, part) = queue::claim(conn, "host-1")?.expect("the run");
            Ok((run, part.lease()))
        });
        let (run, lease) = begun.await.expect("a run");
        let ended = async {
            loop {
                let found = db.run(move |conn| Ok((
                    project_by_label(conn, 1, "mirror")?.expect("the project"),
                    run_get(conn, 1, run.id)?.expect("the run"),
                )));
                let (project, run) = found.await.expect("both");
                if run.cancel_requested {
                    assert!(!project.enabled, "its schedule would begin another run");
                    let totals = RunTotals::default();
                    let end = move |conn: &mut DbConnection| {
                        queue::end(conn, lease, RunStatus::Interrupted, "cancelled", &totals)
                    };
                    return db.run(end).await.expect("ended");
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let (deleted, ()) = tokio::join!(admin.post("delete", json!({"label": "mirror"})), ended);
        assert_eq!(deleted, Ok(json!(1)));
    }
}

on_both_databases! {
    async fn a_run_is_shown_with_its_results_and_log(database) {
        let admin = Admin::new(database).await;
        admin.project("mirror", json!({})).await;
        let run = admin.server.app.db.run(run_done).await.expect("a run");
        let id = run.id;

        let shown = admin.get(&format!("getRun?runId={id}")).await.expect("the run");
        assert_answer(&shown, &json!({
            "id": id, "project_label": "mirror", "status": "FAILED", "trigger": "manual", "force": false, "attempt": 1,
            "fire_time": ANY, "start_time": ANY, "end_time": ANY,
            "worker": "host-1", "message": "4 tags failed",
            "counts": {
                "selected": RESULTS, "copied": 0, "updated": 0, "skipped": 0, "deleted": 0,
                "blocked": 0, "failed": 4, "warnings": 0,
            },
            "bytes": "6000000000000", "blobs_copied": 0, "blobs_mounted": 0,
        }));
        let project = admin.get("getDetails?label=mirror").await.expect("the project");
        let wanted = json!({"id": id, "status": "FAILED", "end_time": ANY, "warnings": 0});
        assert_answer(&project["last_run"], &wanted);
        let runs = async |before: i64| admin.get(&format!("listRuns?label=mirror&limit=3&beforeId={before}")).await;
        assert_eq!(texts(&runs(0).await.expect("all runs"), "id"), [id.to_string()]);
        assert_eq!(runs(id).await, Ok(json!([])));
        assert!(runs(-1).await.is_err_and(|(_, text)| text.contains("`beforeId`")));
        let listed = admin.get("listProjects").await.expect("projects");
        assert_eq!(listed[0]["last_run"], project["last_run"]);

        let all = admin.get(&format!("listRunResults?runId={id}")).await.expect("results");
        let wanted: Vec<_> = (0..RESULTS).map(|number| number.to_string()).collect();
        assert_eq!(texts(&all, "tag"), wanted);
        assert_eq!(all[1], json!({
            "repository": "nginx", "tag": "1", "source": "source.example/nginx:1",
            "target": "target.example/nginx:1", "platforms": ["linux/amd64"], "action": "copy",
            "status": "done", "reason": "literal; not there yet", "source_digest": "sha256:00",
            "bytes": "5000000000", "blobs_copied": 2, "blobs_mounted": 1, "duration_ms": 7,
        }));
        let failed = admin.get(&format!("listRunResults?runId={id}&status=failed")).await.expect("results");
        assert_eq!(texts(&failed, "tag"), ["0", "400", "800", "1200"]);
        let part = admin
            .get(&format!("listRunResults?runId={id}&status=&limit=3&offset=1001"))
            .await
            .expect("results");
        assert_eq!(texts(&part, "tag"), ["1001", "1002", "1003"]);

        let log = admin.get(&format!("getRunLog?runId={id}")).await.expect("the log");
        assert_eq!(texts(&log, "message"), ["begun", "middle", "done"]);
        assert_eq!(texts(&log, "seq"), ["1", "2", "3"]);
        let args = vec![Xml::Integer(i32::try_from(id).expect("small")), Xml::Integer(1), Xml::Integer(1)];
        let Ok(Xml::Array(lines)) = admin.xml("getRunLog", args).await else { panic!("no log") };
        let [Xml::Struct(line)] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(line["seq"], Xml::Integer(2));
        assert!(matches!(line["time"], Xml::DateTime(_)));

        let other = admin.server.key_in("Other", &[Role::ImageAdmin], false).await;
        for method in ["getRun", "listRunResults", "getRunLog"] {
            let hidden = admin.get_as(&other, &format!("{method}?runId={id}")).await;
            assert!(hidden.is_err_and(|(code, _)| code == 10101), "{method}");
            let none = admin.get(&format!("{method}?runId=4711")).await;
            assert_eq!(none, Err((10101, "there is no run with the id 4711".to_owned())));
        }
        let bad = admin.get(&format!("listRunResults?runId={id}&status=bad")).await;
        assert!(bad.is_err_and(|(code, text)| code == 2800 && text.contains("`status`")));
    }
}

on_both_databases! {
    async fn runs_are_listed_latest_first_whole_or_in_part(database) {
        let admin = Admin::new(database).await;
        admin.project("mirror", json!({})).await;
        assert_eq!(admin.get("listRuns?label=mirror").await, Ok(json!([])));
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(admin.server.app.db.run(run_done).await.expect("a run").id.to_string());
        }
        ids.reverse();
        let listed = async |query: &str| {
            let path = format!("listRuns?label=mirror{query}");
            texts(&admin.get(&path).await.expect("runs"), "id")
        };
        assert_eq!(listed("").await, ids);
        assert_eq!(listed("&limit=2").await, ids[..2]);
        assert_eq!(listed(&format!("&limit=9&beforeId={}", ids[0])).await, ids[1..]);
    }
}
