//! House-keeping: what its runs do, and what they say.

use std::time::Duration;

use diesel::prelude::*;
use registrysync::service::ScheduleRules;
use registrysync::store::account::{NewAccount, account_create};
use registrysync::store::house_run::{
    HistoryOf, Removed, history_list, history_remove, house_claim, house_end, house_progress,
    schedules_remove,
};
use registrysync::store::run::RunStatus;
use registrysync::store::run_log::log_list;
use registrysync::store::run_log::{LogLevel, NewLogLine};
use registrysync::store::schema::{session, tasko_run, tasko_schedule};
use registrysync::store::session::session_create;
use registrysync::taskomatic::{HistoryRules, Housekeeper};
use tokio_util::sync::CancellationToken;

use super::{Place, moment};

const LEASE: Duration = Duration::from_mins(1);
/// Looks at a run until it has ended: every 50 ms, for a minute.
const LOOKS: usize = 1200;

impl Place {
    /// Lets a bunch of house-keeping fire at noon of `day`, and returns its run's id.
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

    /// Status, message and log of a run that the housekeeper does.
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
            let first = house_claim(conn, "a", LEASE)?.expect("the run");
            assert_eq!((first.run_id, first.attempt), (id, 1));
            assert_eq!(house_claim(conn, "b", LEASE)?, None);
            let line = || vec![NewLogLine::now(LogLevel::Info, "here".to_owned())];
            assert!(house_progress(conn, &first, &line(), LEASE)?);
            // Its lease ran out, or lasts for years since a clock was set.
            for (attempt, until) in [(2, "2020-01-01 00:00:00"), (3, "2099-01-01 00:00:00")] {
                diesel::update(tasko_run::table).set(tasko_run::lease_until.eq(moment(until))).execute(conn)?;
                let next = house_claim(conn, "b", LEASE)?.expect("the run");
                assert_eq!((next.run_id, next.attempt), (id, attempt));
                assert!(!house_progress(conn, &first, &line(), LEASE)?);
            }
            house_end(conn, &first, RunStatus::Finished, "not mine any more")?;
            diesel::update(tasko_run::table).set(tasko_run::lease_until.eq(moment("2020-01-01 00:00:00"))).execute(conn)?;
            assert_eq!(house_claim(conn, "b", LEASE)?, None);
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
        // Two schedules are over; one of them still has its runs.
        place.sql(&format!("UPDATE tasko_schedule SET active_till = '2020-01-01 00:00:00' WHERE id IN ({}, {})", schedules[0], schedules[1])).await;
        place.sql(&format!("UPDATE tasko_run SET schedule_id = {} WHERE project_id = {}", schedules[1], projects[1])).await;
        // 5 old and 2 young of the first project: the last 3 stay, of which one is old. One old and 5 young of the
        // third: the young ones stay.
        let (status, message, _) = place.house_done("run-history-cleanup-bunch", "2026-03-01").await;
        assert_eq!(status, RunStatus::Finished, "{message}");
        assert!(message.starts_with("5 runs removed") && message.contains("; 1 schedules removed"), "{message}");
        let runs = place.runs().await;
        let of = |id: i64| runs.iter().filter(|run| run.project_id == Some(id)).count();
        assert_eq!([0, 1, 2].map(|n| of(projects[n])), [3, 2, 5]);
        place.db.run(move |conn| {
            let now = chrono::Utc::now().naive_utc();
            assert_eq!(history_list(conn, now - chrono::TimeDelta::days(30))?.len(), 2);
            // House-keeping has a history too; what goes on never goes.
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
            let house = house_claim(conn, "a", LEASE)?.expect("the run");
            let lines: Vec<_> = (0..25).map(|n| NewLogLine::now(LogLevel::Info, n.to_string())).collect();
            assert!(house_progress(conn, &house, &lines, LEASE)?);
            house_end(conn, &house, RunStatus::Finished, "")?;
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
