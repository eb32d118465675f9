use diesel::RunQueryDsl as _;
use dxr::Value as Xml;
use serde_json::{Value, json};

use super::Admin;
use crate::api::server::{members, text, texts};
use crate::support::database::TestDatabase;

fn add(repository: &str, tags: &[&str], options: &Value) -> Value {
    json!({"label": "mirror", "repository": repository, "tags": tags, "options": options})
}

/// A script's variable without a value must not select all tags.
#[tokio::test]
async fn nil_by_position_adds_nothing() {
    let admin = Admin::new(TestDatabase::sqlite()).await;
    admin.project("mirror", json!({})).await;
    for nils in 1..=3 {
        let given = [text(&admin.key), text("mirror"), text("app")];
        let args = given.into_iter().chain(vec![Xml::Nil; nils]).collect();
        let added = admin.server.xml("registrysync.addImage", args).await;
        let (code, message) = added.unwrap_err();
        assert_eq!(code, -1, "{nils}: {message}");
        assert!(message.contains("Could not find method"), "{message}");
    }
    let listed = admin.get("listImages?label=mirror").await;
    assert_eq!(listed, Ok(json!([])));
}

#[tokio::test]
async fn every_overload_adds_what_it_says() {
    let admin = Admin::new(TestDatabase::sqlite()).await;
    admin.project("mirror", json!({})).await;
    let options = || members(&[("semver", text("^1"))]);
    for (args, wanted) in [
        (
            vec![texts(&["1", "2"])],
            json!({"tags": ["1", "2"], "tags_regex": ""}),
        ),
        (vec![texts(&[])], json!({"tags": [], "tags_regex": ""})),
        (vec![text("^v")], json!({"tags": [], "tags_regex": "^v"})),
        (vec![text("")], json!({"tags": [], "tags_regex": ""})),
        (
            vec![texts(&["1"]), options()],
            json!({"tags": ["1"], "tags_regex": "", "semver": "^1"}),
        ),
        (
            vec![text("a"), options()],
            json!({"tags": [], "tags_regex": "a", "semver": "^1"}),
        ),
        (
            vec![texts(&["1"]), text("a")],
            json!({"tags": ["1"], "tags_regex": "a"}),
        ),
        (
            vec![texts(&["1"]), text("a"), options()],
            json!({"tags": ["1"], "tags_regex": "a", "semver": "^1"}),
        ),
    ] {
        let all = [text("mirror"), text("library/nginx")]
            .into_iter()
            .chain(args);
        let added = admin.xml("addImage", all.collect()).await.expect("an item");
        let Xml::Struct(added) = added else {
            panic!("{added:?}")
        };
        let Xml::Integer(id) = added["id"] else {
            panic!("{added:?}")
        };
        let mut wanted = wanted;
        wanted["id"] = json!(id);
        wanted["project_label"] = json!("mirror");
        wanted["repository"] = json!("library/nginx");
        let listed = admin.get("listImages?label=mirror").await.expect("items");
        assert_eq!(
            listed.as_array().and_then(|items| items.last()),
            Some(&wanted)
        );
    }
    let listed = admin
        .get("listImages?label=mirror&limit=2&offset=3")
        .await
        .expect("items");
    let all = admin.get("listImages?label=mirror").await.expect("items");
    assert_eq!(
        listed.as_array().map(Vec::as_slice),
        all.as_array().map(|items| &items[3..5])
    );
}

on_both_databases! {
    async fn an_item_is_changed_and_removed(database) {
        let admin = Admin::new(database).await;
        admin.project("mirror", json!({})).await;
        let digest = format!("sha256:{}", "0".repeat(64));
        let added = admin
            .post("addImage", add("library/nginx", &["1.10", &digest], &json!({
                "tags_regex": "^v", "tags_exclude_regex": "rc", "semver": ">=1 <2",
                "architectures": ["arm64"], "target_repository": "mirror/nginx",
            })))
            .await
            .expect("an item");
        assert_eq!(added["tags"], json!(["1.10", digest]));
        assert_eq!(added["target_repository"], "mirror/nginx");
        let id = &added["id"];
        let changed = admin
            .post("updateImage", json!({"itemId": id, "details": {
                "repository": "library/httpd", "tags": [], "tags_regex": "", "tags_exclude_regex": "",
                "semver": "^2", "architectures": [], "target_repository": "",
            }}))
            .await
            .expect("changed");
        let wanted = json!({
            "id": id, "project_label": "mirror", "repository": "library/httpd", "tags": [],
            "tags_regex": "", "semver": "^2",
        });
        assert_eq!(changed, wanted);
        let shown = admin.get("getDetails?label=mirror").await.expect("shown");
        assert_eq!(shown["items"], json!([wanted]));
        assert_eq!(admin.post("removeImage", json!({"itemId": id})).await, Ok(json!(1)));
        let gone = admin.post("removeImage", json!({"itemId": id})).await;
        assert!(gone.is_err_and(|(code, text)| code == 10101 && text.contains("item")));
        assert_eq!(admin.get("listImages?label=mirror").await, Ok(json!([])));
    }
}

