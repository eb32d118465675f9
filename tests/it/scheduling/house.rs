//! Housekeeping: its runs, and their messages.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::*;
use registrysync::service::access::account::{bootstrap, login};
use registrysync::service::access::session::session_check;
use registrysync::service::projects::project::project_delete;
use registrysync::service::{App, Logins, ScheduleRules};
use registrysync::store::DbConnection;
use registrysync::store::access::account::{NewAccount, account_create};
use registrysync::store::access::session::session_create;
use registrysync::store::projects::project::{project_by_id, project_list, projects_disable};
use registrysync::store::projects::synced_tag::synced_forget_store;
use registrysync::store::runs::housekeeping::{
    HistoryOf, Removed, history_list, history_remove, housekeeping_claim, housekeeping_end,
    housekeeping_progress, project_empty, schedules_remove,
};
use registrysync::store::runs::log::log_list;
use registrysync::store::runs::log::{LogLevel, NewLogLine};
use registrysync::store::runs::run::RunStatus;
use registrysync::store::schema::{run_result, session, tasko_run, tasko_schedule};
use registrysync::store::stores::image_store::image_store_list;
use registrysync::taskomatic::{HistoryRules, Housekeeper};
use tokio_util::sync::CancellationToken;

use super::{Place, moment};
use crate::api::server::quick_policy;

const LEASE: Duration = Duration::from_mins(1);
/// Checks a run until it has ended: every 50 ms, for a minute.
const LOOKS: usize = 1200;

impl Place {
    /// Lets a bunch of housekeeping fire at noon of `day`, and returns its run's id.
    async fn house(&self, bunch: &str, day: &str) -> i64 {
        self.sql(&format!(
            "INSERT INTO tasko_schedule (job_label, bunch, cron_expr, data, active_from) VALUES ('{bunch} {day}', '{bunch}', '0 0 12 * * ?', '{{}}', '{day} 00:00:00')"
        )).await;
        self.hands.set(&format!("{day} 11:59:00"));
        let mut scheduler = self.scheduler(ScheduleRules::default());
        scheduler.look().await.expect("no error");
        self.hands.set(&format!("{day} 12:00:00"));
        assert_eq!(scheduler.look().await.expect("no error"), 1);
        self.sql(&format!(
            "DELETE FROM tasko_schedule WHERE job_label = '{bunch} {day}'"
        ))
        .await;
        let runs = self.runs().await;
        let last = runs.last().expect("a run");
        assert_eq!(
            (last.project_id, last.org_id, &*last.bunch),
            (None, None, bunch)
        );
        last.id
    }

