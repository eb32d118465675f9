//! Who may call what. Every method of the registry is called: with each role and as read-only accounts,
//! compared with the page `api-docs/roles.adoc`; and as a user of another organisation.

use std::collections::BTreeMap;
use std::path::Path;

use dxr::Value;
use registrysync::api::types::Kind;
use registrysync::api::{Method, Registry, SessionUse, namespaces};
use registrysync::service::Role;
use serde_json::json;

use super::people::{Person, server};
use super::server::{Server, members, text, texts};
use crate::support::database::TestDatabase;

/// A value of this type that refers to nothing.
fn nothing(kind: Kind) -> Value {
    match kind {
        Kind::Text => text("no-such-thing"),
        Kind::Int => Value::Integer(987_654),
        Kind::Boolean => Value::Boolean(false),
        Kind::Double => Value::Double(0.5),
        Kind::Date => Value::DateTime("20260131T00:00:00".parse().expect("a date")),
        Kind::Bytes => Value::Base64(Vec::new()),
        Kind::Struct => members(&[]),
        Kind::Array => texts(&[]),
    }
}

/// Every signature that needs a session, with its full name.
fn signatures(registry: &Registry) -> Vec<(String, &Method)> {
    let all = registry.catalog().namespaces().flat_map(|ns| {
        let named = move |method: &'static str| format!("{}.{method}", ns.name());
        ns.methods()
            .map(move |method| (named(method.name()), method))
    });
    all.filter(|(_, method)| method.session() == SessionUse::Always)
        .collect()
}

/// The rows of the page: five cells by method.
fn table() -> BTreeMap<String, Vec<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("api-docs/roles.adoc");
    let page = std::fs::read_to_string(page).expect("the page");
    page.lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let mut cells = line.split('|').skip(1).map(|cell| cell.trim().to_owned());
            let name = cells.next().expect("a name").trim_matches('`').to_owned();
            (name, cells.collect())
        })
        .collect()
}

#[derive(Debug, PartialEq, Eq)]
enum ServeOptions {
    Open,
    NoRole,
    OnlyReading,
}

/// Calls over both wires, which must agree.
async fn knock(
    server: &Server,
    key: &str,
    name: &str,
    method: &Method,
    args: Vec<Value>,
    json_args: &serde_json::Value,
) -> ServeOptions {
    let params = std::iter::once(text(key)).chain(args).collect();
    let by_xml = match server.xml(name, params).await {
        Err((-23, _)) => ServeOptions::NoRole,
        Err((-1, message)) if message.contains("read-only API users") => {
            assert_eq!(
                message,
                format!(
                    "The {} API is not available to read-only API users",
                    method.name()
                )
            );
            ServeOptions::OnlyReading
        }
        Err((-1, message)) => panic!("{name}: {message}"),
        _ => ServeOptions::Open,
    };
    let verb = if method.is_read_only() { "GET" } else { "POST" };
    let path = name.replace('.', "/");
    let (status, answer) = server
        .json(verb, &path, Some(key), Some(&json_args.to_string()))
        .await;
    let by_json = match (status, answer["code"].as_i64()) {
        (200, Some(-23)) => ServeOptions::NoRole,
        (403, None) => ServeOptions::OnlyReading,
        (200 | 400, _) => ServeOptions::Open,
        other => panic!("{name}: {other:?} {answer}"),
    };
    assert_eq!(by_xml, by_json, "{name} {answer}");
    by_xml
}

/// The same as [`nothing`] for JSON.
fn nothing_json(kind: Kind) -> serde_json::Value {
    match kind {
        Kind::Text => json!("no-such-thing"),
        Kind::Int => json!(987_654),
        Kind::Boolean => json!(false),
        Kind::Double => json!(0.5),
        Kind::Date => json!("2026-01-31T00:00:00Z"),
        Kind::Bytes => json!(""),
        Kind::Struct => json!({}),
        Kind::Array => json!([]),
    }
}

/// Positional and named arguments; `login` is `login`, if one is given.
fn arguments(method: &Method, login: Option<&str>) -> (Vec<Value>, serde_json::Value) {
    let mut by_name = json!({});
    let mut by_place = Vec::new();
    for parameter in method.parameters() {
        let kind = parameter.shape.kind();
        let given = login.filter(|_| parameter.name == "login");
        by_place.push(given.map_or_else(|| nothing(kind), text));
        by_name[parameter.name] = given.map_or_else(|| nothing_json(kind), |login| json!(login));
    }
    (by_place, by_name)
}

