use registrysync::service::{Misfire, ScheduleRules};
use registrysync::store::runs::run::RunStatus;

use super::Place;

const HOURLY: &str = "0 0 * * * ?";

on_both_databases! {
    async fn missed_fire_times_make_one_run(db) {
        let place = Place::new(db, "2026-03-01 11:30:00").await;
        let (_, schedule) = place.one(HOURLY).await;
        place.scheduler(ScheduleRules::default()).look().await.expect("no error");
        place.hands.set("2026-03-02 11:30:00");
        let mut scheduler = place.scheduler(ScheduleRules::default());
        assert_eq!(scheduler.look().await.expect("no error"), 1);
        assert_eq!(scheduler.look().await.expect("no error"), 0);
        assert_eq!(place.fired().await, ["2026-03-01 12:00:00 READY"]);
        assert_eq!(place.next_fire(schedule).await, "2026-03-02 12:00:00");

        place.runs_end(RunStatus::Finished).await;
        place.hands.set("2026-03-03 11:30:00");
        let none = ScheduleRules { misfire: Misfire::Skip, ..ScheduleRules::default() };
        let mut scheduler = place.scheduler(none);
        assert_eq!(scheduler.look().await.expect("no error"), 1);
        let runs = place.runs().await;
        assert_eq!(runs[1].status, RunStatus::Skipped);
        assert_eq!(runs[1].message, "missed: no server checked the schedule until 2026-03-03 11:30:00 UTC");
        // A moment late isn't missed.
        place.hands.set("2026-03-03 12:00:40");
        assert_eq!(scheduler.look().await.expect("no error"), 1);
        assert_eq!(place.fired().await[2], "2026-03-03 12:00:00 READY");
    }
}

/// Steps through the times, with runs that end at once.
async fn walk(place: &Place, times: &[&str]) {
    let mut scheduler = place.scheduler(ScheduleRules::default());
    for time in times {
        place.hands.set(time);
        scheduler.look().await.expect("no error");
        place.runs_end(RunStatus::Finished).await;
    }
}

async fn fire_times(place: &Place) -> Vec<String> {
    let mut times: Vec<String> = place.fired().await;
    for time in &mut times {
        time.truncate("2026-03-01 12:00:00".len());
    }
    times
}

on_both_databases! {
    async fn a_clock_that_goes_back_an_hour_doubles_nothing(db) {
        let place = Place::new(db, "2026-03-01 11:30:00").await;
        let (_, schedule) = place.one("0 0/30 * * * ?").await;
        walk(&place, &["2026-03-01 11:30:01", "2026-03-01 12:00:00", "2026-03-01 12:30:00", "2026-03-01 11:31:00"]).await;
        assert_eq!(place.next_fire(schedule).await, "2026-03-01 12:00:00");
        walk(&place, &["2026-03-01 12:00:00", "2026-03-01 12:30:00", "2026-03-01 13:00:00"]).await;
        assert_eq!(fire_times(&place).await, ["2026-03-01 12:00:00", "2026-03-01 12:30:00", "2026-03-01 13:00:00"]);
    }
}

on_both_databases! {
    async fn a_clock_that_goes_forward_an_hour_and_back_loses_nothing(db) {
        let place = Place::new(db, "2026-03-01 11:30:00").await;
        place.one("0 0/30 * * * ?").await;
        walk(&place, &["2026-03-01 11:30:01", "2026-03-01 13:10:00", "2026-03-01 12:10:00", "2026-03-01 12:30:00", "2026-03-01 13:00:00", "2026-03-01 13:30:00"]).await;
        assert_eq!(
            fire_times(&place).await,
            ["2026-03-01 12:00:00", "2026-03-01 12:30:00", "2026-03-01 13:00:00", "2026-03-01 13:30:00"]
        );
    }
}

on_both_databases! {
    async fn a_clock_that_is_two_years_wrong_for_a_while_leaves_nothing_stuck(db) {
        let place = Place::new(db, "2026-03-01 11:30:00").await;
        let (_, schedule) = place.one(HOURLY).await;
        walk(&place, &["2026-03-01 11:31:00", "2028-03-01 11:30:00", "2028-03-01 12:00:00", "2026-03-01 11:40:00"]).await;
        assert_eq!(place.next_fire(schedule).await, "2026-03-01 12:00:00");
        walk(&place, &["2026-03-01 12:00:00", "2026-03-01 13:00:00", "2024-03-01 12:30:00"]).await;
        assert_eq!(place.next_fire(schedule).await, "2024-03-01 13:00:00");
        walk(&place, &["2024-03-01 13:00:00", "2026-03-01 13:30:00", "2026-03-01 14:00:00"]).await;
        assert_eq!(
            fire_times(&place).await,
            [
                "2026-03-01 12:00:00",
                "2028-03-01 12:00:00",
                "2026-03-01 13:00:00",
                "2024-03-01 13:00:00",
                "2024-03-01 14:00:00",
                "2026-03-01 14:00:00",
            ]
        );
        assert_eq!(place.next_fire(schedule).await, "2026-03-01 15:00:00");
    }
}

on_both_databases! {
    async fn a_restart_with_a_clock_that_went_back_checks_all_schedules(db) {
        let place = Place::new(db, "2028-03-01 11:30:00").await;
        let (_, schedule) = place.one(HOURLY).await;
        place.scheduler(ScheduleRules::default()).look().await.expect("no error");
        place.hands.set("2026-03-01 11:30:00");
        place.scheduler(ScheduleRules::default()).look().await.expect("no error");
        assert_eq!(place.next_fire(schedule).await, "2026-03-01 12:00:00");
        assert!(place.fired().await.is_empty());
    }
}