    /// Status, message and log of a run executed by the housekeeper.
    pub(super) async fn house_done(&self, bunch: &str, day: &str) -> (RunStatus, String, String) {
        let id = self.house(bunch, day).await;
        let stop = CancellationToken::new();
        let keeper = Housekeeper::new(
            (*self.db).clone(),
            "w".to_owned(),
            HistoryRules {
                runs: 3,
                ..HistoryRules::default()
            },
        );
        let keeper = tokio::spawn(keeper.run(stop.clone()));
        let mut ended = None;
        for _ in 0..LOOKS {
            ended = self
                .runs()
                .await
                .into_iter()
                .find(|run| run.id == id && run.end_time.is_some());
            if ended.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        stop.cancel();
        keeper.await.expect("no panic");
        let run = ended.expect("its end");
        let lines = self
            .db
            .run(move |conn| log_list(conn, None::<i64>, id, 0, 100))
            .await
            .expect("a log");
        let log: Vec<String> = lines
            .into_iter()
            .map(|line| format!("{} {}", line.level, line.message))
            .collect();
        (run.status, run.message, log.join("\n"))
    }
}

on_both_databases! {
    async fn a_run_is_claimed_once_and_taken_from_a_worker_that_is_gone(db) {
        let place = Place::new(db, "2026-03-01 12:00:00").await;
        let id = place.house("session-cleanup-bunch", "2026-03-01").await;
        place.db.run(move |conn| {
            let first = housekeeping_claim(conn, "a", LEASE)?.expect("the run");
            assert_eq!((first.run_id, first.attempt), (id, 1));
            assert_eq!(housekeeping_claim(conn, "b", LEASE)?, None);
            // One whose clock was read a little earlier.
            let earlier = std::time::Duration::from_secs(58);
            assert_eq!(housekeeping_claim(conn, "b", earlier)?, None);
            let line = || vec![NewLogLine::now(LogLevel::Info, "here".to_owned())];
            assert!(housekeeping_progress(conn, &first, &line(), LEASE)?);
            // Its lease has expired, or lasts for years since a clock was changed.
            for (attempt, until) in [(2, "2020-01-01 00:00:00"), (3, "2099-01-01 00:00:00")] {
                diesel::update(tasko_run::table).set(tasko_run::lease_until.eq(moment(until))).execute(conn)?;
                let next = housekeeping_claim(conn, "b", LEASE)?.expect("the run");
                assert_eq!((next.run_id, next.attempt), (id, attempt));
                assert!(!housekeeping_progress(conn, &first, &line(), LEASE)?);
            }
            housekeeping_end(conn, &first, RunStatus::Finished, "not mine any more")?;
            diesel::update(tasko_run::table).set(tasko_run::lease_until.eq(moment("2020-01-01 00:00:00"))).execute(conn)?;
            assert_eq!(housekeeping_claim(conn, "b", LEASE)?, None);
            let ended: (RunStatus, String) = tasko_run::table.find(id).select((tasko_run::status, tasko_run::message)).first(conn)?;
            assert_eq!(ended, (RunStatus::Failed, "given up: its worker was lost 3 times".to_owned()));
            assert_eq!(log_list(conn, None::<i64>, id, 0, 9)?.len(), 1);
            Ok(())
        }).await.expect("no error");
    }
}

on_both_databases! {
    async fn expired_sessions_go(db) {
        let place = Place::new(db, "2026-03-01 12:00:00").await;
        let org = place.org;
        place.db.run(move |conn| {
            let new = NewAccount {
                org_id: org, login: "somebody", password_hash: "", prefix: "", first_name: "", last_name: "",
                email: "", enabled: true, read_only: false,
            };
            let account = account_create(conn, &new, &[])?;
            session_create(conn, account, b"a", 3600, "::1")?;
            session_create(conn, account, b"b", -1, "::1")?;
            Ok(())
        }).await.expect("sessions");
        let (status, message, log) = place.house_done("session-cleanup-bunch", "2026-03-01").await;
        assert_eq!((status, &*message), (RunStatus::Finished, "1 expired sessions removed"));
        assert_eq!(log, "info 1 expired sessions removed");
        let left: i64 = place.db.run(|conn| Ok(session::table.count().get_result(conn)?)).await.expect("a number");
        assert_eq!(left, 1);
    }
}

on_both_databases! {
    async fn runs_go_that_are_neither_young_nor_among_the_last(db) {
        let place = Place::new(db, "2026-03-01 12:00:00").await;
        let projects = place.projects(3).await;
        let schedules = place.schedules(&projects, "0 0 3 * * ?").await;
        for (project, age, count) in [(0, 40, 5), (0, 5, 2), (1, 40, 2), (2, 40, 1), (2, 5, 5)] {
            for _ in 0..count {
                let time = chrono::Utc::now().naive_utc() - chrono::TimeDelta::days(age);
                let (project, org) = (projects[project], place.org);
                place.db.run(move |conn| {
                    diesel::sql_query(format!(
                        "INSERT INTO tasko_run (bunch, task, org_id, project_id, project_label, status, trigger_kind, fire_time, end_time, attempt, cancel_requested, message, selected, copied, updated, skipped, deleted, blocked, failed, bytes, blobs_copied, blobs_mounted) \
                         VALUES ('image-registry-sync-bunch', 'image-registry-sync-task', {org}, {project}, 'p', 'FINISHED', 'manual', '{time}', '{time}', 1, FALSE, '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)"
                    )).execute(conn)?;
                    Ok(())
                }).await.expect("a run");
            }
        }
        // Two schedules have ended; one of them still has its runs.
        place.sql(&format!("UPDATE tasko_schedule SET active_till = '2020-01-01 00:00:00' WHERE id IN ({}, {})", schedules[0], schedules[1])).await;
        place.sql(&format!("UPDATE tasko_run SET schedule_id = {} WHERE project_id = {}", schedules[1], projects[1])).await;
        // 5 old and 2 young of the first project: the latest 3 are kept, one of them old. One old
        // and 5 young of the third: the young ones are kept.
        let (status, message, _) = place.house_done("run-history-cleanup-bunch", "2026-03-01").await;
        assert_eq!(status, RunStatus::Finished, "{message}");
        assert!(message.starts_with("5 runs removed") && message.contains("; 1 ended schedules removed"), "{message}");
        let runs = place.runs().await;
        let of = |id: i64| runs.iter().filter(|run| run.project_id == Some(id)).count();
        assert_eq!([0, 1, 2].map(|n| of(projects[n])), [3, 2, 5]);
        place.db.run(move |conn| {
            let now = chrono::Utc::now().naive_utc();
            assert_eq!(history_list(conn, now - chrono::TimeDelta::days(30))?.len(), 2);
            // Housekeeping has a history too; a run in progress is never removed.
            let house = HistoryOf::Bunch("run-history-cleanup-bunch".to_owned());
            assert_eq!(history_remove(conn, &house, now + chrono::TimeDelta::days(1), 1, 9)?, Removed::default());
            assert_eq!(history_remove(conn, &house, now + chrono::TimeDelta::days(1), 0, 9)?.runs, 1);
            assert_eq!(schedules_remove(conn, now)?, 0);
            let left: i64 = tasko_schedule::table.count().get_result(conn)?;
            assert_eq!(left, 2);
            Ok(())
        }).await.expect("no error");
    }
}

on_both_databases! {
    async fn a_large_run_goes_in_small_steps(db) {
        let place = Place::new(db, "2026-03-01 12:00:00").await;
        let id = place.house("session-cleanup-bunch", "2026-03-01").await;
        place.db.run(move |conn| {
            let house = housekeeping_claim(conn, "a", LEASE)?.expect("the run");
            let lines: Vec<_> = (0..25).map(|n| NewLogLine::now(LogLevel::Info, n.to_string())).collect();
            assert!(housekeeping_progress(conn, &house, &lines, LEASE)?);
            housekeeping_end(conn, &house, RunStatus::Finished, "")?;
            let of = HistoryOf::Bunch("session-cleanup-bunch".to_owned());
            let later = moment("2099-01-01 00:00:00");
            let mut step = || history_remove(conn, &of, later, 0, 10);
            for (runs, rows) in [(0, 10), (0, 10), (1, 5), (0, 0)] {
                assert_eq!(step()?, Removed { runs, rows });
            }
            assert!(log_list(conn, None::<i64>, id, 0, 9)?.is_empty());
            Ok(())
        }).await.expect("no error");
    }
}

/// Results of the deleted project.
const RESULTS: i64 = 25_000;

impl Place {
    /// Gives a project a run with many results.
    async fn results_of(&self, project: i64) {
        let org = self.org;
        self.sql(&format!(
            "INSERT INTO tasko_run (bunch, task, org_id, project_id, project_label, status, trigger_kind, fire_time, end_time, attempt, cancel_requested, message, selected, copied, updated, skipped, deleted, blocked, failed, bytes, blobs_copied, blobs_mounted) \
             VALUES ('image-registry-sync-bunch', 'image-registry-sync-task', {org}, {project}, 'p', 'FINISHED', 'manual', '2026-01-01 00:00:00', '2026-01-01 00:00:00', 1, FALSE, '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)"
        )).await;
        self.sql(
            "INSERT INTO run_part (run_id, number, target_repository, status, fence, attempt, message, selected, copied, updated, skipped, deleted, blocked, failed, bytes, blobs_copied, blobs_mounted) \
             SELECT MAX(id), 1, 'r', 'FINISHED', 1, 1, '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM tasko_run",
        )
        .await;
        self.sql(&format!(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {RESULTS}) \
             INSERT INTO run_result (run_id, part_id, repository, tag, target, action, status, bytes, duration_ms) \
             SELECT run_part.run_id, run_part.id, 'r', CAST(n AS TEXT), 't', 'skip', 'done', 0, 0 FROM numbers, run_part \
             WHERE run_part.id = (SELECT MAX(id) FROM run_part)"
        )).await;
    }

