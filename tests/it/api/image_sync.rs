//! `image.sync`, over both wires and on both databases.

use dxr::Value as Xml;
use registrysync::api::namespaces;
use registrysync::service::Role;
use registrysync::store::stores::image_store::image_store_by_label;
use registrysync::surface::RequestLimits;
use serde_json::{Value, json};

use super::server::{Server, members, quick_policy, text, texts};
use crate::support::database::TestDatabase;

struct Client {
    server: Server,
    key: String,
}

impl Client {
    async fn new(database: TestDatabase) -> Client {
        let registry = namespaces::registry();
        let server = Server::on(database, registry, RequestLimits::default(), quick_policy()).await;
        let key = server.key(&[Role::ImageAdmin], false).await;
        let client = Client { server, key };
        for label in ["src", "dest", "17"] {
            let args = [label, &format!("r{label}.example"), "registry"].map(text);
            let args = args.into_iter().chain([members(&[])]).collect();
            client
                .xml("image.store.create", args)
                .await
                .expect("a store");
        }
        client
    }

    async fn store_id(&self, label: &'static str) -> i32 {
        let found = self
            .server
            .app
            .db
            .run(move |conn| image_store_by_label(conn, 1, label))
            .await;
        found
            .expect("no error")
            .expect("a store")
            .id
            .try_into()
            .expect("small")
    }

    async fn xml(&self, method: &str, args: Vec<Xml>) -> Result<Xml, (i32, String)> {
        let params = std::iter::once(text(&self.key)).chain(args).collect();
        self.server.xml(method, params).await
    }

    async fn sync(&self, method: &str, args: Vec<Xml>) -> Result<Xml, (i32, String)> {
        self.xml(&format!("image.sync.{method}"), args).await
    }

