//! Options stored by another version are read, and written back completely.

use diesel::prelude::*;
use diesel::sql_types::Text;
use registrysync::api::namespaces;
use registrysync::service::Role;
use registrysync::store::DbConnection;
use registrysync::surface::RequestLimits;
use serde_json::{Value as Json, json};

use super::server::{Server, quick_policy};
use crate::support::answer::{ANY, assert_answer};
use crate::support::database::TestDatabase;

const ADMIN: [Role; 3] = [Role::OrgAdmin, Role::ImageAdmin, Role::SatelliteAdmin];

/// The rows of every release, by file: the options of a project, an item and a store, and the
/// parameters of a schedule.
const RELEASES: [(&str, &str); 1] = [("0.1.0", include_str!("../../cases/stored/0.1.0.json"))];
/// Where each stands.
const COLUMNS: [(&str, &str, &str); 4] = [
    ("project", "sync_project", "options"),
    ("item", "sync_item", "options"),
    ("store", "image_store", "options"),
    ("schedule", "tasko_schedule", "data"),
];

struct World {
    server: Server,
    key: String,
}

#[derive(QueryableByName)]
struct Stored {
    #[diesel(sql_type = Text)]
    kept: String,
}

impl World {
    /// Two stores, two projects with a schedule, and an item.
    async fn new(database: TestDatabase) -> World {
        let limits = RequestLimits::default();
        let server = Server::on(database, namespaces::registry(), limits, quick_policy()).await;
        let key = server.key(&ADMIN, false).await;
        let world = World { server, key };
        for label in ["from", "to"] {
            let body = json!({"label": label, "uri": format!("{label}.example"), "storeType": "registry", "credentials": {}});
            world.post("image/store/create", body).await;
        }
        for label in ["one", "two"] {
            let body = json!({"label": label, "srcStore": "from", "destStore": "to"});
            world.post("registrysync/create", body).await;
        }
        let item = json!({"label": "one", "repository": "app", "tags": ["1"]});
        world.post("registrysync/addImage", item).await;
        let line = json!({"label": "one", "cronExpr": "0 0 3 * * ?"});
        world.post("registrysync/setSchedule", line).await;
        world
    }

    async fn post(&self, path: &str, body: Json) -> Json {
        let body = body.to_string();
        let (status, mut answer) = self
            .server
            .json("POST", path, Some(&self.key), Some(&body))
            .await;
        assert!(
            status == 200 && answer["success"] == true,
            "{path}: {answer}"
        );
        answer["result"].take()
    }

    async fn get(&self, path: &str) -> Json {
        let (status, mut answer) = self.server.json("GET", path, Some(&self.key), None).await;
        assert!(
            status == 200 && answer["success"] == true,
            "{path}: {answer}"
        );
        answer["result"].take()
    }

    /// Writes `text` to the first row of a table.
    async fn put(&self, table: &str, column: &str, text: String) {
        let statement = format!(
            "UPDATE {table} SET {column} = '{text}' WHERE id = (SELECT min(id) FROM {table})"
        );
        let put = move |conn: &mut DbConnection| Ok(diesel::sql_query(statement).execute(conn)?);
        assert_eq!(self.server.app.db.run(put).await.expect("put"), 1);
    }

    async fn kept(&self, table: &str, column: &str) -> Json {
        let statement = format!("SELECT {column} AS kept FROM {table} ORDER BY id LIMIT 1");
        let read = move |conn: &mut DbConnection| {
            Ok(diesel::sql_query(statement).get_result::<Stored>(conn)?)
        };
        let stored = self.server.app.db.run(read).await.expect("read");
        serde_json::from_str(&stored.kept).expect("JSON")
    }

    /// Reads everything through every list, and changes a little of everything.
    async fn used(&self) {
        for label in ["one", "two"] {
            self.get(&format!("registrysync/getDetails?label={label}"))
                .await;
        }
        for list in [
            "registrysync/listProjects",
            "image/sync/listProjects",
            "image/store/listImageStores",
        ] {
            assert_eq!(
                self.get(list).await.as_array().map(Vec::len),
                Some(2),
                "{list}"
            );
        }
        let items = self.get("registrysync/listImages?label=one").await;
        assert_eq!(items.as_array().map(Vec::len), Some(1));
        let schedules = self.get("taskomatic/org/listAllSchedules").await;
        assert_eq!(schedules[0]["data_map"]["project_id"], "1");
        let details = json!({"label": "one", "details": {"description": "new"}});
        self.post("registrysync/setDetails", details).await;
        let details = json!({"label": "from", "details": {"max_connections": 7}});
        self.post("image/store/setDetails", details).await;
        let details = json!({"itemId": items[0]["id"], "details": {"tags_exclude_regex": "new"}});
        self.post("registrysync/updateImage", details).await;
    }
}

