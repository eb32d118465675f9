use registrysync::service::ScheduleRules;
use registrysync::store::DbConnection;
use registrysync::store::schedules::schedule::{ScheduleFilter, schedule_list};

use super::Place;
use crate::support::logged::Logged;

/// What someone may write to the third schedule, and part of the reason that is shown.
const ON_BOTH: [(&str, &str); 4] = [
    (
        "cron_expr = 'every day'",
        "Cron trigger: every day: it has 2 fields",
    ),
    ("cron_expr = '0 3 * * *'", "seconds come first"),
    ("project_id = NULL", "it names no project"),
    ("cron_expr = '', next_fire = NULL", "it should run once"),
];
/// The same for columns that accept any type.
const ON_SQLITE: [(&str, &str); 3] = [
    (
        "active_from = 'soon'",
        "can't be read: Error deserializing field 'active_from'",
    ),
    ("active_till = x'ff00'", "'active_till'"),
    ("next_fire = '0000-xx', due_time = '0000-xx'", "'next_fire'"),
];

on_both_databases! {
    async fn a_row_that_can_t_be_used_is_disabled_with_the_reason_and_all_others_fire(db) {
        let logged = Logged::of_process();
        let sqlite = db.run(|conn| Ok(matches!(conn, DbConnection::Sqlite(_)))).await.expect("no error");
        let place = Place::new(db, "2026-03-01 02:59:00").await;
        let projects = place.projects(5).await;
        let ids = place.schedules(&projects, "0 0 3 * * ?").await;
        let bad = ids[2];
        let more = if sqlite { &ON_SQLITE[..] } else { &[] };
        for (number, (rubbish, part)) in ON_BOTH.iter().chain(more).enumerate() {
            let day = number + 1;
            place.hands.set(&format!("2026-03-{day:02} 02:59:00"));
            place.sql("DELETE FROM tasko_run").await;
            place.sql("UPDATE tasko_schedule SET disabled_reason = NULL, active_till = NULL").await;
            place.scheduler(ScheduleRules::default()).look().await.expect("no error");
            place.sql(&format!("UPDATE tasko_schedule SET {rubbish} WHERE id = {bad}")).await;

            place.hands.set(&format!("2026-03-{day:02} 03:00:00"));
            let mut scheduler = place.scheduler(ScheduleRules::default());
            scheduler.look().await.expect("no error");
            let fired: Vec<_> = place.runs().await.iter().filter_map(|run| run.schedule_id).collect();
            let good: Vec<_> = ids.iter().copied().filter(|id| *id != bad).collect();
            assert_eq!(fired, good, "{rubbish}");
            let org = place.org;
            let rows = place.db.run(move |conn| schedule_list(conn, Some(org), ScheduleFilter::default(), 0, 9));
            let rows = rows.await.expect("a list");
            assert_eq!(rows.len(), 5);
            for row in rows {
                let reason = row.disabled_reason.unwrap_or_default();
                let wanted = if row.id == bad { *part } else { "" };
                assert!(reason.contains(wanted) && reason.is_empty() == wanted.is_empty(), "{rubbish}: {reason}");
            }
            // One line each time.
            let lines = logged.lines("an unusable schedule was disabled");
            assert_eq!(lines.len(), number + 1, "{lines:?}");
            let line = &lines[number];
            for word in ["ERROR", &format!("schedule={bad}"), *part] {
                assert!(line.contains(word), "{line}");
            }
            // It stays so.
            assert_eq!(scheduler.look().await.expect("no error"), 0);
            // Like setting it again does.
            place.sql(&format!(
                "UPDATE tasko_schedule SET cron_expr = '0 0 3 * * ?', project_id = {}, active_from = '2000-01-01 00:00:00' WHERE id = {bad}",
                projects[2]
            )).await;
        }
    }
}

on_both_databases! {
    async fn a_project_of_another_organisation_isn_t_run(db) {
        let place = Place::new(db, "2026-03-01 02:59:00").await;
        let (_, schedule) = place.one("0 0 3 * * ?").await;
        place.scheduler(ScheduleRules::default()).look().await.expect("no error");
        place.sql("INSERT INTO org (name, created) VALUES ('other', '2026-01-01 00:00:00')").await;
        place.sql("UPDATE tasko_schedule SET org_id = (SELECT id FROM org WHERE name = 'other')").await;
        place.hands.set("2026-03-01 03:00:00");
        assert_eq!(place.scheduler(ScheduleRules::default()).look().await.expect("no error"), 0);
        assert!(place.runs().await.is_empty());
        place.sql(&format!("UPDATE tasko_schedule SET org_id = {}", place.org)).await;
        let reason = place.schedule(schedule).await.disabled_reason;
        assert_eq!(reason.as_deref(), Some("its project belongs to another organisation"));
    }
}
