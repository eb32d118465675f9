use chrono::{DateTime, Utc};
use dxr::Value as Xml;
use registrysync::service::Role;
use serde_json::{Value, json};

use super::Admin;
use crate::api::server::text;
use crate::support::answer::{ANY, assert_answer};

/// The number of active schedules of projects in the database.
async fn rows(admin: &Admin) -> i64 {
    use diesel::prelude::*;
    use registrysync::store::schema::tasko_schedule;
    let count = admin.server.app.db.run(|conn| {
        let theirs = tasko_schedule::table
            .filter(tasko_schedule::org_id.is_not_null())
            .filter(tasko_schedule::active_till.is_null());
        Ok(theirs.count().get_result(conn)?)
    });
    count.await.expect("a number")
}

on_both_databases! {
    async fn a_schedule_is_set_shown_changed_and_removed(database) {
        let admin = Admin::new(database).await;
        admin.project("mirror", json!({})).await;
        admin.project("other", json!({})).await;
        let none = json!({"cron_expr": "", "next_fire_times": [], "description": "", "time_zone": "Etc/UTC"});
        assert_eq!(admin.get("getSchedule?label=mirror").await, Ok(none.clone()));

        let set = |expr: &str| json!({"label": "mirror", "cronExpr": expr});
        assert_eq!(admin.post("setSchedule", set(" 0 0  3 ? * MON-FRI ")).await, Ok(json!(1)));
        let shown = admin.get("getSchedule?label=mirror").await.expect("a schedule");
        assert_answer(&shown, &json!({
            "cron_expr": "0 0 3 ? * MON-FRI", "description": "at 03:00, on Monday to Friday",
            "next_fire_times": ANY, "time_zone": "Etc/UTC",
        }));
        let times: Vec<DateTime<Utc>> = serde_json::from_value(shown["next_fire_times"].clone()).expect("times");
        assert_eq!(times.len(), 5);
        assert!(times[0] > Utc::now() && times.is_sorted());
        for label in ["mirror", "other"] {
            let project = admin.get(&format!("getDetails?label={label}")).await.expect("a project");
            let listed = admin.get("listProjects").await.expect("projects");
            let listed = listed.as_array().expect("an array").iter().find(|p| p["label"] == label).expect("it");
            let wanted = if label == "mirror" { json!("0 0 3 ? * MON-FRI") } else { Value::Null };
            assert_eq!((&project["cron_expr"], &listed["cron_expr"]), (&wanted, &wanted), "{label}");
        }

        let args = vec![text("mirror"), text("0 30 2 1 1 ? 2099")];
        assert_eq!(admin.xml("set_schedule", args).await, Ok(Xml::Integer(1)));
        let Ok(Xml::Struct(shown)) = admin.xml("getSchedule", vec![text("mirror")]).await else {
            panic!("no schedule");
        };
        assert_eq!(shown["cron_expr"], text("0 30 2 1 1 ? 2099"));
        assert!(matches!(&shown["next_fire_times"], Xml::Array(times) if matches!(times[..], [Xml::DateTime(_)])));
        assert_eq!(rows(&admin).await, 1);

        assert_eq!(admin.post("setSchedule", set("")).await, Ok(json!(1)));
        assert_eq!(admin.post("setSchedule", set("")).await, Ok(json!(1)));
        assert_eq!(admin.get("getSchedule?label=mirror").await, Ok(none));
        assert_eq!(rows(&admin).await, 0);

        admin.post("setSchedule", set("0 0 3 * * ?")).await.expect("a schedule");
        admin.post("delete", json!({"label": "mirror"})).await.expect("deleted");
        assert_eq!(rows(&admin).await, 0);
    }
}

on_both_databases! {
    async fn a_refused_schedule_leaves_the_old_one(database) {
        let admin = Admin::new(database).await;
        admin.project("mirror", json!({})).await;
        let set = |label: &str, expr: &str| json!({"label": label, "cronExpr": expr});
        admin.post("setSchedule", set("mirror", "0 0 3 * * ?")).await.expect("a schedule");
        let shown = admin.get("getSchedule?label=mirror").await;
        let long = format!("0 0 3 {} * ?", "1,".repeat(500));
        admin.refuse(vec![
            ("setSchedule", set("none", "0 0 3 * * ?"), 10101, "there is no project `none`"),
            ("setSchedule", set("mirror", "0 3 * * *"), 2800, "Cron trigger: 0 3 * * *: "),
            ("setSchedule", set("mirror", "0 3 * * *"), 2800, "seconds come first: did you mean `0 0 3 * * ?`"),
            ("setSchedule", set("mirror", "0 0 3 ? * 0"), 2800, "Cron trigger: 0 0 3 ? * 0: day-of-week"),
            ("setSchedule", set("mirror", "0 0 3 30 2 ?"), 2800, "Cron trigger: 0 0 3 30 2 ?: it never fires"),
            ("setSchedule", set("mirror", "0 0 3 * * ? 2020"), 2800, "it never fires"),
            ("setSchedule", set("mirror", "<&>"), 2800, "Cron trigger: <&>: it has 1 field,"),
            ("setSchedule", set("mirror", &long), 2800, "longer than 120 bytes"),
        ]).await;
        assert_eq!(admin.get("getSchedule?label=mirror").await, shown);

        let reader = admin.server.key(&[Role::ImageAdmin], true).await;
        assert_eq!(admin.get_as(&reader, "getSchedule?label=mirror").await, shown);
        let refused = admin.send("registrysync/setSchedule", &reader, &set("mirror", "")).await;
        assert!(refused.is_err_and(|(_, text)| text.contains("read-only")));
        let other = admin.server.key_in("Other", &[Role::ImageAdmin], false).await;
        let hidden = admin.send("registrysync/setSchedule", &other, &set("mirror", "")).await;
        assert!(hidden.is_err_and(|(code, _)| code == 10101));
        assert!(admin.get_as(&other, "getSchedule?label=mirror").await.is_err_and(|(code, _)| code == 10101));
        assert_eq!(admin.get("getSchedule?label=mirror").await, shown);
    }
}