on_both_databases! {
    async fn refused_items_leave_everything_as_it_was(database) {
        let admin = Admin::new(database).await;
        admin.project("mirror", json!({})).await;
        let item = admin.post("addImage", add("library/nginx", &["1"], &json!({}))).await.expect("an item");
        let update = |details| json!({"itemId": item["id"], "details": details});
        let simple = |repository: &str| add(repository, &["1"], &json!({}));
        let with = |options| add("redis", &[], &options);
        admin.refuse(vec![
            ("addImage", simple(""), 2800, "`repository`"),
            ("addImage", simple("Library/Nginx"), 2800, "`repository`"),
            ("addImage", simple("nginx:1"), 2800, "`repository`"),
            ("addImage", simple("https://h/nginx"), 2800, "`repository`"),
            ("addImage", add("redis", &["a b"], &json!({})), 2800, "`tags`: `a b`"),
            ("addImage", add("redis", &["1", ">1.0"], &json!({})), 2800, "semver"),
            ("addImage", add("redis", &["sha256:12"], &json!({})), 2800, "`tags`"),
            ("addImage", with(json!({"tags_regex": "ab(c"})), 2800, "`tags_regex`: `ab(c`"),
            ("addImage", with(json!({"tags_regex": "ab(c"})), 2800, "at character 3"),
            ("addImage", with(json!({"tags_exclude_regex": "[z-a]"})), 2800, "`tags_exclude_regex`"),
            ("addImage", with(json!({"tags_regex": "(?!rc)"})), 2800, "tags_exclude_regex"),
            ("addImage", with(json!({"semver": ">>1"})), 2800, "`semver`"),
            ("addImage", with(json!({"semver": ">2 <1"})), 2800, "`semver`"),
            ("addImage", with(json!({"architectures": [""]})), 2800, "`architectures`"),
            ("addImage", with(json!({"target_repository": "A"})), 2800, "`target_repository`"),
            ("addImage", with(json!({"tags": ["1"]})), 2800, "`tags`: it is given"),
            ("addImage", with(json!({"newset": 3})), 2801, "Invalid argument(s): newset"),
            ("addImage", with(json!({"newest": 0})), 2800, "`newest`: `0`: expected 1"),
            ("addImage", with(json!({"newest": -1})), 2800, "`newest`: `-1`: expected 1"),
            ("addImage", with(json!({"newest": "many"})), 0, "`options.newest`: expected int, or"),
            ("addImage", with(json!({"newest": 1, "newest_by": "age"})), 2800, "`newest_by`"),
            ("addImage", with(json!({"newest_by": "created"})), 2800, "`newest_by`"),
            ("addImage", with(json!({"newer_than_days": -7})), 2800, "`newer_than_days`: `-7`"),
            ("addImage", with(json!({"newer_than_days": 0})), 2800, "`newer_than_days`: `0`"),
            ("addImage", add("redis", &["1"], &json!({"newest": 2})), 2800, "`newest`: `2`: it limits what a pattern"),
            ("addImage", with(json!({"tags_exclude_regex": ".*"})), 2800, "`tags_exclude_regex`: `.*`: it excludes every tag"),
            ("addImage", add("redis", &["7"], &json!({"tags_exclude_regex": "7"})), 2800, "it excludes every tag"),
            ("addImage", json!({"label": "none", "repository": "a", "tags": []}), 10101, "`none`"),
            ("addImage", add("", &[], &json!({})), 2800, "`repository`"),
            ("addImage", with(json!({"repositories_regex": "^team/"})), 2800, "`repositories_regex`: the item has a `repository` as well"),
            ("addImage", with(json!({"repositories_exclude_regex": "x"})), 2800, "`repositories_exclude_regex`: the item has one `repository`"),
            ("addImage", add("", &[], &json!({"repositories_exclude_regex": "x"})), 2800, "`repository`"),
            ("addImage", add("", &[], &json!({"repositories_regex": "("})), 2800, "`repositories_regex`: `(`: at character 1"),
            ("addImage", add("", &[], &json!({"repositories_regex": "^(?!x)"})), 2800, "use `repositories_exclude_regex`"),
            ("addImage", add("", &[], &json!({"repositories_regex": "a", "repositories_exclude_regex": "["})), 2800, "`repositories_exclude_regex`: `[`"),
            ("addImage", add("", &[], &json!({"repositories_regex": "a", "repositories_exclude_regex": "."})), 2800, "it excludes every repository"),
            ("addImage", add("", &[], &json!({"repositories_regex": "^t", "repositories_exclude_regex": "^t"})), 2800, "it excludes every repository"),
            ("addImage", add("", &[], &json!({"repositories_regex": "a", "target_repository": "b"})), 2800, "`target_repository`: all repositories that match would be written to `b`"),
            ("addImage", add("", &[], &json!({"repositories_regex": "a", "tags_regex": "("})), 2800, "`tags_regex`"),
            ("updateImage", update(json!({"repositories_regex": "a", "repository": "b"})), 2800, "`repositories_regex`"),
            ("updateImage", update(json!({"repository": ""})), 2800, "`repository`"),
            ("updateImage", update(json!({"tags": ["*"], "semver": "^1"})), 2800, "`tags`"),
            ("updateImage", update(json!({"semver": "^1", "tags_regex": "("})), 2800, "`tags_regex`"),
            ("updateImage", update(json!({"enabled": true})), 2801, "enabled"),
            ("updateImage", json!({"itemId": 4711, "details": {}}), 10101, "4711"),
        ]).await;
    }
}

