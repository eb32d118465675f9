//! The served `OpenAPI` document in third-party tools, which `scripts/test` installs with pip.
//!
//! `schemathesis_hooks.py` gives schemathesis its session, and the server's objects (`known.json`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::server::{PASSWORD, Server, Session};
use crate::support::images::{AMD64, Blob, Format, Image, client};
use crate::support::registry::Registry;
use crate::support::tools::usable;

/// How many calls of each method schemathesis generates, besides those at the edges of its schema.
const EXAMPLES: &str = "16";
/// It takes a minute; this is in case it doesn't end.
const BOUND: Duration = Duration::from_mins(4);
/// A program of `tests/requirements.txt`; `None` if it isn't installed, which is a failure in CI.
fn tool(name: &str) -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_BIN_EXE_registrysync"))
        .ancestors()
        .nth(2);
    let program = target.unwrap().join("pypi-tools/bin").join(name);
    usable(program.to_str().unwrap(), &["--version"]).then_some(program)
}

async fn document(server: &Server) -> Value {
    let url = format!("{}/rhn/manager/api/openapi.json", server.url);
    let answer = client().get(url).send().await.unwrap();
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_validator_takes_the_document() {
    let Some(validator) = tool("openapi-spec-validator") else {
        return;
    };
    let server = Server::start(None);
    let document = document(&server).await;
    let mut broken = document.clone();
    broken["paths"]["/registrysync/run"]["post"]["responses"] = json!([]);
    for (document, good) in [(document, true), (broken, false)] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("openapi.json");
        std::fs::write(&file, document.to_string()).unwrap();
        let mut command = assert_cmd::Command::new(&validator);
        let output = command.arg(&file).timeout(BOUND).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.success(), good, "{said}");
        assert_eq!(said.contains("OK"), good, "{said}");
    }
}

/// A proxy that hangs up. Whatever host a call names, the server only contacts this one for it.
async fn closed_proxy() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    url
}

/// Stores, projects, a run and accounts for the calls.
async fn seed(session: &Session, source: &Registry, target: &Registry) {
    let image = Image::multi(Format::Oci, 1, 2000);
    image.store(source, "team/app", Some("1.0"));
    let image = Image::single(Format::Docker, AMD64, &[Blob::layer(2, 2000)]);
    image.store(source, "team/app", Some("1.1"));
    let (source, target) = (source.address(), target.address());
    session.project(source, target, &["team/app"]).await;
    let run = session.run().await;
    assert_eq!(session.run_ended(run).await["status"], "FINISHED");
    session.store("spare", target).await;
    let body = json!({"label": "spare", "srcStore": "from", "destStore": "to"});
    session.post("registrysync/create", body).await.unwrap();
    for login in ["tester", "keeper"] {
        let body = json!({"login": login, "password": PASSWORD, "first": "T", "last": "T",
            "email": "t@example.com"});
        session.post("user/create", body).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_calls_find_no_server_error_and_no_undocumented_answer() {
    let Some(schemathesis) = tool("schemathesis") else {
        return;
    };
    let (source, target) = (Registry::start().await, Registry::start().await);
    let proxy_url = closed_proxy().await;
    let server = Server::with_environment(vec![
        ("HTTP_PROXY", proxy_url.clone()),
        ("HTTPS_PROXY", proxy_url),
        ("NO_PROXY", "127.0.0.1".to_owned()),
    ]);
    let (session, other) = (server.login().await, server.login().await);
    seed(&session, &source, &target).await;
    let directory = tempfile::tempdir().unwrap();
    let results = directory.path().join("results");
    let hooks =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/whole/openapi/schemathesis_hooks.py");
    let uris = [&source, &target].map(|registry| format!("http://{}", registry.address()));
    let account = json!({"login": ["admin"], "username": ["admin"], "password": [PASSWORD]});
    let mut command = Command::new(schemathesis);
    command
        .current_dir(directory.path())
        .env("SCHEMATHESIS_HOOKS", hooks)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NO_PROXY", "127.0.0.1")
        .env("TEST_SESSION", &session.key)
        .env("TEST_OTHER_SESSION", &other.key)
        .env("TEST_URIS", uris.join(" "))
        .env("TEST_ACCOUNT", account.to_string())
        .env("TEST_RESULTS", &results)
        .args(["--no-color", "run"])
        .arg(format!("{}/rhn/manager/api/openapi.json", server.url))
        // A fault is a response with status 200, and values may be sent as text: schemathesis would
        // take both for wrong data being accepted.
        .args(["--checks=all", "--exclude-checks=negative_data_rejection"])
        .args([
            "--generation-deterministic",
            "--continue-on-failure",
            "--request-timeout=60",
        ])
        .args(["--max-examples", EXAMPLES, "--suppress-health-check=all"])
        // No text can contain it, which the schema of every text would have to repeat.
        .arg("--generation-allow-x00=false")
        .arg("--generation-with-security-parameters=false");
    let mut bounded = assert_cmd::Command::from_std(command);
    let output = tokio::task::spawn_blocking(move || bounded.timeout(BOUND).output().unwrap());
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let document = document(&server).await;
    let paths = document["paths"].as_object().unwrap();
    assert!(said.contains(&format!("Tested: {}", paths.len())), "{said}");
    // A method without a successful call says nothing about results; some depend on chance.
    let results = std::fs::read_to_string(results).unwrap();
    let reached: BTreeSet<&str> = results.lines().collect();
    let missed = paths.keys().filter(|path| !reached.contains(path.as_str()));
    let missed: Vec<&String> = missed.collect();
    assert!(
        missed.len() * 10 <= paths.len(),
        "never a result of {missed:?}: see known.json"
    );
    // The session and the account were never the subject of a call.
    session.get("user/listAssignableRoles", &[]).await.unwrap();
}