    async fn json(
        &self,
        verb: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, (i64, String)> {
        let (path, body) = (
            format!("image/sync/{path}"),
            body.map(|body| body.to_string()),
        );
        let (_, answer) = self
            .server
            .json(verb, &path, Some(&self.key), body.as_deref())
            .await;
        if answer["success"] == json!(true) {
            return Ok(answer["result"].clone());
        }
        let message = answer["message"].as_str().unwrap_or_default().to_owned();
        Err((answer["code"].as_i64().unwrap_or_default(), message))
    }

    async fn post(&self, method: &str, body: Value) -> Result<Value, (i64, String)> {
        self.json("POST", method, Some(body)).await
    }

    async fn get(&self, path: &str) -> Value {
        self.json("GET", path, None).await.expect(path)
    }
}

fn member(value: &Xml, name: &str) -> Xml {
    let Xml::Struct(members) = value else {
        panic!("{value:?}")
    };
    members[name].clone()
}

on_both_databases! {
    async fn projects_are_made_by_ids_or_labels_shown_changed_and_deleted(database) {
        let client = Client::new(database).await;
        let (src, dest) = (client.store_id("src").await, client.store_id("dest").await);
        let ids = vec![text("by-id"), Xml::Integer(src), Xml::Integer(dest), Xml::Boolean(true)];
        let made = client.sync("createProject", ids).await.expect("a project");
        assert_eq!(member(&made, "src_store_label"), text("src"));
        assert_eq!(member(&made, "scoped"), Xml::Boolean(true));
        // The text 17 is a label, never an id.
        let labels = vec![text("by-label"), text("17"), text("dest"), Xml::Boolean(false)];
        let made = client.sync("create_project", labels).await.expect("a project");
        assert_eq!(member(&made, "src_store_label"), text("17"));
        assert_eq!(member(&made, "scoped"), Xml::Boolean(false));

        let id = client.get("getProjectDetails?name=by-id").await["id"].clone();
        let project = |name: &str, scoped: bool| json!({
            "name": name, "src_store_label": "src", "dest_store_label": "dest", "scoped": scoped,
        });
        let mut wanted = project("by-id", true);
        wanted["id"] = id.clone();
        let listed = client.get("listProjects").await;
        assert_eq!(listed[0], wanted);
        assert_eq!(client.get("listProjects?limit=1&offset=1").await[0]["name"], "by-label");
        wanted["items"] = json!([]);
        assert_eq!(client.get(&format!("getProjectDetails?id={id}")).await, wanted);

        // `registrysync` shows the same ones: unscoped is flat.
        let (_, shown) = client.server.json("GET", "registrysync/listProjects", Some(&client.key), None).await;
        assert_eq!((&shown["result"][0]["placement"], &shown["result"][1]["placement"]), (&json!("scoped"), &json!("flat")));

        let update = |body: Value| client.post("updateProject", body);
        let changed = update(json!({"name": "by-label", "newSrc": "src", "newDest": ""})).await.expect("changed");
        assert_eq!((&changed["src_store_label"], &changed["dest_store_label"], &changed["scoped"]), (&json!("src"), &json!("dest"), &json!(false)));
        let changed = update(json!({"name": "by-label", "newSrc": "", "newDest": "17", "scope": "true"})).await.expect("changed");
        assert_eq!((&changed["src_store_label"], &changed["dest_store_label"], &changed["scoped"]), (&json!("src"), &json!("17"), &json!(true)));

        assert_eq!(client.sync("deleteProject", vec![text("by-label")]).await, Ok(Xml::Integer(1)));
        assert_eq!(client.post("deleteProject", json!({"name": "by-id"})).await, Ok(json!(1)));
        assert_eq!(client.get("listProjects").await, json!([]));
    }
}

on_both_databases! {
    async fn items_are_added_in_every_form_changed_and_deleted(database) {
        let client = Client::new(database).await;
        let body = json!({"name": "web", "src": "src", "dest": "dest", "scoped": false});
        let made = client.post("createProject", body).await.expect("a project");
        let id = i32::try_from(made["id"].as_i64().expect("an id")).expect("small");
        let mut wanted = Vec::new();
        for (number, project) in [text("web"), Xml::Integer(id)].into_iter().enumerate() {
            for (form, args, tags, regex) in [
                ("tags", vec![texts(&["1", "2"])], vec!["1", "2"], ""),
                ("none", vec![texts(&[])], vec![], ""),
                ("regex", vec![text("^v")], vec![], "^v"),
                ("both", vec![texts(&["1"]), text("^v")], vec!["1"], "^v"),
            ] {
                let repository = format!("{form}{number}");
                let args = [vec![project.clone(), text(&repository)], args].concat();
                let item = client.sync("createSyncItem", args).await.expect("an item");
                assert_eq!(member(&item, "tags"), texts(&tags));
                assert_eq!(member(&item, "tags_regex"), text(regex));
                let Xml::Integer(id) = member(&item, "id") else { panic!("{item:?}") };
                wanted.push(json!({"id": id, "repository": repository, "tags": tags, "tags_regex": regex}));
            }
        }
        for (body, tags, regex) in [
            (json!({"project": "web", "repository": "j1", "tags": ["1"]}), json!(["1"]), ""),
            (json!({"project": id, "repository": "j2", "tagsRegex": "x"}), json!([]), "x"),
        ] {
            let item = client.post("createSyncItem", body).await.expect("an item");
            assert_eq!((&item["tags"], &item["tags_regex"]), (&tags, &json!(regex)));
            wanted.push(item);
        }
        let details = client.get("getProjectDetails?name=web").await;
        assert_eq!(details["items"], json!(wanted));

        let first = wanted[0]["id"].as_i64().expect("an id");
        let body = json!({"itemId": first, "repository": "new", "tags": [], "tagsRegex": "y"});
        let changed = client.post("updateImageSyncItem", body).await.expect("changed");
        assert_eq!(changed, json!({"id": first, "repository": "new", "tags": [], "tags_regex": "y"}));
        for item in &wanted {
            let args = vec![Xml::Integer(item["id"].as_i64().and_then(|id| id.try_into().ok()).expect("small"))];
            assert_eq!(client.sync("deleteSyncItem", args).await, Ok(Xml::Integer(1)));
        }
        assert_eq!(client.get("getProjectDetails?name=web").await["items"], json!([]));
    }
}

on_both_databases! {
    async fn refused_calls_change_nothing(database) {
        let client = Client::new(database).await;
        let body = json!({"name": "web", "src": "src", "dest": "dest", "scoped": false});
        client.post("createProject", body.clone()).await.expect("a project");
        let item = json!({"project": "web", "repository": "a", "tags": ["1"]});
        let id = client.post("createSyncItem", item).await.expect("an item")["id"].clone();
        let before = client.get("getProjectDetails?name=web").await;
        for (method, body, code, part) in [
            ("createProject", body, 10100, "`web`"),
            ("createProject", json!({"name": "x", "src": 4711, "dest": 4712, "scoped": true}), 10010, "Image Store not found: 4711"),
            ("createProject", json!({"name": "x", "src": "none", "dest": "dest", "scoped": true}), 10010, "Image Store not found: none"),
            ("updateProject", json!({"name": "none", "newSrc": "", "newDest": ""}), 10101, "`none`"),
            ("updateProject", json!({"name": "web", "newSrc": "none", "newDest": ""}), 10010, "none"),
            ("updateProject", json!({"name": "web", "newSrc": "", "newDest": "src", "scope": false}), 2800, "source and target are the same"),
            ("deleteProject", json!({"name": "none"}), 10101, "`none`"),
            ("createSyncItem", json!({"project": 4711, "repository": "a", "tags": []}), 10101, "4711"),
            ("createSyncItem", json!({"project": "web", "repository": "A", "tags": []}), 2800, "`repository`"),
            ("createSyncItem", json!({"project": "web", "repository": "b", "tagsRegex": "("}), 2800, "`tags_regex`"),
            ("updateImageSyncItem", json!({"itemId": id, "repository": "", "tags": [], "tagsRegex": ""}), 2800, "`repository`"),
            ("deleteSyncItem", json!({"itemId": 4711}), 10101, "4711"),
        ] {
            match client.post(method, body.clone()).await {
                Err((got, message)) => {
                    assert!(got == code && message.contains(part), "{method} {body}: {got} {message}");
                }
                Ok(result) => panic!("{method} {body} was taken: {result}"),
            }
            assert_eq!(client.get("getProjectDetails?name=web").await, before, "{method} {body}");
        }
        let key = client.server.key_in("Other", &[Role::ImageAdmin], false).await;
        let (_, hidden) = client.server.json("GET", "image/sync/getProjectDetails?name=web", Some(&key), None).await;
        assert_eq!(hidden["code"], 10101);
        let (_, hidden) = client.server.json("GET", "image/sync/listProjects", Some(&key), None).await;
        assert_eq!(hidden["result"], json!([]));
    }
}