on_both_databases! {
    async fn a_pattern_of_repositories_is_set_changed_and_replaced(database) {
        let admin = Admin::new(database).await;
        admin.project("mirror", json!({})).await;
        let pattern = json!({"repositories_regex": "^team/", "repositories_exclude_regex": "old"});
        let added = admin.post("addImage", add("", &[], &pattern)).await.expect("an item");
        let shown = |item: &Value| {
            ["repository", "repositories_regex", "repositories_exclude_regex"].map(|name| item[name].clone())
        };
        assert_eq!(shown(&added), [json!(""), json!("^team/"), json!("old")]);
        let update = |details: Value| admin.post("updateImage", json!({"itemId": added["id"], "details": details}));
        let changed = update(json!({"semver": "^1"})).await.expect("changed");
        assert_eq!(shown(&changed), [json!(""), json!("^team/"), json!("old")]);
        let changed = update(json!({"repositories_regex": "^a"})).await.expect("changed");
        assert_eq!(shown(&changed), [json!(""), json!("^a"), json!("old")]);
        let changed = update(json!({"repositories_exclude_regex": ""})).await.expect("changed");
        assert_eq!(shown(&changed), [json!(""), json!("^a"), Value::Null]);
        admin.refuse(vec![
            ("updateImage", json!({"itemId": added["id"], "details": {"repositories_regex": ""}}), 2800, "`repository`"),
            ("updateImage", json!({"itemId": added["id"], "details": {"target_repository": "x"}}), 2800, "`target_repository`"),
        ]).await;
        let changed = update(json!({"repository": "app"})).await.expect("changed");
        assert_eq!(shown(&changed), [json!("app"), Value::Null, Value::Null]);
        let changed = update(json!({"repositories_regex": "b"})).await.expect("changed");
        assert_eq!(shown(&changed), [json!(""), json!("b"), Value::Null]);
        let details = admin.get("getDetails?label=mirror").await.expect("shown");
        assert_eq!(details["items"], json!([changed]));
    }
}

on_both_databases! {
    async fn the_limits_on_the_age_of_tags_are_set_and_unset(database) {
        let admin = Admin::new(database).await;
        admin.project("mirror", json!({})).await;
        let options = json!({"newest": "3", "newest_by": "created", "newer_than_days": 30});
        let added = admin.post("addImage", add("redis", &[], &options)).await.expect("an item");
        let limits = |item: &Value| ["newest", "newest_by", "newer_than_days"].map(|name| item[name].clone());
        assert_eq!(limits(&added), [json!(3), json!("created"), json!(30)]);
        let update = |details: Value| admin.post("updateImage", json!({"itemId": added["id"], "details": details}));
        let changed = update(json!({"newest": ""})).await.expect("changed");
        assert_eq!(limits(&changed), [Value::Null, Value::Null, json!(30)]);
        let changed = update(json!({"newer_than_days": "", "newest": 2.0})).await.expect("changed");
        assert_eq!(limits(&changed), [json!(2), Value::Null, Value::Null]);
        let shown = admin.get("getDetails?label=mirror").await.expect("shown");
        assert_eq!(shown["items"], json!([changed]));
    }
}