#[tokio::test]
async fn every_method_lets_in_whom_the_page_says() {
    let server = server(TestDatabase::sqlite()).await;
    let registry = namespaces::registry();
    let table = table();
    let roles = [
        None,
        Some(Role::ImageAdmin),
        Some(Role::OrgAdmin),
        Some(Role::SatelliteAdmin),
    ];
    let mut number = 0;
    for (column, role) in roles.into_iter().enumerate() {
        for read_only in [false, true] {
            let key = server.key(role.as_slice(), read_only).await;
            let login = format!("tester{number}");
            number += 1;
            for (name, method) in signatures(&registry) {
                let row = &table[&name];
                let reads = row[4] == "yes";
                let expected = |allowed: bool| match allowed {
                    false => ServeOptions::NoRole,
                    true if read_only && !reads => ServeOptions::OnlyReading,
                    true => ServeOptions::Open,
                };
                let (args, by_name) = arguments(method, None);
                let door = knock(&server, &key, &name, method, args, &by_name).await;
                let who = format!("{role:?}, read-only {read_only}: {name}");
                assert_eq!(door, expected(row[column] == "yes"), "{who}");
                // The caller's own account: the same as for others, or allowed if the page says so.
                let (args, by_name) = arguments(method, Some(&login));
                if row[4] == "yes" && by_name.get("login").is_some() {
                    let door = knock(&server, &key, &name, method, args, &by_name).await;
                    assert_eq!(door, expected(row[column] != "-"), "{who} (own)");
                }
            }
        }
    }
}

#[test]
fn the_page_has_every_method_and_the_sessionless_are_open() {
    let registry = namespaces::registry();
    let table = table();
    let mut names: Vec<String> = Vec::new();
    for namespace in registry.catalog().namespaces() {
        for method in namespace.methods() {
            let name = format!("{}.{}", namespace.name(), method.name());
            let open = table[&name][..4].iter().all(|cell| cell == "open");
            assert_eq!(open, method.session() != SessionUse::Always, "{name}");
            names.push(name);
        }
    }
    names.dedup();
    names.sort();
    assert_eq!(
        table.keys().collect::<Vec<_>>(),
        names.iter().collect::<Vec<_>>()
    );
}

/// Names and ids of objects: an organisation's, or nonexistent ones.
#[derive(Clone, Debug)]
struct Things {
    store: &'static str,
    project: &'static str,
    login: &'static str,
    project_id: i64,
    item_id: i64,
    run_id: i64,
    plan_id: i64,
    job: &'static str,
    schedule_id: i64,
}

const NOTHING: Things = Things {
    store: "nobodys-store",
    project: "nobodys-project",
    login: "nobodys-user",
    project_id: 987_654,
    item_id: 987_655,
    run_id: 987_656,
    plan_id: 987_658,
    job: "nobodys-job",
    schedule_id: 987_657,
};

impl Things {
    async fn of(owner: &Person<'_>) -> Things {
        let mut things = Things {
            store: "acme-secret-store",
            project: "acme-secret-project",
            login: "acme-secret-user",
            job: "acme-secret-job",
            ..NOTHING
        };
        for label in [things.store, "acme-secret-target"] {
            let uri = format!("{label}.invalid");
            let store =
                json!({"label": label, "uri": uri, "storeType": "registry", "credentials": {}});
            owner
                .post("image/store/create", store)
                .await
                .expect("a store");
        }
        let ends = json!({"label": things.project, "srcStore": things.store, "destStore": "acme-secret-target"});
        let project = owner
            .post("registrysync/create", ends)
            .await
            .expect("a project");
        // Without items it asks no registry.
        let plan = json!({"label": things.project});
        let plan = owner.post("registrysync/createPlan", plan).await;
        let item = json!({"label": things.project, "repository": "acme-secret/app", "tags": ["1"]});
        let item = owner
            .post("registrysync/addImage", item)
            .await
            .expect("an item");
        let run = owner
            .post("registrysync/run", json!({"label": things.project}))
            .await;
        owner.make(things.login).await;
        things.project_id = project["id"].as_i64().expect("an id");
        things.item_id = item["id"].as_i64().expect("an id");
        things.run_id = run.expect("a run").as_i64().expect("an id");
        things.plan_id = plan.expect("a plan")["id"].as_i64().expect("an id");
        things.schedule_id = things.schedule(owner).await;
        things
    }

    async fn schedule(&self, owner: &Person<'_>) -> i64 {
        let job = json!({"bunch": "image-registry-sync-bunch", "jobLabel": self.job, "cronExpr": "0 0 3 1 1 ?",
            "params": {"project_id": self.project_id.to_string()}});
        owner
            .post("taskomatic/org/scheduleBunch", job)
            .await
            .expect("a schedule");
        let all = owner.get("taskomatic/org/listAllSchedules").await;
        all.expect("a list")[0]["id"].as_i64().expect("an id")
    }

