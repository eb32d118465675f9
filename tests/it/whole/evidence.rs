//! The evidence of a run is enough for somebody else to check the target: here, with skopeo.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::commands::Person;
use super::server::Server;
use crate::support::database::TestDatabase;
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::content::digest_of;
use crate::support::registry::faults::Fault;
use crate::support::tools::installed;

fn image(seed: u64) -> Image {
    Image::single(Format::Oci, AMD64, &[Blob::layer(seed, 2000)])
}

/// A source and a target between which each kind of result comes about.
async fn registries() -> (Registry, Registry) {
    let (source, target) = (Registry::start().await, Registry::start().await);
    for (seed, tag) in (1..).zip(["new", "moved", "same", "broken", "disputed"]) {
        image(seed).store(&source, "team/app", Some(tag));
    }
    Image::multi(Format::Oci, 20, 1000).store(&source, "team/multi", Some("1.0"));
    image(30).store(&source, "team/rival", Some("disputed"));
    image(40).store(&target, "team/app", Some("moved"));
    image(3).store(&target, "team/app", Some("same"));
    for method in ["GET", "HEAD"] {
        source.fault_add(Fault::status(method, "app/manifests/broken", 404));
    }
    (source, target)
}

/// The digest of what skopeo gets from this place.
fn digest_by_skopeo(place: &str) -> String {
    let mut skopeo = Command::new("skopeo");
    skopeo.args(["inspect", "--raw", "--tls-verify=false"]);
    let output = skopeo.arg(format!("docker://{place}")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{place}: {said}");
    digest_of(&output.stdout)
}

/// The lines of a CSV file, as Python reads them.
fn csv_by_python(path: &Path) -> Vec<BTreeMap<String, String>> {
    const READ: &str = "import csv, json, sys\n\
        with open(sys.argv[1], newline='', encoding='utf-8') as f: print(json.dumps(list(csv.DictReader(f))))";
    let mut python = Command::new("python3");
    let output = python.args(["-c", READ]).arg(path).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A member of a result as it stands in the CSV file.
fn as_cell(result: &Value, name: &str) -> String {
    match &result[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(texts) => {
            let texts: Vec<&str> = texts.iter().filter_map(Value::as_str).collect();
            texts.join(" ")
        }
        other => other.to_string(),
    }
}

/// Both files have the same results.
fn same(lines: &[BTreeMap<String, String>], results: &[Value]) {
    assert_eq!(lines.len(), results.len());
    for (line, result) in lines.iter().zip(results) {
        for (name, cell) in line {
            if !["run_id", "project"].contains(&name.as_str()) {
                assert_eq!(*cell, as_cell(result, name), "{name}: {result}");
            }
        }
    }
}

/// Every digest is what skopeo sees.
fn checked_by_skopeo(results: &[Value]) {
    let mut checked = 0;
    for result in results.iter().filter(|result| result["status"] == "done") {
        let place = result["target"].as_str().unwrap();
        assert_eq!(digest_by_skopeo(place), result["target_digest"], "{result}");
        checked += 1;
    }
    assert_eq!(checked, 4);
}

async fn evidence_is_enough(database: Option<String>) {
    let (source, target) = registries().await;
    let moved = target.tags("team/app")["moved"].clone();
    let server = Server::start(database);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["team/app"])
        .await;
    for (repository, option) in [
        ("team/multi", json!({"architectures": ["amd64"]})),
        ("team/rival", json!({"target_repository": "team/app"})),
    ] {
        let item = json!({"label": "web", "repository": repository, "tags": [], "options": option});
        session.post("registrysync/addImage", item).await.unwrap();
    }
    let run = session.run_ended(session.run().await).await;
    let id = run["id"].to_string();

    let person = Person::at(&server);
    let files = tempfile::tempdir().unwrap();
    let (json_file, csv_file) = (files.path().join("run.json"), files.path().join("run.csv"));
    let words = ["project", "evidence", &id, "--output"];
    person.hears(&[&words[..], &[json_file.to_str().unwrap()]].concat(), 0);
    let csv = person.hears(&["project", "evidence", &id, "--format", "csv"], 0);
    std::fs::write(&csv_file, csv).unwrap();
    let printed = person.hears(&[&words[..], &["-"]].concat(), 0);
    let written = std::fs::read_to_string(&json_file).unwrap();
    assert_eq!(printed, written);

    let document: Value = serde_json::from_slice(&std::fs::read(&json_file).unwrap()).unwrap();
    assert_eq!(
        (&document["complete"], &document["run"]),
        (&json!(true), &run)
    );
    let results: Vec<Value> = serde_json::from_value(document["results"].clone()).unwrap();
    same(&csv_by_python(&csv_file), &results);
    checked_by_skopeo(&results);

    let result = |repository: &str, tag: &str| {
        let is_it = |result: &&Value| result["repository"] == repository && result["tag"] == tag;
        results.iter().find(is_it).unwrap()
    };
    let kind = |repository: &str, tag: &str| {
        let result = result(repository, tag);
        [&result["action"], &result["status"]].map(|word| word.as_str().unwrap().to_owned())
    };
    assert_eq!(kind("team/app", "new"), ["copy", "done"]);
    assert_eq!(kind("team/app", "moved"), ["update", "done"]);
    assert_eq!(kind("team/app", "same"), ["skip", "done"]);
    assert_eq!(kind("team/app", "broken")[1], "failed");
    assert_eq!(kind("team/app", "disputed")[1], "blocked");
    assert_eq!(result("team/multi", "1.0")["platforms"], json!(["amd64"]));
    // Both digests of what was overwritten.
    let overwritten = result("team/app", "moved");
    assert_eq!(overwritten["previous_digest"], json!(moved));
    assert_eq!(overwritten["target_digest"], overwritten["source_digest"]);
    let origin = format!("{}/team/app:moved", source.address());
    assert_eq!(overwritten["source"], json!(origin));
    for result in &results {
        assert!(result["reason"].is_string(), "{result}");
    }
    assert_eq!(document["asked"]["items"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_is_enough_to_check_the_target_on_sqlite() {
    if installed(&["skopeo", "python3"]) {
        evidence_is_enough(None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_is_enough_to_check_the_target_on_postgres() {
    if !installed(&["skopeo", "python3"]) {
        return;
    }
    if let Some(database) = TestDatabase::postgres() {
        evidence_is_enough(Some(database.url.clone())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_can_not_be_written_or_found_is_reported() {
    let server = Server::start(None);
    let person = Person::at(&server);
    let files = tempfile::tempdir().unwrap();
    let nowhere = files.path().join("none/run.json");
    let nowhere = nowhere.to_str().unwrap();
    let said = person.hears(&["project", "evidence", "1", "--output", nowhere], 2);
    assert!(
        said.contains("`--output`") && said.contains(nowhere),
        "{said}"
    );
    let file = files.path().join("run.json");
    let file = file.to_str().unwrap();
    for format in ["json", "csv"] {
        let words = [
            "project", "evidence", "4711", "--format", format, "--output", file,
        ];
        let said = person.hears(&words, 1);
        assert!(said.contains("there is no run with the id 4711"), "{said}");
    }
    assert_eq!(
        std::fs::read_dir(files.path()).unwrap().count(),
        0,
        "nothing is left"
    );
    person.hears(&["project", "evidence", "1", "--format", "xml"], 2);
    let nameless = person.hears(&["project", "evidence", "1", "--output", "run"], 2);
    let words = "`--output`: `run`: expected a name that ends with `.json` or `.csv`";
    assert!(nameless.contains(words), "{nameless}");
}
