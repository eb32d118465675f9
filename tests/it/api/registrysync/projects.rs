use dxr::Value as Xml;
use registrysync::service::Role;
use serde_json::json;

use super::Admin;
use crate::api::server::{members, text};
use crate::support::answer::{ANY, assert_answer};

on_both_databases! {
    async fn a_project_is_made_shown_changed_and_deleted(database) {
        let admin = Admin::new(database).await;
        let made = admin
            .xml("create", vec![text("mirror"), text("src"), text("dest")])
            .await
            .expect("a project");
        let Xml::Struct(made) = made else { panic!("{made:?}") };
        assert_eq!(made["placement"], text("path"));
        assert_eq!(made["version"], Xml::Integer(1));
        assert!(matches!(made["created"], Xml::DateTime(_)));
        assert!(!made.contains_key("last_run"), "what has no value is left out");

        let changed = admin
            .post("setDetails", json!({"label": "mirror", "details": {
                "placement": "scoped", "architectures": ["arm64", "linux/amd64"], "index": "rewrite-single",
                "description": "böse <&> 1", "enabled": false, "max_parallel": 3,
                "referrers": ["sbom", "application/spdx+json"],
                "prune": "gone", "prune_limit": 5, "prune_protect_regex": "^release-", "prune_retain": 3,
                "backup_tag": "{tag}-before-{date}",
                "src_store_label": "dest", "dest_store_label": "src", "version": 1,
            }}))
            .await
            .expect("changed");
        let id = changed["id"].as_i64().expect("an id");
        let shown = admin.get("getDetails?label=mirror").await.expect("shown");
        assert_eq!(admin.get(&format!("getDetails?id={id}")).await, Ok(shown.clone()));
        let mut wanted = json!({
            "id": id, "label": "mirror", "description": "böse <&> 1", "version": 2,
            "src_store_label": "dest", "dest_store_label": "src", "enabled": false,
            "created": ANY, "modified": ANY, "placement": "scoped",
            "architectures": ["arm64", "linux/amd64"], "index": "rewrite-single", "on_empty": "warn", "max_parallel": 3,
            "referrers": ["application/spdx+json", "sbom"],
            "prune": "gone", "prune_limit": 5, "prune_protect_regex": "^release-", "prune_retain": 3,
            "backup_tag": "{tag}-before-{date}",
        });
        assert_answer(&changed, &wanted);
        wanted["items"] = json!([]);
        assert_answer(&shown, &wanted);
        for (given, kept) in [(json!(true), json!(["all"])), (json!(false), json!([]))] {
            let details = json!({"label": "mirror", "details": {"referrers": given}});
            let changed = admin.post("setDetails", details).await.expect("changed");
            assert_eq!(changed["referrers"], kept);
        }
        // "" and 0 unset an option; the others wait for `prune`.
        let unset = json!({"prune": "", "prune_protect_regex": "", "prune_retain": 0, "backup_tag": ""});
        let changed = admin
            .post("setDetails", json!({"label": "mirror", "details": unset}))
            .await
            .expect("changed");
        assert_eq!((&changed["prune"], &changed["prune_limit"]), (&json!("none"), &json!(5)));
        for name in ["prune_protect_regex", "prune_retain", "backup_tag"] {
            assert!(changed.get(name).is_none(), "{changed}");
        }
        // Omitted members stay unchanged.
        let again = admin
            .post("setDetails", json!({"label": "mirror", "details": {"enabled": true}}))
            .await
            .expect("changed");
        assert_eq!((&again["placement"], &again["version"]), (&json!("scoped"), &json!(6)));

        assert_eq!(admin.post("delete", json!({"label": "mirror"})).await, Ok(json!(1)));
        let gone = Err((10101, "there is no project `mirror`".to_owned()));
        assert_eq!(admin.get("getDetails?label=mirror").await, gone);
        assert_eq!(admin.post("delete", json!({"label": "mirror"})).await, gone);
        assert_eq!(admin.get("listProjects").await, Ok(json!([])));
    }
}