on_both_databases! {
    async fn rows_of_every_release_are_read_and_kept(database) {
        let world = World::new(database).await;
        for (release, rows) in RELEASES {
            let rows: Json = serde_json::from_str(rows).expect("JSON");
            for (name, table, column) in COLUMNS {
                world.put(table, column, rows[name].to_string()).await;
            }
            let before = world.get("registrysync/getDetails?label=one").await;
            let mut wanted = json!({
                "id": ANY, "label": "one", "description": format!("of {release}"), "version": ANY,
                "src_store_label": "from", "dest_store_label": "to", "enabled": true,
                "created": ANY, "modified": ANY, "cron_expr": "0 0 3 * * ?", "placement": "flat",
                "architectures": ["arm64"], "on_empty": "warn", "referrers": [], "prune": "none", "prune_limit": 20, "max_parallel": 5,
                "items": [{
                    "id": ANY, "project_label": "one", "repository": "app", "tags": ["1.0"],
                    "tags_regex": "^1", "tags_exclude_regex": "-rc", "semver": ">=1",
                    "architectures": ["linux/arm64/v8"], "target_repository": "mirror/app",
                }],
            });
            assert_answer(&before, &wanted);
            world.used().await;
            let after = world.get("registrysync/getDetails?label=one").await;
            wanted["description"] = json!("new");
            wanted["items"][0]["tags_exclude_regex"] = json!("new");
            assert_answer(&after, &wanted);
        }
    }
}

on_both_databases! {
    async fn members_missing_from_older_rows_have_their_default(database) {
        let world = World::new(database).await;
        for (_, table, column) in &COLUMNS[..3] {
            world.put(table, column, "{}".to_owned()).await;
        }
        let project = world.get("registrysync/getDetails?label=one").await;
        assert_eq!(project["placement"], "path");
        world.used().await;
    }
}

on_both_databases! {
    async fn members_of_a_newer_version_are_kept(database) {
        let world = World::new(database).await;
        let newer = json!({"from_the_future": {"a": [1, {"b": null}]}, "another": "1.10"});
        for (_, table, column) in &COLUMNS[..3] {
            let mut row = world.kept(table, column).await;
            row.as_object_mut().expect("an object").extend(newer.as_object().expect("an object").clone());
            world.put(table, column, row.to_string()).await;
        }
        world.used().await;
        for (name, table, column) in &COLUMNS[..3] {
            let kept = world.kept(table, column).await;
            for (member, value) in newer.as_object().expect("an object") {
                assert_eq!(&kept[member], value, "{name}: {kept}");
            }
        }
    }
}

on_both_databases! {
    async fn one_row_that_can_not_be_read_does_not_fail_a_list(database) {
        let world = World::new(database).await;
        for broken in [json!({"placement": "of the future", "options": 1}), json!("no object")] {
            for (_, table, column) in COLUMNS {
                world.put(table, column, broken.to_string()).await;
            }
            world.put("image_store", "options", json!({"tls_verify": "maybe"}).to_string()).await;
            let projects = world.get("registrysync/listProjects").await;
            let labels: Vec<&Json> = projects.as_array().expect("a list").iter().map(|one| &one["label"]).collect();
            assert_eq!(labels, ["one", "two"]);
            assert!(projects[0]["problem"].is_string() && projects[1].get("problem").is_none(), "{projects}");
            let stores = world.get("image/store/listImageStores").await;
            assert_eq!(stores.as_array().map(Vec::len), Some(2));
            assert!(stores[0]["problem"].is_string() && stores[1].get("problem").is_none(), "{stores}");
            for list in ["image/sync/listProjects", "taskomatic/org/listAllSchedules"] {
                assert!(!world.get(list).await.as_array().expect("a list").is_empty(), "{list}");
            }
        }
    }
}
