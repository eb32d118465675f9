//! The served `OpenAPI` document before the tools of others, which `scripts/test` installs from PyPI.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::clients::usable;
use super::server::{PASSWORD, Server, Session};
use crate::support::images::{AMD64, Blob, Format, Image, client};
use crate::support::registry::Registry;

/// How long schemathesis may go on inventing calls, in seconds.
const INVENTING: &str = "60";
/// It ends by itself; this is for the case that it doesn't.
const BOUND: Duration = Duration::from_mins(4);
/// A method of which schemathesis finds no call that works says nothing about results.
const REACHED: [&str; 12] = [
    "/auth/login",
    "/auth/logout",
    "/image/store/create",
    "/registrysync/addImage",
    "/registrysync/create",
    "/registrysync/getDetails",
    "/registrysync/listTags",
    "/registrysync/ping",
    "/registrysync/plan",
    "/registrysync/previewTags",
    "/registrysync/run",
    "/user/getDetails",
];

/// A program of `tests/requirements.txt`; `None` where it isn't installed, which in CI is a failure.
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

/// A proxy that hangs up. Whatever host a call names, the server asks only this one for it.
async fn closed_proxy() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    url
}

/// Stores, projects, a run and accounts that calls can be about.
async fn seed(session: &Session, source: &Registry, target: &Registry) {
    let image = Image::multi(Format::Oci, 1, 2000);
    image.store(source, "team/app", Some("1.0"));
    let image = Image::single(Format::Docker, AMD64, &[Blob::layer(2, 2000)]);
    image.store(source, "team/app", Some("1.1"));
    let (source, target) = (source.address(), target.address());
    session.project(source, target, &["team/app"]).await;
    let run = session.run().await;
    assert_eq!(session.run_ended(run).await["status"], "FINISHED");
    for login in ["tester", "keeper"] {
        let body = json!({"login": login, "password": PASSWORD, "first": "T", "last": "T",
            "email": "t@example.com"});
        session.post("user/create", body).await.unwrap();
    }
}

/// Values that calls can be about, by the name of the parameter or member.
fn known(source: &Registry, target: &Registry) -> Value {
    let addresses = [source, target].map(|registry| format!("http://{}", registry.address()));
    let (stores, labels) = (json!(["from", "to"]), json!(["web", "more", "third"]));
    json!({
        "storeLabel": stores, "srcStore": stores, "destStore": stores,
        "src_store_label": stores, "dest_store_label": stores,
        "src": ["from", 1], "dest": ["to", 2], "newSrc": ["from", ""], "newDest": ["to", ""],
        "label": ["web", "more", "from", "to", "spare"], "name": labels, "project": ["web", 1],
        "uri": addresses, "storeType": ["registry"], "repository": ["team/app"], "image": ["team/app"],
        "tag": ["1.0", "1.1"], "tags": ["1.0"], "tagsRegex": ["^1"], "tags_regex": ["^1"],
        "filter": ["^1", "app"], "placement": ["flat", "path"], "semver": [">=1"],
        "architectures": ["amd64"], "architecture": ["amd64"], "target_repository": ["other/app"],
        "login": ["tester", "keeper", "fresh1", "fresh2"], "adminLogin": ["other1", "other2"],
        "role": ["image_admin", "org_admin"], "cronExpr": ["0 0 3 ? * MON-FRI", ""],
        "password": [PASSWORD], "adminPassword": [PASSWORD], "namespace": ["registrysync"],
        "methodName": ["api.getVersion", "registrysync.run"], "version": [1],
        "id": [1, 2], "runId": [1, 2], "itemId": [1, 2], "limit": [2], "offset": [0, 1],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_no_server_error_and_no_answer_outside_the_schema() {
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
    let account = json!({"login": ["admin"], "username": ["admin"], "password": [PASSWORD]});
    let mut command = Command::new(schemathesis);
    command
        .current_dir(directory.path())
        .env("SCHEMATHESIS_HOOKS", hooks)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NO_PROXY", "127.0.0.1")
        .env("TEST_SESSION", &session.key)
        .env("TEST_OTHER_SESSION", &other.key)
        .env("TEST_KNOWN", known(&source, &target).to_string())
        .env("TEST_ACCOUNT", account.to_string())
        .env("TEST_RESULTS", &results)
        .args(["--no-color", "run"])
        .arg(format!("{}/rhn/manager/api/openapi.json", server.url))
        // A method's fault is an answer with status 200, and values may be given as text: schemathesis
        // would take both for wrong data accepted.
        .args(["--checks=all", "--exclude-checks=negative_data_rejection"])
        .args([
            "--generation-deterministic",
            "--continue-on-failure",
            "--request-timeout=60",
        ])
        .args(["--max-time", INVENTING, "--suppress-health-check=all"])
        // No text can hold it, which a schema of any text would have to repeat.
        .arg("--generation-allow-x00=false")
        .arg("--generation-with-security-parameters=false");
    let mut bounded = assert_cmd::Command::from_std(command);
    let output = tokio::task::spawn_blocking(move || bounded.timeout(BOUND).output().unwrap());
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let paths = document(&server).await["paths"].as_object().unwrap().len();
    assert!(said.contains(&format!("Tested: {paths}")), "{said}");
    let results = std::fs::read_to_string(results).unwrap();
    let reached: BTreeSet<&str> = results.lines().collect();
    for path in REACHED {
        assert!(
            reached.contains(path),
            "no call of {path} worked: {reached:?}"
        );
    }
    // The session and the account were never what a call was about.
    session.get("user/listAssignableRoles", &[]).await.unwrap();
}
