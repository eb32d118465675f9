use std::collections::HashSet;

use registrysync::service::ScheduleRules;
use registrysync::store::projects::project::project_delete;
use registrysync::store::runs::run::RunStatus;

use super::Place;

on_both_databases! {
    async fn a_thousand_due_in_one_second_make_one_run_each_whoever_comes_first(db) {
        let place = Place::new(db, "2026-03-01 02:59:00").await;
        let projects = place.projects(1000).await;
        place.schedules(&projects, "0 0 3 * * ?").await;
        let mut nodes = Vec::new();
        for _ in 0..3 {
            let db = place.db.open_again().expect("the database");
            nodes.push(place.scheduler_on(db, ScheduleRules::default()));
        }
        for node in &mut nodes {
            assert_eq!(node.look().await.expect("no error"), 0);
        }
        place.hands.set("2026-03-01 03:00:00");
        let looks: Vec<_> = nodes
            .into_iter()
            .map(|mut node| tokio::spawn(async move { (node.look().await, node) }))
            .collect();
        let mut made = 0;
        let mut nodes = Vec::new();
        for look in looks {
            let (count, node) = look.await.expect("no panic");
            made += count.expect("no error");
            nodes.push(node);
        }
        // Schedules locked by one node during another's check are handled in the next check.
        for node in &mut nodes {
            made += node.look().await.expect("no error");
        }
        assert_eq!(made, 1000);
        let runs = place.runs().await;
        let fires: HashSet<_> = runs.iter().map(|run| (run.schedule_id, run.fire_time)).collect();
        assert_eq!((runs.len(), fires.len()), (1000, 1000));
        assert!(runs.iter().all(|run| run.status == RunStatus::Ready));
        let labels: HashSet<_> = runs.iter().map(|run| run.project_label.as_str()).collect();
        assert!(labels.len() == 1000 && labels.contains("p0"));
    }
}

on_both_databases! {
    async fn a_fire_time_during_a_run_is_skipped_and_names_the_run(db) {
        let place = Place::new(db, "2026-03-01 12:00:30").await;
        let (_, schedule) = place.one("0 * * * * ?").await;
        let mut scheduler = place.scheduler(ScheduleRules::default());
        assert_eq!(scheduler.look().await.expect("no error"), 0);
        for minute in ["01", "02", "03"] {
            place.hands.set(&format!("2026-03-01 12:{minute}:00"));
            assert_eq!(scheduler.look().await.expect("no error"), 1);
            assert_eq!(scheduler.look().await.expect("no error"), 0);
            if minute == "02" {
                place.runs_end(RunStatus::Finished).await;
            }
        }
        let runs = place.runs().await;
        let states: Vec<_> = runs.iter().map(|run| run.status).collect();
        assert_eq!(states, [RunStatus::Finished, RunStatus::Skipped, RunStatus::Ready]);
        let left_out = &runs[1];
        assert_eq!(left_out.message, format!("skipped: run {} is still waiting", runs[0].id));
        assert!(left_out.end_time.is_some() && left_out.schedule_id == Some(schedule));
        assert_eq!(place.next_fire(schedule).await, "2026-03-01 12:04:00");
    }
}

on_both_databases! {
    async fn two_schedules_of_one_project_don_t_run_it_twice_at_once(db) {
        let place = Place::new(db, "2026-03-01 12:00:30").await;
        let (project, _) = place.one("0 * * * * ?").await;
        place.sql("UPDATE tasko_schedule SET job_label = 'first'").await;
        place.schedules(&[project], "0 1 * * * ?").await;
        let mut scheduler = place.scheduler(ScheduleRules::default());
        scheduler.look().await.expect("no error");
        place.hands.set("2026-03-01 12:01:00");
        assert_eq!(scheduler.look().await.expect("no error"), 2);
        let runs = place.runs().await;
        assert_eq!(runs[1].message, format!("skipped: run {} is still waiting", runs[0].id));
    }
}

on_both_databases! {
    async fn a_schedule_fires_while_it_is_active_and_its_project_enabled(db) {
        let place = Place::new(db, "2026-03-01 12:00:30").await;
        let (project, schedule) = place.one("0 * * * * ?").await;
        place.sql("UPDATE tasko_schedule SET active_from = '2026-03-01 12:02:00', active_till = '2026-03-01 12:05:00'").await;
        let mut scheduler = place.scheduler(ScheduleRules::default());
        for minute in 1..9 {
            let enabled = if minute == 3 { "FALSE" } else { "TRUE" };
            place.sql(&format!("UPDATE sync_project SET enabled = {enabled}")).await;
            place.hands.set(&format!("2026-03-01 12:{minute:02}:00"));
            scheduler.look().await.expect("no error");
            place.runs_end(RunStatus::Finished).await;
        }
        assert_eq!(place.fired().await, ["2026-03-01 12:02:00 FINISHED", "2026-03-01 12:04:00 FINISHED"]);
        let over = place.schedule(schedule).await;
        assert_eq!((over.next_fire, over.due_time), (None, None));
        assert!(!over.is_active(place.hands.now()));

        // Runs of a removed schedule are kept.
        place.sql("DELETE FROM tasko_schedule").await;
        assert_eq!(place.runs().await[0].schedule_id, None);
        let org = place.org;
        place.db.run(move |conn| project_delete(conn, org, project)).await.expect("deleted");
        assert_eq!(place.runs().await, []);
    }
}

on_both_databases! {
    async fn a_schedule_that_is_active_till_a_time_does_not_fire_at_it(db) {
        let place = Place::new(db, "2026-03-01 12:00:30").await;
        let (_, schedule) = place.one("0 * * * * ?").await;
        let mut scheduler = place.scheduler(ScheduleRules::default());
        scheduler.look().await.expect("no error");
        assert_eq!(place.next_fire(schedule).await, "2026-03-01 12:01:00");
        // The end was set after the next time was calculated.
        place.sql("UPDATE tasko_schedule SET active_till = next_fire").await;
        place.hands.set("2026-03-01 12:01:00");
        assert_eq!(scheduler.look().await.expect("no error"), 0);
        assert!(place.runs().await.is_empty());
    }
}

on_both_databases! {
    async fn a_schedule_keeps_its_end_when_it_fires(db) {
        let place = Place::new(db, "2026-03-01 12:00:30").await;
        let (_, schedule) = place.one("0 * * * * ?").await;
        place.sql("UPDATE tasko_schedule SET active_till = '2026-03-01 12:02:30'").await;
        let end = place.schedule(schedule).await.active_till;
        let mut scheduler = place.scheduler(ScheduleRules::default());
        scheduler.look().await.expect("no error");
        place.hands.set("2026-03-01 12:01:00");
        assert_eq!(scheduler.look().await.expect("no error"), 1);
        assert_eq!(place.schedule(schedule).await.active_till, end);
        for (minute, made) in [("02", 1), ("03", 0), ("04", 0)] {
            place.runs_end(RunStatus::Finished).await;
            place.hands.set(&format!("2026-03-01 12:{minute}:00"));
            assert_eq!(scheduler.look().await.expect("no error"), made, "{minute}");
        }
    }
}
