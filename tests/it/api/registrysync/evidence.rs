//! The evidence of a run, on both wires.

use diesel::RunQueryDsl as _;
use dxr::Value as Xml;
use registrysync::service::Role;
use registrysync::service::runs::limits::RunLimits;
use registrysync::store::runs::part::Lease;
use registrysync::store::runs::result::{NewRunResult, ResultAction, ResultStatus, result_put};
use registrysync::store::runs::run::{RunStatus, RunTotals};
use registrysync::store::{DbConnection, Error};
use registrysync::taskomatic::workers::claim::claim;
use serde_json::{Value, json};

use super::{Admin, run_enqueue_one};
use crate::support::answer::{ANY, assert_answer};
use crate::support::queue::{self, LEASE};

const HEADER: &str = "run_id,project,source,target,repository,tag,action,status,source_digest,\
    target_digest,previous_digest,bytes,blobs_copied,blobs_mounted,duration_ms,platforms,reason,error\r\n";

/// A project with an item, whose stores have a login.
async fn project(admin: &Admin) {
    let details = json!({"label": "src", "details": {"username": "robot", "password": "s3cret"}});
    let kept = admin.send("image/store/setDetails", &admin.key, &details);
    assert_eq!(kept.await, Ok(json!(1)));
    admin
        .project("mirror", json!({"architectures": ["amd64"]}))
        .await;
    let item = json!({"label": "mirror", "repository": "nginx", "tags": ["1.0"], "tagsRegex": "^2",
        "options": {"target_repository": "web/nginx"}});
    admin.post("addImage", item).await.expect("an item");
}

/// Starts the waiting run as a worker does.
fn begin(conn: &mut DbConnection) -> Lease {
    let claimed = conn.write(|conn| claim(conn, "host-1", LEASE, RunLimits::default()));
    claimed.expect("no error").expect("a part").part.lease()
}

/// An overwritten tag, and one that failed.
fn results() -> [NewRunResult; 2] {
    let updated = NewRunResult {
        repository: "nginx".to_owned(),
        tag: "1.0".to_owned(),
        target: "target.example/web/nginx:1.0".to_owned(),
        action: ResultAction::Update,
        status: ResultStatus::Done,
        source_digest: Some("sha256:01".to_owned()),
        target_digest: Some("sha256:02".to_owned()),
        previous_digest: Some("sha256:03".to_owned()),
        bytes: 5_000_000_000,
        duration_ms: 7,
        error: None,
        source: "source.example:5000/nginx:1.0".to_owned(),
        platforms: "linux/amd64".to_owned(),
        reason: "literal; the digests differ".to_owned(),
        blobs_copied: 2,
        blobs_mounted: 1,
    };
    let failed = NewRunResult {
        tag: "2.0".to_owned(),
        target: "target.example/web/nginx:2.0".to_owned(),
        status: ResultStatus::Failed,
        target_digest: None,
        previous_digest: None,
        bytes: 0,
        error: Some("=the \"blob\", is gone".to_owned()),
        source: "source.example:5000/nginx:2.0".to_owned(),
        reason: "regex".to_owned(),
        blobs_copied: 0,
        blobs_mounted: 0,
        ..updated.clone()
    };
    [updated, failed]
}

fn end(conn: &mut DbConnection, lease: Lease) -> Result<(), Error> {
    let totals = RunTotals {
        selected: 2,
        updated: 1,
        failed: 1,
        bytes: 5_000_000_000,
        blobs_copied: 2,
        blobs_mounted: 1,
        ..RunTotals::default()
    };
    queue::end(conn, lease, RunStatus::Failed, "1 tag failed", &totals)
}

/// What the project above asks.
fn asked() -> Value {
    json!({
        "project": {"label": "mirror", "version": 1},
        "source": {"label": "src", "address": "source.example:5000"},
        "target": {"label": "dest", "address": "target.example"},
        "options": {"placement": "path", "architectures": ["amd64"], "description": "", "max_parallel": 16},
        "items": [{
            "repository": "nginx", "source": "source.example:5000/nginx",
            "options": {"tags": ["1.0"], "tags_regex": "^2", "target_repository": "web/nginx"},
        }],
    })
}

