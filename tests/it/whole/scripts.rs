//! The scripts of `examples/`, as a user runs them, between each kind of registry.

use std::path::Path;
use std::process::{Command, Output};

use super::server::Server;
use crate::support::docker_registry::AnyRegistry;
use crate::support::images::{AMD64, Blob, Format, Image, client};
use crate::support::registry::log::{Kind, Requests};
use crate::support::tools::installed;

/// `library/nginx` is selected by name, the others by regex; each has one tag that no script
/// selects.
pub(super) async fn seed(source: &AnyRegistry) {
    let address = source.address();
    for (seed, tag) in [(1, "1.26.0"), (2, "latest")] {
        let image = Image::multi(Format::Oci, seed, 50_000);
        image.push(address, "library/nginx", Some(tag)).await;
    }
    for (seed, repository, tag) in [
        (3, "library/postgres", "16.1"),
        (4, "library/postgres", "16.2"),
        (5, "library/postgres", "15.9"),
        (6, "library/busybox", "1.36"),
        (7, "library/busybox", "1.35"),
    ] {
        let layers = [Blob::layer(99, 70_000), Blob::layer(seed, 1000)];
        let image = Image::single(Format::Docker, AMD64, &layers);
        image.push(address, repository, Some(tag)).await;
    }
}

pub(super) type Place = (&'static str, &'static str);

const BY_PYTHON: [Place; 4] = [
    ("library/nginx", "1.26.0"),
    ("library/nginx", "latest"),
    ("library/postgres", "16.1"),
    ("library/postgres", "16.2"),
];
pub(super) const BY_CURL: [Place; 3] = [
    ("library/nginx", "1.26.0"),
    ("library/nginx", "latest"),
    ("library/busybox", "1.36"),
];

async fn digest(registry: &AnyRegistry, repository: &str, tag: &str) -> Option<String> {
    let url = format!(
        "http://{}/v2/{repository}/manifests/{tag}",
        registry.address()
    );
    let accept = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json";
    let answer = client()
        .head(url)
        .header("accept", accept)
        .send()
        .await
        .unwrap();
    let found = answer.headers().get("docker-content-digest")?;
    Some(found.to_str().unwrap().to_owned())
}

pub(super) async fn assert_equal(source: &AnyRegistry, target: &AnyRegistry, wanted: &[Place]) {
    for (repository, tag) in wanted {
        let wanted = digest(source, repository, tag).await;
        assert!(wanted.is_some());
        assert_eq!(
            digest(target, repository, tag).await,
            wanted,
            "{repository}:{tag}"
        );
    }
    for (repository, tag) in [("library/postgres", "15.9"), ("library/busybox", "1.35")] {
        assert_eq!(digest(target, repository, tag).await, None);
    }
}

/// Only HEADs of manifests, besides listings: nothing had changed.
fn assert_warm(requests: &Requests) {
    assert_eq!(requests.count("HEAD", Kind::Manifest), BY_PYTHON.len());
    assert_eq!(requests.of(Kind::Manifest).len(), BY_PYTHON.len());
    assert!(requests.of(Kind::Blob).is_empty() && requests.of(Kind::Upload).is_empty());
}

fn python(server: &Server, source: &AnyRegistry, target: &AnyRegistry, more: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    Command::new("python3")
        .arg(root.join("examples/python/sync_project.py"))
        .args([&server.url, "admin"])
        .arg(server.password_file())
        .args([source.address(), target.address()].map(|address| format!("http://{address}")))
        .args([
            "--tags",
            "library/nginx=1.26.0,latest",
            "--regex",
            r"library/postgres=^16\.",
        ])
        .args(more)
        .output()
        .unwrap()
}

fn assert_success(output: &Output) {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}\n{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_goes_the_whole_way() {
    if !installed(&["python3"]) {
        return;
    }
    let targets = AnyRegistry::each().await;
    for (source, target) in AnyRegistry::each().await.into_iter().zip(targets) {
        seed(&source).await;
        let server = Server::start(None);
        assert_success(&python(&server, &source, &target, &[]));
        assert_equal(&source, &target, &BY_PYTHON).await;

        // The script's plan makes the same HEADs once more, so the second run is measured alone.
        let session = server.login().await;
        source.requests_clear();
        target.requests_clear();
        let body = serde_json::json!({"label": "example"});
        let id = session.post("registrysync/run", body).await.unwrap();
        let run = session.run_ended(id.as_i64().unwrap()).await;
        assert_eq!(run["status"], "FINISHED");
        assert_eq!(run["counts"]["skipped"], BY_PYTHON.len());
        assert_eq!(run["bytes"], "0");
        assert_warm(&source.requests().await);
        assert_warm(&target.requests().await);

        assert_success(&python(
            &server,
            &source,
            &target,
            &["--expect-nothing-copied"],
        ));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_curl_client_goes_the_whole_way() {
    if !installed(&["bash", "curl", "python3"]) {
        return;
    }
    let targets = AnyRegistry::each().await;
    for (source, target) in AnyRegistry::each().await.into_iter().zip(targets) {
        seed(&source).await;
        let server = Server::start(None);
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let output = Command::new("bash")
            .arg(root.join("examples/curl/sync_project.sh"))
            .args([&server.url, "admin"])
            .arg(server.password_file())
            .args([source.address(), target.address()].map(|address| format!("http://{address}")))
            .output()
            .unwrap();
        assert_success(&output);
        assert_equal(&source, &target, &BY_CURL).await;
    }
}
