use chrono::{TimeDelta, Utc};
use diesel::prelude::*;
use dxr::Value as Xml;
use registrysync::service::Role;
use registrysync::store::runs::run::{RunStatus, RunTotals};
use registrysync::store::schema::tasko_run;
use registrysync::store::{DbConnection, Error, now};
use serde_json::{Value, json};

use super::{Admin, run_enqueue_one};
use crate::support::queue;

/// A run that ended this many days ago, with 3 tags copied, 2 updated and 5 GB sent.
fn run_ended(conn: &mut DbConnection, status: RunStatus, days_ago: i64) -> Result<(), Error> {
    run_enqueue_one(conn)?;
    let (run, part) = queue::claim(conn, "host-1")?.expect("the run");
    let totals = RunTotals {
        copied: 3,
        updated: 2,
        bytes: 5_000_000_000,
        ..RunTotals::default()
    };
    queue::end(conn, part.lease(), status, "", &totals)?;
    diesel::update(tasko_run::table.find(run.id))
        .set(tasko_run::end_time.eq(now() - TimeDelta::days(days_ago)))
        .execute(conn)?;
    Ok(())
}

on_both_databases! {
    async fn statistics_count_what_there_is_and_what_was_done(database) {
        let admin = Admin::new(database).await;
        admin.project("mirror", json!({})).await;
        admin.server.app.db.run(|conn| {
            for (status, days) in [
                (RunStatus::Finished, 0), (RunStatus::Failed, 0), (RunStatus::Finished, 29),
                (RunStatus::Interrupted, 30), (RunStatus::Finished, 400),
            ] {
                run_ended(conn, status, days)?;
            }
            run_enqueue_one(conn)?;
            queue::claim(conn, "host-1")?;
            run_enqueue_one(conn)?;
            Ok(())
        }).await.expect("runs");

        let shown = admin.get("getStatistics").await.expect("numbers");
        assert_eq!((&shown["stores"], &shown["projects"]), (&json!(2), &json!(1)));
        assert_eq!(shown["runs"], json!({
            "ready": 1, "running": 1, "finished": 3, "failed": 1, "skipped": 0, "interrupted": 1,
        }));
        let days = shown["days"].as_array().expect("days");
        assert_eq!(days.len(), 30);
        let day = |ago: i64| (Utc::now().date_naive() - TimeDelta::days(ago)).to_string();
        let entry = |ago, runs: i64| json!({
            "date": day(ago), "runs": runs, "failed": 0, "tags": 5 * runs, "bytes": (5_000_000_000 * runs).to_string(),
        });
        let mut today = entry(0, 2);
        today["failed"] = json!(1);
        assert_eq!(days[29], today);
        assert_eq!(days[0], entry(29, 1));
        assert!((1..29).all(|ago: usize| days[29 - ago] == entry(ago.try_into().expect("small"), 0)), "{shown}");

        let one = admin.get("getStatistics?label=mirror").await.expect("numbers");
        assert_eq!((&one["runs"], &one["days"]), (&shown["runs"], &shown["days"]));
        admin.project("idle", json!({})).await;
        let idle = admin.get("getStatistics?label=idle").await.expect("numbers");
        assert_eq!((&idle["runs"]["finished"], &idle["days"][29]), (&json!(0), &entry(0, 0)));
        let unknown = admin.get("getStatistics?label=none").await;
        assert!(unknown.is_err());

        let Ok(Xml::Struct(shown)) = admin.xml("getStatistics", vec![]).await else { panic!("no numbers") };
        assert_eq!(shown["stores"], Xml::Integer(2));
        let other = admin.server.key_in("Other", &[Role::ImageAdmin], false).await;
        let theirs: Value = admin.get_as(&other, "getStatistics").await.expect("numbers");
        assert_eq!((&theirs["stores"], &theirs["runs"]["finished"], &theirs["days"][29]), (&json!(0), &json!(0), &entry(0, 0)));
    }
}