async fn document(admin: &Admin, id: i64) -> Value {
    let document = admin.get(&format!("getRunEvidence?runId={id}")).await;
    document.expect("the evidence")
}

on_both_databases! {
    async fn evidence_has_all_of_a_run_on_both_wires(database) {
        let admin = Admin::new(database).await;
        project(&admin).await;
        let db = admin.server.app.db.clone();
        let id = db.run(run_enqueue_one).await.expect("a run");
        let waiting = document(&admin, id).await;
        assert_eq!((&waiting["complete"], &waiting["asked"], &waiting["results"]),
            (&json!(false), &Value::Null, &json!([])));

        let lease = db.run(|conn| Ok(begin(conn))).await.expect("a lease");
        // What is changed now isn't what was asked.
        admin.post("setDetails", json!({"label": "mirror", "details": {"architectures": []}})).await.expect("changed");
        admin.post("addImage", json!({"label": "mirror", "repository": "other", "tags": []})).await.expect("an item");
        let [updated, failed] = results();
        db.run(move |conn| result_put(conn, lease, &[updated])).await.expect("a result");
        let running = document(&admin, id).await;
        assert_eq!((&running["complete"], &running["results"][0]["tag"]), (&json!(false), &json!("1.0")));
        db.run(move |conn| { result_put(conn, lease, &[failed])?; end(conn, lease) }).await.expect("an end");

        let run = admin.get(&format!("getRun?runId={id}")).await.expect("the run");
        let results = admin.get(&format!("listRunResults?runId={id}")).await.expect("results");
        let ended = document(&admin, id).await;
        assert_answer(&ended, &json!({
            "format": 1, "version": env!("CARGO_PKG_VERSION"), "complete": true, "run": run, "asked": asked(),
            "totals": {
                "selected": 2, "copied": 0, "updated": 1, "skipped": 0, "deleted": 0, "blocked": 0, "failed": 1,
                "warnings": 0, "bytes": "5000000000", "blobs_copied": 2, "blobs_mounted": 1,
            },
            "results": results,
        }));
        assert_answer(&results[0], &json!({
            "repository": "nginx", "tag": "1.0", "source": "source.example:5000/nginx:1.0",
            "target": "target.example/web/nginx:1.0", "platforms": ["linux/amd64"], "action": "update",
            "status": "done", "reason": "literal; the digests differ", "source_digest": "sha256:01",
            "target_digest": "sha256:02", "previous_digest": "sha256:03", "bytes": "5000000000",
            "blobs_copied": 2, "blobs_mounted": 1, "duration_ms": ANY,
        }));
        let text = ended.to_string();
        assert!(!text.contains("s3cret") && !text.contains("robot"), "{text}");

        let number = vec![Xml::Integer(i32::try_from(id).expect("small"))];
        let Ok(Xml::Struct(on_xml)) = admin.xml("getRunEvidence", number).await else { panic!("no struct") };
        let names: Vec<&str> = on_xml.keys().map(String::as_str).collect();
        assert_eq!(names, ["asked", "complete", "format", "results", "run", "totals", "version"]);
        let Xml::Array(rows) = &on_xml["results"] else { panic!("no results") };
        let Xml::Struct(row) = &rows[1] else { panic!("no result") };
        assert_eq!(row["tag"], Xml::String("2.0".into()));
    }
}

