//! `registrysync.*` as far as it only uses the database, on both databases.

mod evidence;
mod items;
mod projects;
mod runs;
mod schedules;
mod statistics;

use dxr::Value as Xml;
use registrysync::api::namespaces;
use registrysync::service::Role;
use registrysync::store::projects::project::project_by_label;
use registrysync::store::{DbConnection, Error};
use registrysync::surface::RequestLimits;
use serde_json::{Value, json};

use super::server::{Server, quick_policy, text};
use crate::support::build::RunBuilder;
use crate::support::database::TestDatabase;

/// A fault's code and text.
type Answer<T = Value> = Result<T, (i64, String)>;

/// Queues a run of the project `mirror`; returns its id.
fn run_enqueue_one(conn: &mut DbConnection) -> Result<i64, Error> {
    let project = project_by_label(conn, 1, "mirror")?.expect("the project");
    Ok(RunBuilder::of(&project).enqueue(conn))
}

/// An image administrator with two stores, `src` and `dest`.
struct Admin {
    server: Server,
    key: String,
}

impl Admin {
    async fn new(database: TestDatabase) -> Admin {
        let registry = namespaces::registry();
        let server = Server::on(database, registry, RequestLimits::default(), quick_policy()).await;
        let key = server.key(&[Role::ImageAdmin], false).await;
        let admin = Admin { server, key };
        admin.store("src", "source.example:5000").await;
        admin.store("dest", "https://target.example").await;
        admin
    }

    async fn store(&self, label: &str, uri: &str) {
        let body = json!({"label": label, "uri": uri, "storeType": "registry", "credentials": {}});
        self.send("image/store/create", &self.key, &body)
            .await
            .expect("a store");
    }

    /// A project `label` from `src` to `dest`.
    async fn project(&self, label: &str, options: Value) -> Value {
        let body =
            json!({"label": label, "srcStore": "src", "destStore": "dest", "options": options});
        self.post("create", body).await.expect("a project")
    }

    async fn post(&self, method: &str, body: Value) -> Answer {
        self.send(&format!("registrysync/{method}"), &self.key, &body)
            .await
    }

    async fn send(&self, path: &str, key: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let (_, answer) = self.server.json("POST", path, Some(key), Some(&body)).await;
        outcome(&answer)
    }

    async fn get(&self, method_and_query: &str) -> Answer {
        self.get_as(&self.key, method_and_query).await
    }

    async fn get_as(&self, key: &str, method_and_query: &str) -> Answer {
        let path = format!("registrysync/{method_and_query}");
        let (_, answer) = self.server.json("GET", &path, Some(key), None).await;
        outcome(&answer)
    }

    /// By position, over XML-RPC.
    async fn xml(&self, method: &str, args: Vec<Xml>) -> Result<Xml, (i32, String)> {
        let params = std::iter::once(text(&self.key)).chain(args).collect();
        self.server
            .xml(&format!("registrysync.{method}"), params)
            .await
    }

    /// Everything that a refused call must leave unchanged.
    async fn state(&self) -> Value {
        let mut projects = self.get("listProjects").await.expect("projects");
        for project in projects.as_array_mut().expect("an array") {
            let id = project["id"].as_i64().expect("an id");
            *project = self
                .get(&format!("getDetails?id={id}"))
                .await
                .expect("a project");
        }
        projects
    }

    /// Makes calls that must be refused with this code and a text that contains this part, without
    /// changing anything.
    async fn refuse(&self, cases: Vec<(&str, Value, i64, &str)>) {
        let before = self.state().await;
        for (method, body, code, part) in cases {
            match self.post(method, body.clone()).await {
                Err((got, message)) => {
                    assert_eq!(got, code, "{method} {body}: {message}");
                    assert!(message.contains(part), "{method} {body}: {message}");
                }
                Ok(result) => panic!("{method} {body} was taken: {result}"),
            }
            assert_eq!(self.state().await, before, "{method} {body}");
        }
    }
}

fn outcome(answer: &Value) -> Answer {
    if answer["success"] == json!(true) {
        return Ok(answer["result"].clone());
    }
    let message = answer["message"].as_str().unwrap_or_default();
    Err((
        answer["code"].as_i64().unwrap_or_default(),
        message.to_owned(),
    ))
}