on_both_databases! {
    async fn refused_projects_leave_everything_as_it_was(database) {
        let admin = Admin::new(database).await;
        admin.project("mirror", json!({"description": "x"})).await;
        admin.store("same", "http://target.example:443").await;
        let long = "x".repeat(129);
        let create = |label: &str, src: &str, dest: &str| {
            json!({"label": label, "srcStore": src, "destStore": dest})
        };
        let with = |options| json!({"label": "new", "srcStore": "src", "destStore": "dest", "options": options});
        let set = |details| json!({"label": "mirror", "details": details});
        admin.refuse(vec![
            ("create", create("mirror", "src", "dest"), 10100, "`mirror`"),
            ("create", create("", "src", "dest"), 2800, "`label`: it is empty"),
            ("create", create(&long, "src", "dest"), 2800, "`label`: it is longer"),
            ("create", create(" a", "src", "dest"), 2800, "`label`"),
            ("create", create("a\u{7}b", "src", "dest"), 2800, "`label`"),
            ("create", create("new", "none", "dest"), 10010, "Image Store not found: none"),
            ("create", create("new", "src", "none"), 10010, "Image Store not found: none"),
            ("create", create("new", "src", "src"), 2800, "`destStore`: source and target are the same place, `"),
            ("create", create("new", "dest", "same"), 2800, "source and target are the same place, `"),
            ("create", with(json!({"placement": "sideways"})), 2800, "`placement`"),
            ("create", with(json!({"architectures": ["arm64", "a/b/c/d"]})), 2800, "`architectures`"),
            ("create", with(json!({"index": "sideways"})), 2800, "`index`: `sideways` is not a valid value: "),
            ("create", with(json!({"index": "keep", "architectures": ["arm64"]})), 2800, "`index`: `keep` copies all platforms, but `architectures` of the project"),
            ("create", with(json!({"max_parallel": 0})), 2800, "`max_parallel`"),
            ("create", with(json!({"referrers": ["sig"]})), 2800, "`referrers`: `sig` is not a valid kind of referrer"),
            ("create", with(json!({"referrers": "all"})), 0, "array of strings, or boolean"),
            ("setDetails", set(json!({"referrers": ["all", "a b/c"]})), 2800, "`referrers`: `a b/c`"),
            ("create", with(json!({"max_parallel": 257})), 2800, "`max_parallel`"),
            ("create", with(json!({"description": "x".repeat(4001)})), 2800, "`description`"),
            ("create", with(json!({"export": "gone", "engine": "native"})), 2801, "Invalid argument(s): engine, export"),
            ("create", with(json!({"prune": "all"})), 2800, "`prune`: `all` is not a valid value: expected `none`, `gone` or `selected`"),
            ("create", with(json!({"prune_limit": 101})), 2800, "`prune_limit`: `101`: expected 1 to 100"),
            ("setDetails", set(json!({"prune_limit": 0})), 2800, "`prune_limit`: `0`: expected 1 to 100"),
            ("setDetails", set(json!({"prune_retain": -1})), 2800, "`prune_retain`: `-1`: expected 0 to 1000000"),
            ("setDetails", set(json!({"prune_protect_regex": "("})), 2800, "`prune_protect_regex`: `(`: "),
            ("create", with(json!({"backup_tag": "{tag}"})), 2800, "`backup_tag`: "),
            ("create", with(json!({"backup_tag": "old-{date}"})), 2800, "without `{tag}` all tags would be kept under one name"),
            ("setDetails", set(json!({"version": 7})), 2800, "`version`: `tester0` changed it at"),
            ("setDetails", set(json!({"src_store_label": "none"})), 10010, "none"),
            ("setDetails", set(json!({"src_store_label": "dest", "enabled": false})), 2800, "source and target are the same place, `"),
            ("setDetails", set(json!({"placement": ""})), 2800, "`placement`"),
            ("setDetails", set(json!({"label": "other"})), 2801, "Invalid argument(s): label"),
            ("setDetails", json!({"label": "none", "details": {}}), 10101, "`none`"),
        ]).await;
    }
}

on_both_databases! {
    async fn of_projects_made_at_the_same_moment_one_gets_the_label(database) {
        let admin = Admin::new(database).await;
        let body = || json!({"label": "mirror", "srcStore": "src", "destStore": "dest"});
        let answers = futures_util::future::join_all((0..6).map(|_| admin.post("create", body()))).await;
        let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
        assert_eq!(refused.len(), 5, "{answers:?}");
        assert!(refused.iter().all(|(code, _)| *code == 10100), "{refused:?}");
    }
}