on_both_databases! {
    async fn platforms_of_items_and_the_form_of_indexes_agree(database) {
        let admin = Admin::new(database).await;
        admin.project("mirror", json!({"index": "keep"})).await;
        let item = admin.post("addImage", add("app", &["1"], &json!({}))).await.expect("an item");
        let arm64 = json!({"architectures": ["arm64"]});
        let set = |index: &str| json!({"label": "mirror", "details": {"index": index}});
        let update = json!({"itemId": item["id"], "details": arm64});
        let kept = "`index`: `keep` copies all platforms, but `architectures` of the item `app`";
        admin.refuse(vec![
            ("addImage", add("app", &["2"], &arm64), 2800, kept),
            ("updateImage", update.clone(), 2800, kept),
        ]).await;
        admin.post("setDetails", set("")).await.expect("changed");
        admin.post("updateImage", update).await.expect("changed");
        let digest = format!("sha256:{}", "0".repeat(64));
        admin.post("addImage", add("redis", &[&digest], &arm64)).await.expect("an item");
        let other = format!("gives an index with some platforms another digest, but the item `redis` names `{digest}`");
        admin.refuse(vec![
            ("setDetails", set("keep"), 2800, kept),
            ("setDetails", set("rewrite"), 2800, &other),
            ("setDetails", set("rewrite-single"), 2800, &other),
        ]).await;
        let changed = admin.post("setDetails", set("sparse")).await.expect("changed");
        assert_eq!(changed["index"], "sparse");
    }
}

on_both_databases! {
    async fn target_tags_have_one_source(database) {
        let admin = Admin::new(database).await;
        let set = |template: &str| json!({"label": "mirror", "details": {"target_tag": template}});
        admin.project("mirror", json!({"target_tag": "prod-{tag}"})).await;
        admin.post("addImage", add("app", &["1"], &json!({}))).await.expect("an item");
        admin.post("setDetails", set("prod")).await.expect("changed");
        admin.refuse(vec![
            ("addImage", add("app", &["2"], &json!({})), 2800, "`target_tag`: `app:1` and `app:2` would both be written to `app:prod`"),
            ("addImage", add("redis", &[], &json!({})), 2800, "`target_tag`: `prod` is the same name for every tag that `redis` selects"),
            ("addImage", add("redis", &["1", "2"], &json!({})), 2800, "`redis:1` and `redis:2`"),
            ("setDetails", set("{name}"), 2800, "`target_tag`"),
            ("setDetails", set("-{tag}"), 2800, "`target_tag`"),
            ("setDetails", set("{tag"), 2800, "`target_tag`"),
        ]).await;
        let changed = admin.post("setDetails", set("{tag}-{date}")).await.expect("changed");
        assert_eq!(changed["target_tag"], "{tag}-{date}");
        admin.post("addImage", add("redis", &[], &json!({}))).await.expect("an item");
        let changed = admin.post("setDetails", set("")).await.expect("changed");
        assert_eq!(changed["target_tag"], Value::Null);
    }
}

on_both_databases! {
    async fn placement_templates_place_every_repository(database) {
        let admin = Admin::new(database).await;
        admin.project("mirror", json!({"placement": "mirror/{name}"})).await;
        admin.post("addImage", add("a/app", &["1"], &json!({}))).await.expect("an item");
        let set = |placement: &str| json!({"label": "mirror", "details": {"placement": placement}});
        admin.refuse(vec![
            ("addImage", add("b/app", &["1"], &json!({})), 2800, "`a/app:1` and `b/app:1` would both be written to `mirror/app:1`"),
            ("setDetails", set("{registry}"), 2800, "`placement`"),
            ("setDetails", set("{tag}/{name}"), 2800, "`placement`"),
            ("setDetails", set(&format!("{}/{{name}}", "x".repeat(254))), 2800, "`placement`"),
        ]).await;
        let changed = admin.post("setDetails", set("{registry}/{repository}")).await.expect("changed");
        assert_eq!(changed["placement"], "{registry}/{repository}");
    }
}