    /// Writes, and returns the number of results.
    async fn written_and_counted(&self) -> i64 {
        self.sql("UPDATE org SET name = name").await;
        let count = |conn: &mut DbConnection| Ok(run_result::table.count().get_result(conn)?);
        self.db.run(count).await.expect("a number")
    }
}

on_both_databases! {
    async fn a_project_with_much_history_is_deleted_in_small_steps(db) {
        let place = Place::new(db, "2026-03-01 12:00:00").await;
        let projects = place.projects(2).await;
        let first_id = projects[0];
        place.results_of(projects[0]).await;
        let logins = Logins::new(quick_policy()).expect("logins");
        let app = Arc::new(App::new((*place.db).clone(), logins));
        let org = place.org;
        bootstrap(&app, Some("correct horse".into())).await.expect("an account");
        place.sql(&format!("UPDATE account SET org_id = {org}")).await;
        let here = IpAddr::from(Ipv4Addr::LOCALHOST);
        let key = login(&app, here, "admin".into(), "correct horse".into(), None).await.expect("a session");
        let caller = session_check(&app, &key).await.expect("the caller");
        let label = place.db.run(move |conn| project_list(conn, org, 0, 9)).await.expect("projects");
        let label = label.into_iter().find(|project| project.id == projects[0]).expect("it").label;
        let delete = || {
            let (app, caller, label) = (Arc::clone(&app), caller.clone(), label.clone());
            tokio::spawn(async move { project_delete(&app, &caller, label).await })
        };
        // Its end comes in the middle.
        let first = delete();
        while place.written_and_counted().await > RESULTS * 3 / 4 {
            assert!(!first.is_finished(), "all of it went at once");
        }
        first.abort();
        assert!(first.await.is_err(), "it wasn't interrupted");
        let left = place.db.run(move |conn| project_by_id(conn, org, first_id)).await.expect("a row").expect("it is there");
        assert!(!left.enabled);
        // Others write meanwhile, and see the deletion progress.
        let second = delete();
        let mut seen = std::collections::BTreeSet::new();
        while !second.is_finished() {
            seen.insert(place.written_and_counted().await);
        }
        second.await.expect("no panic").expect("no error");
        assert!(seen.len() >= 5, "{seen:?}");
        assert_eq!(place.written_and_counted().await, 0);
        let left = place.db.run(move |conn| project_list(conn, org, 0, 9)).await.expect("projects");
        assert_eq!(left.iter().map(|project| project.id).collect::<Vec<_>>(), projects[1..]);
    }
}

