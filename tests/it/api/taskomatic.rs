//! `taskomatic.org` and `taskomatic`: schedules under Uyuni's method names, on both databases and both
//! wires.

use chrono::{DateTime, Utc};
use dxr::Value as Xml;
use registrysync::api::namespaces;
use registrysync::service::{Role, ScheduleRules};
use registrysync::store::runs::run::RunStatus;
use registrysync::surface::RequestLimits;
use registrysync::taskomatic::Scheduler;
use serde_json::{Value, json};

use super::server::{Server, members, quick_policy, text};
use crate::support::answer::{ANY, assert_answer};
use crate::support::database::TestDatabase;

const SYNC: &str = "image-registry-sync-bunch";

struct Tasko {
    server: Server,
    org: String,
    sat: String,
    project: i64,
}

impl Tasko {
    async fn new(database: TestDatabase) -> Tasko {
        let registry = namespaces::registry();
        let server = Server::on(database, registry, RequestLimits::default(), quick_policy()).await;
        let org = server.key(&[Role::OrgAdmin], false).await;
        let sat = server.key(&[Role::SatelliteAdmin], false).await;
        let mut tasko = Tasko {
            server,
            org,
            sat,
            project: 0,
        };
        for label in ["src", "dest"] {
            let body = json!({"label": label, "uri": format!("{label}.invalid"), "storeType": "registry", "credentials": {}});
            tasko
                .post("image/store/create", body)
                .await
                .expect("a store");
        }
        let ends = json!({"label": "web", "srcStore": "src", "destStore": "dest"});
        let project = tasko
            .post("registrysync/create", ends)
            .await
            .expect("a project");
        tasko.project = project["id"].as_i64().expect("an id");
        tasko
    }

    async fn call(
        &self,
        verb: &str,
        path: &str,
        key: &str,
        body: Option<Value>,
    ) -> Result<Value, (i64, String)> {
        let body = body.map(|body| body.to_string());
        let (_, answer) = self
            .server
            .json(verb, path, Some(key), body.as_deref())
            .await;
        if answer["success"] == json!(true) {
            return Ok(answer["result"].clone());
        }
        let message = answer["message"].as_str().unwrap_or_default().to_owned();
        Err((answer["code"].as_i64().unwrap_or_default(), message))
    }