on_both_databases! {
    async fn two_items_may_not_write_one_tag_from_different_sources(database) {
        let admin = Admin::new(database).await;
        admin.project("mirror", json!({"placement": "flat"})).await;
        let first = admin.post("addImage", add("a/nginx", &["1", "2"], &json!({}))).await.expect("an item");
        let clash = "`tags`: `a/nginx:2` and `b/nginx:2` would both be written to `nginx:2`";
        admin.refuse(vec![
            ("addImage", add("b/nginx", &["2", "3"], &json!({})), 2800, clash),
            ("addImage", add("c/other", &["1"], &json!({"target_repository": "nginx"})), 2800, "nginx:1"),
        ]).await;
        // No conflict: other tags, an excluded tag, another target, the same source again, a regex.
        for body in [
            add("b/nginx", &["3"], &json!({})),
            add("b/nginx", &["2", "7"], &json!({"tags_exclude_regex": "^2$"})),
            add("b/nginx", &["2"], &json!({"target_repository": "b/nginx"})),
            add("a/nginx", &["2"], &json!({})),
            add("b/nginx", &[], &json!({"tags_regex": "2"})),
        ] {
            admin.post("addImage", body.clone()).await.unwrap_or_else(|fault| panic!("{body}: {fault:?}"));
        }
        admin.refuse(vec![
            ("updateImage", json!({"itemId": first["id"], "details": {"tags": ["3"]}}), 2800, "nginx:3"),
        ]).await;
        // An item doesn't conflict with its own previous state.
        let again = json!({"itemId": first["id"], "details": {"tags": ["2"]}});
        admin.post("updateImage", again).await.expect("changed");

        admin.post("setDetails", json!({"label": "mirror", "details": {"placement": "path"}})).await.expect("changed");
        admin.post("addImage", add("b/nginx", &["2"], &json!({}))).await.expect("an item");
        admin.refuse(vec![
            ("setDetails", json!({"label": "mirror", "details": {"placement": "flat", "enabled": false}}), 2800, "nginx:2"),
        ]).await;
    }
}

on_both_databases! {
    async fn nothing_is_copied_onto_itself(database) {
        let admin = Admin::new(database).await;
        admin.store("team", "source.example:5000/team").await;
        let create = |label: &str, src: &str, dest: &str, placement: &str| json!({
            "label": label, "srcStore": src, "destStore": dest, "options": {"placement": placement},
        });
        // In one registry: flat moves most repositories, and a prefix moves all.
        admin.post("create", create("mirror", "src", "src", "flat")).await.expect("a project");
        admin.post("create", create("prefix", "src", "team", "path")).await.expect("a project");
        admin.refuse(vec![
            ("create", create("onto", "team", "team", "path"), 2800, "source and target are the same place, `"),
            ("addImage", add("nginx", &["1"], &json!({})), 2800, "`repository`: source and target are the same place, `"),
            ("addImage", add("a/nginx", &[], &json!({"target_repository": "a/nginx"})), 2800, "source and target are the same place, `"),
        ]).await;
        admin.post("addImage", add("a/nginx", &["1"], &json!({}))).await.expect("an item");
        admin.post("addImage", add("nginx", &["1"], &json!({"target_repository": "b"}))).await.expect("an item");
        // Under another tag it may stay where it is; a pattern would find its own copies.
        let promote = json!({"label": "promote", "srcStore": "src", "destStore": "src", "options": {"target_tag": "prod"}});
        admin.post("create", promote).await.expect("a project");
        let add_to = |tags: &[&str]| json!({"label": "promote", "repository": "app", "tags": tags, "options": {}});
        admin.post("addImage", add_to(&["rc"])).await.expect("an item");
        admin.refuse(vec![
            ("addImage", add_to(&[]), 2800, "`repository`: source and target are the same place, `"),
        ]).await;
    }
}

#[tokio::test]
async fn patterns_of_a_project_have_a_limit_together() {
    // All but one of those that fit.
    const FILL: &str = "INSERT INTO sync_item (project_id, repository, options)
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < 255)
        SELECT (SELECT min(id) FROM sync_project), 'r' || i,
            '{\"tags_exclude_regex\":\"' || printf('%04096d', 0) || '\"}' FROM n";
    let admin = Admin::new(TestDatabase::sqlite()).await;
    admin.project("mirror", json!({})).await;
    let filled = admin
        .server
        .app
        .db
        .run(|conn| Ok(diesel::sql_query(FILL).execute(conn)?));
    assert_eq!(filled.await.expect("no error"), 255);
    let add = |options: Value| admin.post("addImage", add("more", &[], &options));
    let longest = add(json!({"tags_regex": "x".repeat(4096)}));
    longest.await.expect("an item");
    let (code, message) = add(json!({"semver": "^1"})).await.expect_err("too much");
    assert_eq!(code, 2800);
    assert!(message.contains("1024 KiB in total"), "{message}");
    // Items without patterns don't count.
    add(json!({})).await.expect("an item");
}
