//! The samples of the API's pages: each call works, in Python and with curl, on a server with the
//! objects that they name, and each response is what such a server answers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use regex::Regex;
use registrysync::api::{Method, Namespace, Registry as Methods, namespaces};
use registrysync::surface::docs::apidoc::{answer, samples};
use registrysync::taskomatic::{LeaseRules, RunLimits, Worker, WorkerOptions};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::people::Person;
use super::server::{ADMIN_PASSWORD, Server};
use crate::support::images::{Format, Image};
use crate::support::registry::Registry;
use crate::support::tables::Tables;
use crate::support::tools::installed;

/// A server with what the samples name.
struct World {
    server: Server,
    tables: Tables,
    registry: Registry,
    mirror: Registry,
}

impl World {
    async fn new() -> World {
        let (registry, mirror) = (Registry::start().await, Registry::start().await);
        for (seed, tag) in [(1, "1.27"), (10, "1.28")] {
            let image = Image::multi(Format::Oci, seed, 1000);
            image.store(&registry, "library/nginx", Some(tag));
        }
        let server = Server::on_api().await;
        let admin = server.admin().await;
        stores_make(&admin, registry.address(), mirror.address()).await;
        people_make(&admin).await;
        projects_make(&admin).await;
        make(&admin, "registrysync/createPlan", json!({"label": "web"})).await;
        runs_make(&server, &admin).await;
        let tables = Tables::keep(&server.app.db).await;
        World {
            server,
            tables,
            registry,
            mirror,
        }
    }

    fn origin(&self) -> String {
        format!("http://{}", self.server.address)
    }
}

async fn make(admin: &Person<'_>, path: &str, body: Value) -> Value {
    admin.post(path, body).await.expect(path)
}

async fn stores_make(admin: &Person<'_>, registry: &str, mirror: &str) {
    for (label, address) in [("hub", registry), ("mirror", mirror), ("attic", mirror)] {
        let uri = format!("http://{address}");
        let store = json!({"label": label, "uri": uri, "storeType": "registry", "credentials": {}});
        make(admin, "image/store/create", store).await;
    }
}

async fn people_make(admin: &Person<'_>) {
    let acme = json!({"name": "Acme", "adminLogin": "acme-admin", "adminPassword": "a long one",
        "prefix": "", "first": "", "last": "", "email": "", "usePam": false});
    make(admin, "org/create", acme).await;
    admin.make("anna.k").await;
    let role = json!({"login": "anna.k", "role": "image_admin"});
    make(admin, "user/addRole", role).await;
}

async fn projects_make(admin: &Person<'_>) {
    for label in ["web", "databases"] {
        let project = json!({"label": label, "srcStore": "hub", "destStore": "mirror"});
        make(admin, "registrysync/create", project).await;
        let image = json!({"label": label, "repository": "library/nginx", "tags": ["1.27"]});
        make(admin, "registrysync/addImage", image).await;
    }
    let schedule = json!({"label": "web", "cronExpr": "0 0 2 * * ?"});
    make(admin, "registrysync/setSchedule", schedule).await;
}