    fn key(&self, path: &str) -> &str {
        let of_server = path.starts_with("taskomatic/") && !path.starts_with("taskomatic/org/");
        if of_server { &self.sat } else { &self.org }
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value, (i64, String)> {
        self.call("POST", path, self.key(path), Some(body)).await
    }

    async fn get(&self, path: &str) -> Value {
        self.call("GET", path, self.key(path), None)
            .await
            .expect(path)
    }

    async fn xml(&self, method: &str, args: Vec<Xml>) -> Result<Xml, (i32, String)> {
        let key = self.key(&method.replace('.', "/")).to_owned();
        let params = std::iter::once(text(&key)).chain(args).collect();
        self.server.xml(method, params).await
    }

    fn job(&self, label: &str, line: &str) -> Value {
        json!({"bunch": SYNC, "jobLabel": label, "cronExpr": line, "params": {"project_id": self.project.to_string()}})
    }

    async fn look(&self) -> usize {
        let db = self.server.app.db.clone();
        let mut scheduler = Scheduler::new(db, ScheduleRules::default(), std::sync::Arc::default());
        scheduler.look().await.expect("no error")
    }
}

fn names(list: &Value, member: &str) -> Vec<String> {
    let list = list.as_array().expect("a list").iter();
    list.map(|one| one[member].as_str().expect(member).to_owned())
        .collect()
}

on_both_databases! {
    async fn bunches_are_listed_where_they_belong(database) {
        let tasko = Tasko::new(database).await;
        let bunch = json!({
            "name": SYNC, "description": "Copies the images of one project",
            "templates": [{"name": "image-registry-sync-task"}],
        });
        assert_eq!(tasko.get("taskomatic/org/listBunches").await, json!([bunch]));
        assert_eq!(tasko.get(&format!("taskomatic/org/lookupBunchByName?name={SYNC}")).await, bunch);
        let house = tasko.get("taskomatic/listSatBunches").await;
        assert_eq!(names(&house, "name"), ["run-history-cleanup-bunch", "session-cleanup-bunch", "target-verify-bunch"]);
        assert_eq!(tasko.get("taskomatic/listSatBunches?limit=1&offset=1").await, json!([house[1]]));
        let refused = tasko.call("GET", "taskomatic/org/lookupBunchByName?name=session-cleanup-bunch", &tasko.org, None).await;
        let (code, message) = refused.expect_err("a fault");
        assert_eq!((code, &*message), (10101, "there is no bunch `session-cleanup-bunch`; available: `image-registry-sync-bunch`"));
        let defaults = tasko.get("taskomatic/listActiveSatSchedules").await;
        assert_eq!(names(&defaults, "job_label"), ["session-cleanup-default", "run-history-cleanup-default", "target-verify-default"]);
        assert_eq!(tasko.get("taskomatic/org/listAllSchedules").await, json!([]));
    }
}

on_both_databases! {
    async fn a_schedule_is_the_same_by_either_name(database) {
        let tasko = Tasko::new(database).await;
        let own = format!("image-registry-sync-{}", tasko.project);
        let first = tasko.post("taskomatic/org/scheduleBunch", tasko.job(&own, "0 0 3 * * ?")).await.expect("a date");
        let first: DateTime<Utc> = serde_json::from_value(first).expect("a date");
        assert!(first > Utc::now());
        let shown = tasko.get("registrysync/getSchedule?label=web").await;
        assert_eq!(shown["cron_expr"], "0 0 3 * * ?");
        assert_eq!(shown["next_fire_times"][0], json!(first));

        tasko.post("registrysync/setSchedule", json!({"label": "web", "cronExpr": "0 30 3 * * ?"})).await.expect("set");
        let listed = tasko.get("taskomatic/org/listActiveSchedules").await;
        let [schedule] = &listed.as_array().expect("a list")[..] else { panic!("{listed}") };
        assert_answer(schedule, &json!({
            "id": ANY, "job_label": own, "bunch": SYNC, "cron_expr": "0 30 3 * * ?",
            "data_map": {"project_id": tasko.project.to_string()}, "active_from": ANY,
        }));
        let id = &schedule["id"];
        assert_eq!(&tasko.get(&format!("taskomatic/org/lookupScheduleById?id={id}")).await, schedule);
        for path in [format!("listScheduleByLabel?jobLabel={own}"), format!("listActiveSchedulesByBunch?bunch={SYNC}"), "listAllSchedules".to_owned()] {
            assert_eq!(tasko.get(&format!("taskomatic/org/{path}")).await, listed, "{path}");
        }

        let end = json!({"jobLabel": own});
        assert_eq!(tasko.post("taskomatic/org/unscheduleBunch", end.clone()).await, Ok(json!(1)));
        assert_eq!(tasko.post("taskomatic/org/unscheduleBunch", end).await, Ok(json!(0)));
        assert_eq!(tasko.get("registrysync/getSchedule?label=web").await["cron_expr"], "");
        assert_eq!(tasko.get("taskomatic/org/listActiveSchedules").await, json!([]));
        let over = tasko.get("taskomatic/org/listAllSchedules").await;
        assert!(over[0]["active_till"].is_string());
        // The label is available again, and its history continues.
        tasko.post("taskomatic/org/scheduleBunch", tasko.job(&own, "0 0 3 * * ?")).await.expect("a date");
        assert_eq!(&tasko.get("taskomatic/org/listActiveSchedules").await[0]["id"], id);
    }
}

on_both_databases! {
    async fn a_single_run_fires_at_once_or_when_it_is_told(database) {
        let tasko = Tasko::new(database).await;
        let params = || members(&[("project_id", Xml::Integer(i32::try_from(tasko.project).expect("a small id")))]);
        let date = tasko.xml("taskomatic.org.scheduleSingleBunchRun", vec![text(SYNC), params()]).await;
        assert!(matches!(date, Ok(Xml::DateTime(_))), "{date:?}");
        let later = Xml::DateTime("20990101T00:00:00".parse().expect("a date"));
        let args = vec![text(SYNC), text("later"), params(), later];
        assert!(matches!(tasko.xml("taskomatic.org.scheduleSingleBunchRun", args).await, Ok(Xml::DateTime(_))));
        assert_eq!(tasko.look().await, 1);
        assert_eq!(tasko.look().await, 0);
        let all = tasko.get("taskomatic/org/listAllSchedules").await;
        assert!(names(&all, "job_label")[0].starts_with("single-image-registry-sync-bunch-"));
        assert!(all[0].get("cron_expr").is_none());
        assert_eq!(names(&tasko.get("taskomatic/org/listActiveSchedules").await, "job_label"), ["later"]);

        let runs = tasko.get(&format!("taskomatic/org/listScheduleRuns?scheduleId={}", all[0]["id"])).await;
        let [run] = &runs.as_array().expect("a list")[..] else { panic!("{runs}") };
        assert_eq!((&run["status"], &run["task"], &run["schedule_id"]), (&json!("READY"), &json!("image-registry-sync-task"), &all[0]["id"]));
        assert_eq!((&run["stdOutputPath"], &run["stdErrorPath"]), (&json!(false), &json!(false)));
        let run = run["id"].as_i64().expect("an id");
        tasko.server.app.db.run(move |conn| log_write(conn, run)).await.expect("no error");
        let log = async |method: &str, bytes: i64| tasko.get(&format!("taskomatic/org/{method}?runId={run}&nBytes={bytes}")).await;
        let whole = log("getRunStdOutputLog", -1).await;
        assert_eq!(whole, "2026-03-01T12:00:00Z info begun\n2026-03-01T12:00:00Z debug größer\n");
        assert_eq!(log("getRunStdOutputLog", 8).await, "rößer\n");
        assert_eq!(log("getRunStdOutputLog", 7).await, "ößer\n");
        // Never a partial character.
        assert_eq!(log("getRunStdOutputLog", 6).await, "ßer\n");
        assert_eq!(log("getRunStdOutputLog", 0).await, "");
        assert_eq!(log("getRunStdOutputLog", 100_000).await, whole);
        assert_eq!(log("getRunStdErrorLog", -5).await, "2026-03-01T12:00:00Z error broken\n");

        let (code, message) = tasko.call("GET", &format!("taskomatic/getSatRunStdErrorLog?runId={run}&nBytes=1"), &tasko.sat, None).await.expect_err("a fault");
        assert_eq!((code, message), (10101, format!("there is no run with the id {run}")));
    }
}

fn log_write(
    conn: &mut registrysync::store::DbConnection,
    run: i64,
) -> Result<(), registrysync::store::Error> {
    use diesel::prelude::*;
    for (seq, level, message) in [
        (1, "info", "begun"),
        (2, "error", "broken"),
        (3, "debug", "größer"),
    ] {
        diesel::sql_query(format!(
            "INSERT INTO run_log (run_id, seq, time, level, message) VALUES ({run}, {seq}, '2026-03-01 12:00:00', '{level}', '{message}')"
        ))
        .execute(conn)?;
    }
    Ok(())
}

on_both_databases! {
    async fn refused_calls_change_nothing(database) {
        let tasko = Tasko::new(database).await;
        tasko.post("taskomatic/org/scheduleBunch", tasko.job("taken", "0 0 3 * * ?")).await.expect("a date");
        let before = tasko.get("taskomatic/org/listAllSchedules").await;
        let own = format!("image-registry-sync-{}", tasko.project + 1);
        let with = |change: Value| {
            let mut job = tasko.job("new", "0 0 3 * * ?");
            job.as_object_mut().expect("a struct").extend(change.as_object().expect("a struct").clone());
            job
        };
        for (change, code, part) in [
            (json!({"cronExpr": "0 3 * * *"}), 2800, "Cron trigger: 0 3 * * *: it has 5 fields"),
            (json!({"cronExpr": "0 3 * * *"}), 2800, "did you mean `0 0 3 * * ?`"),
            (json!({"cronExpr": "0 0 3 30 2 ?"}), 2800, "Cron trigger: 0 0 3 30 2 ?: it never fires"),
            (json!({"cronExpr": ""}), 2800, "Cron trigger: "),
            (json!({"jobLabel": "taken"}), 10100, "jobLabel already in use: `taken`"),
            (json!({"jobLabel": ""}), 2800, "`jobLabel`: it is empty"),
            (json!({"jobLabel": "x".repeat(51)}), 2800, "`jobLabel`: it is longer than 50 characters"),
            (json!({"jobLabel": "a\nb"}), 2800, "`jobLabel`: it has control or invisible characters"),
            (json!({"jobLabel": own}), 2800, "is reserved for the project with the id"),
            (json!({"bunch": "no-bunch"}), 10101, "there is no bunch `no-bunch`"),
            (json!({"bunch": "session-cleanup-bunch"}), 10101, "there is no bunch `session-cleanup-bunch`"),
            (json!({"params": {}}), 2800, "`params.project_id`: missing; "),
            (json!({"params": {"project_id": "web"}}), 2800, "`params.project_id`: `web`: expected the id of a project"),
            (json!({"params": {"project_id": "4711"}}), 10101, "there is no project with the id 4711"),
            (json!({"params": {"project_id": "1", "speed": "9"}}), 2801, "Invalid argument(s): speed"),
            (json!({"start": "2030-01-01T00:00:00Z", "end": "2029-01-01T00:00:00Z"}), 2800, "it never fires between start and end"),
        ] {
            let (got, message) = tasko.post("taskomatic/org/scheduleBunch", with(change.clone())).await.expect_err("a fault");
            assert_eq!(got, code, "{change}: {message}");
            assert!(message.contains(part), "{change}: {message}");
            assert_eq!(tasko.get("taskomatic/org/listAllSchedules").await, before, "{change}");
        }
        let long = "ä".repeat(50);
        tasko.post("taskomatic/org/scheduleBunch", with(json!({"jobLabel": long}))).await.expect("50 characters");

        tasko.post("registrysync/delete", json!({"label": "web"})).await.expect("deleted");
        let (code, message) = tasko.post("taskomatic/org/scheduleBunch", with(json!({}))).await.expect_err("a fault");
        assert_eq!((code, message), (10101, format!("there is no project with the id {}", tasko.project)));
        assert_eq!(tasko.get("taskomatic/org/listAllSchedules").await, json!([]));
    }
}

on_both_databases! {
    async fn house_keeping_is_scheduled_and_ended_by_who_may(database) {
        let tasko = Tasko::new(database).await;
        let job = json!({"bunch": "session-cleanup-bunch", "jobLabel": "often", "cronExpr": "0 * * * * ?", "params": {}});
        tasko.post("taskomatic/scheduleSatBunch", job.clone()).await.expect("a date");
        let (code, message) = tasko.post("taskomatic/scheduleSatBunch", job.clone()).await.expect_err("a fault");
        assert_eq!((code, &*message), (10100, "jobLabel already in use: `often`"));
        let by_bunch = tasko.get("taskomatic/listActiveSatSchedulesByBunch?bunch=session-cleanup-bunch").await;
        assert_eq!(names(&by_bunch, "job_label"), ["session-cleanup-default", "often"]);
        let once = json!({"bunch": "session-cleanup-bunch", "params": {}});
        tasko.post("taskomatic/scheduleSingleSatBunchRun", once).await.expect("a date");
        assert_eq!(tasko.look().await, 1);
        let runs = tasko.get("taskomatic/listBunchSatRuns?bunch=session-cleanup-bunch").await;
        assert_eq!((&runs[0]["status"], &runs[0]["task"]), (&json!(RunStatus::Ready.as_str()), &json!("session-cleanup-task")));
        let log = format!("taskomatic/getSatRunStdOutputLog?runId={}&nBytes=-1", runs[0]["id"]);
        assert_eq!(tasko.get(&log).await, "");
        assert_eq!(tasko.post("taskomatic/reinitializeAllSchedulesFromNow", json!({})).await, Ok(json!(1)));
        let ends = json!({"jobLabels": ["often", "session-cleanup-default", "nothing"]});
        assert_eq!(tasko.post("taskomatic/unscheduleSatBunches", ends).await, Ok(json!(1)));
        let left = tasko.get("taskomatic/listActiveSatSchedules").await;
        assert_eq!(names(&left, "job_label"), ["run-history-cleanup-default", "target-verify-default"]);

        let (code, _) = tasko.call("POST", "taskomatic/scheduleSatBunch", &tasko.org, Some(job)).await.expect_err("a fault");
        assert_eq!(code, -23);
        // Another organisation sees none of the first one's.
        tasko.post("taskomatic/org/scheduleBunch", tasko.job("mine", "0 0 3 * * ?")).await.expect("a date");
        let id = &tasko.get("taskomatic/org/listAllSchedules").await[0]["id"];
        let other = tasko.server.key_in("Other", &[Role::OrgAdmin], false).await;
        assert_eq!(tasko.call("GET", "taskomatic/org/listAllSchedules", &other, None).await, Ok(json!([])));
        for path in [format!("taskomatic/org/lookupScheduleById?id={id}"), format!("taskomatic/org/listScheduleRuns?scheduleId={id}")] {
            let (code, message) = tasko.call("GET", &path, &other, None).await.expect_err("a fault");
            assert_eq!((code, message), (10101, format!("there is no schedule with the id {id}")));
        }
        let gone = tasko.call("POST", "taskomatic/org/unscheduleBunch", &other, Some(json!({"jobLabel": "mine"}))).await;
        assert_eq!(gone, Ok(json!(0)));
    }
}

on_both_databases! {
    async fn a_leap_second_is_the_second_after_it(database) {
        let tasko = Tasko::new(database).await;
        let once = json!({"bunch": SYNC, "params": {"project_id": tasko.project.to_string()}, "start": "2126-12-31T23:59:60Z"});
        let made = tasko.post("taskomatic/org/scheduleSingleBunchRun", once).await;
        assert_eq!(made, Ok(json!("2127-01-01T00:00:00Z")));
        let listed = tasko.xml("taskomatic.org.listAllSchedules", vec![]).await;
        assert!(listed.is_ok(), "{listed:?}");
    }
}