    fn argument(&self, method: &str, parameter: &str, kind: Kind) -> Value {
        let number = |id: i64| Value::Integer(i32::try_from(id).expect("a small id"));
        match (kind, parameter) {
            (Kind::Text, "label") if method.starts_with("image.store.") => text(self.store),
            (Kind::Text, "storeLabel" | "srcStore" | "destStore" | "src" | "dest") => {
                text(self.store)
            }
            (Kind::Text, "label" | "name" | "project") => text(self.project),
            (Kind::Text, "login") => text(self.login),
            (Kind::Text, "password") => text("first pass"),
            (Kind::Text, "jobLabel") => text(self.job),
            (Kind::Int, "id") if method.ends_with("lookupScheduleById") => number(self.schedule_id),
            (Kind::Int, "scheduleId") => number(self.schedule_id),
            (Kind::Int, "itemId") => number(self.item_id),
            (Kind::Int, "runId") => number(self.run_id),
            (Kind::Int, "planId") => number(self.plan_id),
            (Kind::Int, "id" | "project" | "projectId") => number(self.project_id),
            (Kind::Int, _) => Value::Integer(100),
            // A valid selection, so that only the named object can be wrong.
            (Kind::Text, "repository") => text("library/nginx"),
            (Kind::Text, _) => text(""),
            (kind, _) => nothing(kind),
        }
    }

    fn hidden_in(&self, shown: &str) -> String {
        let names = [self.store, self.project, self.login, self.job].map(str::to_owned);
        let ids = [
            self.schedule_id,
            self.item_id,
            self.run_id,
            self.plan_id,
            self.project_id,
        ];
        let ids = ids.map(|id| format!("id {id}"));
        let mut shown = shown.to_owned();
        for name in names.iter().chain(&ids) {
            shown = shown.replace(name, "…");
        }
        shown
    }
}

/// Everything that the owner has.
async fn state(owner: &Person<'_>, things: &Things) -> Vec<serde_json::Value> {
    let label = things.project;
    let mut all = Vec::new();
    for path in [
        format!("registrysync/getDetails?label={label}"),
        format!("registrysync/listRuns?label={label}"),
        format!("registrysync/getRunLog?runId={}", things.run_id),
        format!("registrysync/getPlan?planId={}", things.plan_id),
        "image/store/listImageStores".to_owned(),
        "taskomatic/org/listAllSchedules".to_owned(),
        "user/listUsers".to_owned(),
        format!("user/getDetails?login={}", things.login),
        format!("user/listRoles?login={}", things.login),
    ] {
        all.push(owner.get(&path).await.expect(&path));
    }
    all
}

#[tokio::test]
async fn nothing_of_another_organisation_is_visible_or_changed() {
    let server = server(TestDatabase::sqlite()).await;
    let key = server.key_in("Acme", &[Role::OrgAdmin], false).await;
    let owner = Person {
        server: &server,
        key,
    };
    let theirs = Things::of(&owner).await;
    let before = state(&owner, &theirs).await;
    let stranger = server.key(&[Role::OrgAdmin, Role::ImageAdmin], false).await;
    let call = async |name: &str, method: &Method, things: &Things| {
        let parameters = method.parameters().iter();
        let args = parameters.map(|p| things.argument(name, p.name, p.shape.kind()));
        let params = std::iter::once(text(&stranger)).chain(args).collect();
        server.xml(name, params).await
    };
    let registry = namespaces::registry();
    for (name, method) in signatures(&registry) {
        let came = call(&name, method, &theirs).await;
        if name == "user.create" {
            // A login is unique across organisations.
            assert_eq!(came.map_err(|(code, _)| code), Err(10100));
            continue;
        }
        match (came, call(&name, method, &NOTHING).await) {
            (Ok(result), _) => {
                let shown = format!("{result:?}");
                assert!(!shown.contains("acme-secret"), "{name}: {shown}");
            }
            (Err((code, message)), Err((same_code, same_message))) => {
                assert_eq!(code, same_code, "{name}: {message}");
                let [one, other] = [(&theirs, message), (&NOTHING, same_message)]
                    .map(|(things, message)| things.hidden_in(&message));
                assert_eq!(one, other, "{name}");
            }
            (Err(fault), Ok(_)) => panic!("{name} tells that it is there: {fault:?}"),
        }
    }
    assert_eq!(state(&owner, &theirs).await, before);
}