/// Run 1 ends, run 2 and housekeeping run 3 wait.
async fn runs_make(server: &Server, admin: &Person<'_>) {
    let stop = CancellationToken::new();
    let options = WorkerOptions {
        name: "node-1".to_owned(),
        slots: 2,
        leases: LeaseRules {
            lost_after: Duration::from_mins(1),
            attempts: 3,
        },
        limits: RunLimits::default(),
        grace: Duration::from_secs(5),
    };
    let db = server.app.db.clone();
    let worker = Worker::new(db, options, Arc::default(), Arc::default());
    make(admin, "registrysync/run", json!({"label": "web"})).await;
    let worker = tokio::spawn(worker.run(stop.clone()));
    for _ in 0..600 {
        let run = admin.get("registrysync/getRun?runId=1").await.unwrap();
        if run["status"] == "FINISHED" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.cancel();
    worker.await.unwrap();
    make(admin, "registrysync/run", json!({"label": "databases"})).await;
    admin.housekeeping_run().await;
}

/// All but `testNotification`, which needs a channel.
fn methods(registry: &Methods) -> impl Iterator<Item = (&Namespace, &Method)> {
    let namespaces = registry.catalog().namespaces();
    let all = namespaces.flat_map(|ns| ns.methods().map(move |method| (ns, method)));
    all.filter(|(_, method)| method.name() != "testNotification")
}

fn secrets(command: &mut Command) -> &mut Command {
    command
        .env("LOGIN", "admin")
        .env("PASSWORD", ADMIN_PASSWORD)
        .env("NEW_PASSWORD", "battery \\\" staple")
}

fn bash(script: &str, directory: &Path) -> String {
    let mut command = Command::new("bash");
    command.args(["-euc", script]).current_dir(directory);
    let output = secrets(&mut command).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_python_sample_works() {
    if !installed(&["python3"]) {
        return;
    }
    let (world, methods_all) = (World::new().await, namespaces::registry());
    let mut failed = Vec::new();
    for (ns, method) in methods(&methods_all) {
        let script = samples::python(ns, method, &world.origin());
        let output = secrets(Command::new("python3").args(["-c", &script])).output();
        let output = output.unwrap();
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            failed.push(format!("{script}\n{errors}"));
        }
        world.tables.restore().await;
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

/// The lists are shortened, and what differs each time is replaced.
fn recordable(name: &str, value: Value, world: &World) -> Value {
    static TIME: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\d(T[\d:.]+Z)?").unwrap());
    // After bytes and blobs.
    static CSV_DURATION: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(,\d+,\d+,\d+),\d+,").unwrap());
    let time = |found: &regex::Captures| match found.get(1) {
        Some(_) => "2027-01-02T03:04:05Z",
        None => "2027-01-02",
    };
    match value {
        Value::String(text) if name == "address" && text.parse::<IpAddr>().is_ok() => {
            json!("192.0.2.7")
        }
        Value::String(_) if name == "host" => json!("node-1"),
        Value::String(_) if name == "time_zone" => json!("Etc/UTC"),
        Value::String(text) => {
            let text = text.replace(world.registry.address(), "registry.example.com");
            let text = text.replace(world.mirror.address(), "mirror.example.com");
            let text = TIME.replace_all(&text, time);
            json!(CSV_DURATION.replace_all(&text, "$1,12,"))
        }
        Value::Number(_) if ["milliseconds", "duration_ms"].contains(&name) => json!(12),
        Value::Array(items) => {
            let first = items.into_iter().take(2);
            first.map(|item| recordable(name, item, world)).collect()
        }
        Value::Object(members) => {
            let shown = if members.len() > 30 { 2 } else { 30 };
            let members = members.into_iter().take(shown);
            let members = members.map(|(name, member)| {
                let member = recordable(&name, member, world);
                (name, member)
            });
            Value::Object(members.collect())
        }
        other => other,
    }
}

/// With `REGISTRYSYNC_RECORD` set, writes the responses instead.
#[tokio::test(flavor = "multi_thread")]
async fn every_curl_sample_works_and_is_answered_as_recorded() {
    if !installed(&["bash", "curl"]) {
        return;
    }
    let (world, methods_all) = (World::new().await, namespaces::registry());
    let directory = tempfile::tempdir().unwrap();
    let auth = methods_all.catalog().namespace("auth").unwrap();
    let login = samples::curl(auth, &auth.overloads("login")[0], &world.origin());
    let (mut answers, mut failed) = (BTreeMap::new(), Vec::new());
    let namespaces = methods_all.catalog().namespaces();
    let shown = namespaces.flat_map(|ns| samples::shown(ns).map(|one| answer::key(ns, one)));
    let shown: BTreeSet<String> = shown.collect();
    for (ns, method) in methods(&methods_all) {
        assert_eq!(bash(&login, directory.path()), "{\"success\":true}");
        let script = samples::curl(ns, method, &world.origin());
        let said = bash(&script, directory.path());
        let answer: Option<Value> = serde_json::from_str(&said).ok();
        match answer {
            Some(answer) if answer["success"] == true => {
                let verb = if method.is_read_only() { "GET" } else { "POST" };
                let path = format!("{}/{}", ns.name(), method.name()).replace('.', "/");
                let contract = world.server.contract().await;
                contract.check(verb, &path, 200, &said);
                let key = answer::key(ns, method);
                if shown.contains(&key) {
                    answers.insert(key, recordable("", answer, &world));
                }
            }
            None if said.contains("<methodResponse>") && !said.contains("<fault>") => {}
            _ => failed.push(format!("{script}\n{said}")),
        }
        world.tables.restore().await;
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/surface/assets/answers.json");
    let answers = format!("{:#}\n", json!(answers));
    if std::env::var_os("REGISTRYSYNC_RECORD").is_some() {
        std::fs::write(&path, &answers).unwrap();
    }
    let recorded = std::fs::read_to_string(&path).unwrap();
    assert!(
        recorded == answers,
        "src/surface/assets/answers.json is stale: REGISTRYSYNC_RECORD=1 writes it anew"
    );
}

/// A password may contain special characters of JSON, XML or a shell.
#[tokio::test(flavor = "multi_thread")]
async fn curl_samples_take_any_password() {
    const PASSWORD: &str = r#"a"b\c<d&e$f'g>h \n"#;
    if !installed(&["bash", "curl"]) {
        return;
    }
    let (server, registry) = (Server::on_api().await, namespaces::registry());
    let origin = format!("http://{}", server.address);
    let grace =
        json!({"login": "grace", "password": PASSWORD, "first": "", "last": "", "email": ""});
    server
        .admin()
        .await
        .post("user/create", grace)
        .await
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let auth = registry.catalog().namespace("auth").unwrap();
    let mut logins = 0;
    for method in auth.overloads("login") {
        let mut command = Command::new("bash");
        let script = samples::curl(auth, method, &origin);
        command
            .args(["-euc", &script])
            .current_dir(directory.path());
        let output = secrets(&mut command)
            .env("LOGIN", "grace")
            .env("PASSWORD", PASSWORD)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{script}\n{output:?}");
        let is_in = said.contains("\"success\":true")
            || (said.contains("<methodResponse>") && !said.contains("<fault>"));
        assert!(is_in, "{script}\n{said}");
        logins += 1;
    }
    assert_eq!(logins, 2);
}
