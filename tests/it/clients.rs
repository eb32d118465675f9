//! The clients in `examples/`, as a user runs them: the server, two registries, and the whole way
//! from login to results.

use std::{collections::BTreeMap, path::Path, process::Command};

use crate::support::{
    docker_registry::AnyRegistry,
    images::{OCI_INDEX, client},
    registry::log::Kind,
    server::Server,
};

/// Whether all of these programs can be run. Where one isn't installed, the test is skipped; in CI
/// that is a failure.
fn installed(programs: &[&str]) -> bool {
    programs.iter().all(|program| {
        let there = Command::new(program).arg("--version").output().is_ok();
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(there || !ci, "`{program}` has to be installed in CI");
        if !there {
            eprintln!("skipped: `{program}` isn't installed");
        }
        there
    })
}

/// Runs a script of the repository; gives what it wrote to standard output.
fn output_of(program: &str, script: &str, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let output = Command::new(program)
        .arg(&script)
        .args(arguments)
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}: {}\n{said}\n{talk}",
        script.display(),
        output.status
    );
    said
}

/// `repository:tag` and digest of each of these tags that the registry has.
async fn digests(address: &str, names: &[&str]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for name in names {
        let (repository, tag) = name.split_once(':').expect("a tag");
        let url = format!("http://{address}/v2/{repository}/manifests/{tag}");
        let answer = client()
            .head(url)
            .header("Accept", OCI_INDEX)
            .send()
            .await
            .expect("an answer");
        if let Some(digest) = answer.headers().get("Docker-Content-Digest") {
            found.insert(
                (*name).to_owned(),
                digest.to_str().expect("text").to_owned(),
            );
        }
    }
    found
}

/// Source and target of both kinds; the sources hold the demo's images.
async fn registries() -> Vec<(AnyRegistry, AnyRegistry)> {
    let pairs: Vec<_> = AnyRegistry::each()
        .await
        .into_iter()
        .zip(AnyRegistry::each().await)
        .collect();
    for (source, _) in &pairs {
        output_of(
            "python3",
            "scripts/demo.d/seed.py",
            &[&format!("http://{}", source.address())],
        );
    }
    pairs
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_goes_the_whole_way_and_a_second_run_asks_for_heads_only() {
    if !installed(&["python3"]) {
        return;
    }
    let tags = [
        "library/nginx:1.26.0",
        "library/nginx:latest",
        "library/postgres:16.1",
        "library/postgres:16.2",
        "library/postgres:16.3",
    ];
    for (source, target) in registries().await {
        let server = Server::start();
        let (from, to) = (
            format!("http://{}", source.address()),
            format!("http://{}", target.address()),
        );
        let password_file = server.password_file();
        let run = |more: &[&str]| {
            let first = [
                server.url(),
                "admin",
                password_file.to_str().expect("text"),
                &from,
                &to,
            ];
            let items = [
                "--tags",
                "library/nginx=1.26.0,latest",
                "--regex",
                r"library/postgres=^16\.",
            ];
            output_of(
                "python3",
                "examples/python/sync_project.py",
                &[&first, &items[..], more].concat(),
            )
        };
        let said = run(&[]);
        assert!(said.contains("FINISHED: 5 selected, 5 copied"), "{said}");
        let wanted = digests(source.address(), &tags).await;
        assert_eq!(wanted.len(), tags.len(), "{wanted:?}");
        assert_eq!(digests(target.address(), &tags).await, wanted);
        // One that no item selects.
        assert!(
            digests(target.address(), &["library/nginx:1.24.0"])
                .await
                .is_empty()
        );

        source.requests_clear();
        target.requests_clear();
        run(&["--expect-nothing-copied"]);
        for registry in [&source, &target] {
            let requests = registry.requests().await;
            let (heads, all) = (
                requests.count("HEAD", Kind::Manifest),
                requests.of(Kind::Manifest).len(),
            );
            // Once for the plan, once for the run.
            assert!(heads <= 2 * tags.len() && heads == all, "{requests:?}");
            assert!(
                requests.of(Kind::Blob).is_empty() && requests.of(Kind::Upload).is_empty(),
                "{requests:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_curl_client_goes_the_whole_way() {
    if !installed(&["bash", "curl", "python3"]) {
        return;
    }
    let tags = [
        "library/nginx:1.26.0",
        "library/nginx:latest",
        "tools/busybox:1.36",
        "tools/busybox:1.36-musl",
        "tools/busybox:1.37",
    ];
    for (source, target) in registries().await {
        let server = Server::start();
        let (from, to) = (
            format!("http://{}", source.address()),
            format!("http://{}", target.address()),
        );
        let password_file = server.password_file();
        let arguments = [
            server.url(),
            "admin",
            password_file.to_str().expect("text"),
            &from,
            &to,
        ];
        let said = output_of("bash", "examples/curl/sync_project.sh", &arguments);
        assert!(
            said.contains("FINISHED") && said.ends_with("logged out\n"),
            "{said}"
        );
        let wanted = digests(source.address(), &tags).await;
        assert_eq!(wanted.len(), tags.len(), "{wanted:?}");
        assert_eq!(digests(target.address(), &tags).await, wanted);
    }
}