on_both_databases! {
    async fn projects_are_listed_by_label_whole_or_in_part(database) {
        let admin = Admin::new(database).await;
        for label in ["c", "a", "b"] {
            admin.project(label, json!({})).await;
        }
        let labels = async |path: &str| {
            let listed = admin.get(path).await.expect("projects");
            let listed = listed.as_array().expect("an array").clone();
            listed.iter().map(|one| one["label"].as_str().unwrap_or("").to_owned()).collect::<String>()
        };
        assert_eq!(labels("listProjects").await, "abc");
        assert_eq!(labels("listProjects?limit=1&offset=1").await, "b");
        assert_eq!(labels("listProjects?limit=0&offset=0").await, "");
        assert_eq!(labels("listProjects?limit=9&offset=9").await, "");
        let negative = admin.get("listProjects?limit=-1&offset=0").await;
        assert!(negative.as_ref().is_err_and(|(code, text)| *code == 2800 && text.contains("`limit`")), "{negative:?}");
    }
}

on_both_databases! {
    async fn another_organisation_has_its_own_projects(database) {
        let admin = Admin::new(database).await;
        admin.project("mirror", json!({})).await;
        let item = admin
            .post("addImage", json!({"label": "mirror", "repository": "nginx", "tags": []}))
            .await
            .expect("an item");
        let other = admin.server.key_in("Other", &[Role::ImageAdmin], false).await;
        assert_eq!(admin.get_as(&other, "listProjects").await, Ok(json!([])));
        let before = admin.state().await;
        for query in ["getDetails?label=mirror", "listImages?label=mirror", "listRuns?label=mirror"] {
            let answer = admin.get_as(&other, query).await;
            assert!(answer.as_ref().is_err_and(|(code, _)| *code == 10101), "{query}: {answer:?}");
        }
        for (method, body, code) in [
            ("create", json!({"label": "x", "srcStore": "src", "destStore": "dest"}), 10010),
            ("setDetails", json!({"label": "mirror", "details": {}}), 10101),
            ("delete", json!({"label": "mirror"}), 10101),
            ("addImage", json!({"label": "mirror", "repository": "x", "tags": []}), 10101),
            ("updateImage", json!({"itemId": item["id"], "details": {}}), 10101),
            ("removeImage", json!({"itemId": item["id"]}), 10101),
        ] {
            let answer = admin.send(&format!("registrysync/{method}"), &other, &body).await;
            assert!(answer.as_ref().is_err_and(|(got, _)| *got == code), "{method}: {answer:?}");
        }
        assert_eq!(admin.state().await, before);
    }
}

#[tokio::test]
async fn accounts_without_the_role_or_read_only_change_nothing() {
    let admin = Admin::new(crate::support::database::TestDatabase::sqlite()).await;
    let body = json!({"label": "x", "srcStore": "src", "destStore": "dest"});
    let nobody = admin.server.key(&[Role::SatelliteAdmin], false).await;
    let refused = admin.send("registrysync/create", &nobody, &body).await;
    assert!(refused.is_err_and(|(code, _)| code == -23));
    let reader = admin.server.key(&[Role::ImageAdmin], true).await;
    let refused = admin
        .server
        .json(
            "POST",
            "registrysync/create",
            Some(&reader),
            Some(&body.to_string()),
        )
        .await;
    assert_eq!(refused.0, 403);
    assert_eq!(admin.get_as(&reader, "listProjects").await, Ok(json!([])));
}

#[tokio::test]
async fn a_struct_may_be_given_by_position() {
    let admin = Admin::new(crate::support::database::TestDatabase::sqlite()).await;
    let options = members(&[("placement", text("flat")), ("enabled", Xml::Integer(0))]);
    let args = vec![text("mirror"), text("src"), text("dest"), options];
    let made = admin.xml("create", args).await.expect("a project");
    let Xml::Struct(made) = made else {
        panic!("{made:?}")
    };
    assert_eq!(made["placement"], text("flat"));
    assert_eq!(made["enabled"], Xml::Boolean(false));
    let Xml::Integer(id) = made["id"] else {
        panic!("{made:?}")
    };
    let by_id = admin.xml("getDetails", vec![Xml::Integer(id)]).await;
    assert_eq!(by_id, admin.xml("getDetails", vec![text("mirror")]).await);
    // A label made of digits is a label.
    let (code, message) = admin
        .xml("getDetails", vec![text(&id.to_string())])
        .await
        .expect_err("no such label");
    assert_eq!(
        (code, message),
        (10101, format!("there is no project `{id}`"))
    );
}