on_both_databases! {
    async fn evidence_as_csv_is_the_same_text_on_both_wires(database) {
        let admin = Admin::new(database).await;
        project(&admin).await;
        let db = admin.server.app.db.clone();
        let id = db.run(run_enqueue_one).await.expect("a run");
        let path = format!("getRunEvidenceCsv?runId={id}");
        assert_eq!(admin.get(&path).await, Ok(json!(HEADER)));
        let done = |conn: &mut DbConnection| {
            let lease = begin(conn);
            result_put(conn, lease, &results())?;
            end(conn, lease)
        };
        db.run(done).await.expect("an end");
        let expected = format!("{HEADER}\
            {id},mirror,source.example:5000/nginx:1.0,target.example/web/nginx:1.0,nginx,1.0,update,done,\
            sha256:01,sha256:02,sha256:03,5000000000,2,1,7,linux/amd64,literal; the digests differ,\r\n\
            {id},mirror,source.example:5000/nginx:2.0,target.example/web/nginx:2.0,nginx,2.0,update,failed,\
            sha256:01,,,0,0,0,7,linux/amd64,regex,\"'=the \"\"blob\"\", is gone\"\r\n");
        assert_eq!(admin.get(&path).await, Ok(json!(expected)));
        let number = vec![Xml::Integer(i32::try_from(id).expect("small"))];
        assert_eq!(admin.xml("getRunEvidenceCsv", number).await, Ok(Xml::String(expected)));
    }
}

on_both_databases! {
    async fn evidence_is_hidden_from_others(database) {
        let admin = Admin::new(database).await;
        admin.project("mirror", json!({})).await;
        let id = admin.server.app.db.run(run_enqueue_one).await.expect("a run");
        let other = admin.server.key_in("Other", &[Role::ImageAdmin], false).await;
        for method in ["getRunEvidence", "getRunEvidenceCsv"] {
            let hidden = admin.get_as(&other, &format!("{method}?runId={id}")).await;
            assert_eq!(hidden, Err((10101, format!("there is no run with the id {id}"))), "{method}");
            let none = admin.get(&format!("{method}?runId=4711")).await;
            assert_eq!(none, Err((10101, "there is no run with the id 4711".to_owned())), "{method}");
            let none = admin.xml(method, vec![Xml::Integer(-1)]).await;
            assert_eq!(none, Err((10101, "there is no run with the id -1".to_owned())), "{method}");
        }
    }
}

on_both_databases! {
    async fn evidence_of_an_older_version_has_what_is_known(database) {
        let admin = Admin::new(database).await;
        project(&admin).await;
        let db = admin.server.app.db.clone();
        db.run(run_enqueue_one).await.expect("a run");
        let done = |conn: &mut DbConnection| {
            let (run, part) = queue::claim(conn, "host-1")?.expect("the run");
            let statement = format!(
                "INSERT INTO run_result (run_id, part_id, repository, tag, target, action, status, bytes, duration_ms)
                 VALUES ({}, {}, 'nginx', '1.0', 'target.example/nginx:1.0', 'copy', 'done', 5, 7)",
                run.id, part.id
            );
            diesel::sql_query(statement).execute(conn)?;
            let totals = RunTotals { selected: 1, copied: 1, ..RunTotals::default() };
            queue::end(conn, part.lease(), RunStatus::Finished, "", &totals)?;
            Ok(run.id)
        };
        let id = db.run(done).await.expect("an end");
        let ended = document(&admin, id).await;
        assert_eq!((&ended["complete"], &ended["asked"]), (&json!(true), &Value::Null));
        assert_eq!(ended["results"], json!([{
            "repository": "nginx", "tag": "1.0", "target": "target.example/nginx:1.0", "platforms": [],
            "action": "copy", "status": "done", "bytes": "5", "blobs_copied": 0, "blobs_mounted": 0,
            "duration_ms": 7,
        }]));
    }
}

on_both_databases! {
    async fn evidence_with_a_gap_is_not_complete(database) {
        let admin = Admin::new(database).await;
        project(&admin).await;
        let db = admin.server.app.db.clone();
        for (status, selected) in [(RunStatus::Finished, 2), (RunStatus::Interrupted, 0), (RunStatus::Failed, 0)] {
            let id = db.run(run_enqueue_one).await.expect("a run");
            // Nothing has a result: a lost one, a cancelled run, a worker that gave up.
            let done = move |conn: &mut DbConnection| {
                let lease = begin(conn);
                let totals = RunTotals { selected, ..RunTotals::default() };
                queue::end(conn, lease, status, "", &totals)
            };
            db.run(done).await.expect("an end");
            assert_eq!(document(&admin, id).await["complete"], json!(false), "{status}");
        }
    }
}
