use std::time::Duration;

use chrono::TimeDelta;
use chrono_tz::Tz;
use registrysync::quartz::Expression;
use registrysync::service::ScheduleRules;
use registrysync::store::runs::run::RunStatus;

use super::{Place, moment};

on_both_databases! {
    async fn jitter_delays_runs_by_less_than_it_says_and_keeps_their_fire_time(db) {
        let rules = ScheduleRules { jitter: Duration::from_mins(10), ..ScheduleRules::default() };
        let place = Place::new(db, "2026-03-01 02:59:00").await;
        let projects = place.projects(50).await;
        let ids = place.schedules(&projects, "0 0 3 * * ?").await;
        let mut scheduler = place.scheduler(rules);
        scheduler.look().await.expect("no error");
        let mut delays = Vec::new();
        for id in ids {
            let schedule = place.schedule(id).await;
            delays.push(schedule.due_time.expect("a time") - schedule.next_fire.expect("a time"));
        }
        assert!(delays.iter().all(|delay| (TimeDelta::zero()..=TimeDelta::minutes(10)).contains(delay)));
        let distinct: std::collections::HashSet<_> = delays.iter().collect();
        assert!(distinct.len() > 10, "{delays:?}");

        place.hands.set("2026-03-01 03:05:00");
        let made = scheduler.look().await.expect("no error");
        assert_eq!(made, delays.iter().filter(|delay| **delay <= TimeDelta::minutes(5)).count());
        // A check in between doesn't change the delay.
        place.hands.set("2026-03-01 03:10:00");
        let rest = place.scheduler(rules).look().await.expect("no error");
        assert_eq!(made + rest, 50);
        assert!(place.fired().await.iter().all(|run| run == "2026-03-01 03:00:00 READY"));
        place.runs_end(RunStatus::Finished).await;
    }
}

fn close(line: &str, zone: &str, seconds: u64) -> Option<[String; 2]> {
    let rules = ScheduleRules {
        min_distance: Duration::from_secs(seconds),
        ..ScheduleRules::default()
    };
    let line = Expression::parse(line).expect(line);
    let zone: Tz = zone.parse().expect("a zone");
    let now = moment("2026-01-01 12:00:00");
    let (one, other) = rules.too_close(&line, zone, now)?;
    Some([one, other].map(|time| time.to_string()))
}

#[test]
fn lines_are_measured_by_their_two_closest_times() {
    assert_eq!(close("* * * * * ?", "UTC", 0), None);
    assert_eq!(close("0 * * * * ?", "UTC", 60), None);
    assert_eq!(
        close("0 0,5 3 * * ?", "UTC", 600),
        Some(["2026-01-02 03:00:00", "2026-01-02 03:05:00"].map(str::to_owned))
    );
    // Even rarely too close is too close.
    assert!(close("0 0 3 1,31 * ?", "UTC", 2 * 86400).is_some());
    // A day is a day, even across clock changes; an hour is an hour.
    for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"] {
        assert_eq!(close("0 15 2 * * ?", zone, 86400), None, "{zone}");
        assert_eq!(close("0 0 * * * ?", zone, 3600), None, "{zone}");
    }
}