on_both_databases! {
    async fn organisations_and_stores_go_with_all_that_they_have(db) {
        let place = Place::new(db, "2026-03-01 12:00:00").await;
        let projects = place.projects(2).await;
        place.results_of(projects[0]).await;
        let org = place.org;
        place.db.run(move |conn| {
            let stores = image_store_list(conn, org, "", 9)?;
            let (first, last) = (stores[0].id, stores[stores.len() - 1].id);
            for number in 0..25 {
                diesel::sql_query(format!(
                    "INSERT INTO synced_tag (src_store_id, dest_store_id, repository, tag, target_repository, target_tag, source_digest, target_digest, platforms, verified_at) \
                     VALUES ({first}, {last}, 'r', '{number}', 'r', '{number}', 's', 't', '', '2026-01-01 00:00:00')"
                )).execute(conn)?;
            }
            assert_eq!(synced_forget_store(conn, last, 10)?, 10);
            assert_eq!(projects_disable(conn, org, None)?.len(), 2);
            let mut steps = 0;
            while project_empty(conn, projects[0], 1000)? > 0 {
                steps += 1;
            }
            assert!(steps >= 25, "{steps} steps");
            let runs: i64 = tasko_run::table.count().get_result(conn)?;
            assert_eq!(runs, 0);
            Ok(())
        }).await.expect("no error");
    }
}
