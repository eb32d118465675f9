//! `registrysync sync`.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Desk, said};
use crate::support::answer::{ANY, assert_answer};
use crate::support::images::{Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::auth::{Auth, TokenAuth};
use crate::support::registry::faults::{Action, Fault};
use crate::support::registry::log::Kind;
use crate::sync::selecting::nobody;

async fn source() -> Registry {
    let registry = Registry::start().await;
    for (number, tag) in ["1.0", "1.1", "2.0", "latest"].into_iter().enumerate() {
        let image = Image::multi(Format::Oci, number as u64, 1000);
        image.store(&registry, "team/app", Some(tag));
    }
    registry
}

fn http(registry: &Registry) -> String {
    format!("http://{}", registry.address())
}

#[tokio::test]
async fn flags_copy_and_a_second_time_nothing() {
    let (source, target) = (source().await, Registry::start().await);
    let (from, to) = (http(&source), http(&target));
    let arguments = [
        "sync",
        "--from",
        &from,
        "--to",
        &to,
        "--repository",
        "team/app",
        "--tag-regex",
        "^1\\.",
        "--tag",
        "latest",
        "--tag-exclude-regex",
        "1$",
    ];
    let desk = Desk::new();
    let said = desk.run(&arguments).ended(0);
    assert_eq!(said.out.lines().count(), 2, "{said:?}");
    assert!(said.out.contains("copied  team/app:1.0 -> "), "{said:?}");
    assert!(said.err.contains("2 copied"), "{said:?}");
    let tags = target.tags("team/app");
    assert_eq!(tags.keys().collect::<Vec<_>>(), ["1.0", "latest"]);
    target.requests_clear();
    let said = desk.run(&arguments).ended(0);
    assert!(
        said.out.is_empty() && said.err.contains("2 unchanged"),
        "{said:?}"
    );
    assert_eq!(target.requests().count("PUT", Kind::Manifest), 0);
}

#[tokio::test]
async fn signatures_and_the_like_follow_if_they_are_wanted() {
    let (source, target) = (source().await, Registry::start().await);
    let (from, to) = (http(&source), http(&target));
    let image = Image::multi(Format::Oci, 0, 1000);
    for (seed, kind) in [(1, "a/one"), (2, "a/two")] {
        Image::referrer(seed, kind, &image.top).store(&source, "team/app", None);
    }
    let desk = Desk::new();
    let mut arguments = vec!["sync", "--from", &from, "--to", &to];
    arguments.extend(["--repository", "team/app", "--tag", "1.0"]);
    let with = |referrers| [arguments.clone(), vec![referrers]].concat();
    desk.run(&with("--referrers=sbom, a/one")).ended(0);
    let place = format!("{to}/team/app:1.0").replace("http://", "");
    let line = format!("added   team/app:1.0 -> {place}: 1 referrer\n");
    let said = desk.run(&with("--referrers")).ended(0);
    assert_eq!(said.out, line, "{said:?}");
    let said = desk.run(&with("--referrers")).ended(0);
    assert!(said.out.is_empty(), "{said:?}");
    let said = desk.run(&with("--referrers=sig")).ended(2);
    assert!(
        said.err.contains("`--referrers`: `sig`: expected `all`"),
        "{said:?}"
    );
}

#[tokio::test]
async fn json_lines_have_the_promised_members() {
    let (source, target) = (source().await, Registry::start().await);
    Image::artifact(9, "a/b").store(&target, "team/app", Some("1.0"));
    let old = target.tags("team/app")["1.0"].clone();
    let (from, to) = (http(&source), http(&target));
    let base = [
        "sync",
        "--from",
        &from,
        "--to",
        &to,
        "--repository",
        "team/app",
        "--json",
    ];
    let desk = Desk::new();
    let said = desk.run(
        &[
            &base[..],
            &["--tag", "1.0", "--tag", "1.1", "--tag", "gone"],
        ]
        .concat(),
    );
    let lines = said.ended(1).lines();
    assert_eq!(lines.len(), 4);
    let of = |tag: &str| lines.iter().find(|line| line["tag"] == tag).unwrap();
    let updated = of("1.0");
    let place = format!("{}/team/app:1.0", target.address());
    let digest = source.tags("team/app")["1.0"].clone();
    let wanted = json!({
        "repository": "team/app", "tag": "1.0", "target": place, "action": "update", "status": "done",
        "reason": ANY, "source_digest": digest, "target_digest": digest, "previous_digest": old, "bytes": ANY,
    });
    assert_answer(updated, &wanted);
    assert!(updated["bytes"].as_u64().unwrap() > 1000 && updated["reason"].is_string());
    assert_eq!(of("1.1")["action"], "copy");
    assert!(of("1.1").get("previous_digest").is_none() && of("1.1").get("error").is_none());
    assert!(of("gone")["error"].as_str().unwrap().contains("not found"));
    let totals = &lines.last().unwrap()["totals"];
    let counted = |name: &str| totals[name].as_u64().unwrap();
    assert_eq!(
        [
            "selected", "copied", "updated", "skipped", "blocked", "failed"
        ]
        .map(counted),
        [3, 1, 1, 0, 0, 1]
    );
    let skipped = desk
        .run(&[&base[..], &["--tag", "1.1"]].concat())
        .ended(0)
        .lines();
    assert_eq!(skipped[0]["action"], "skip");
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let (source, target) = (source().await, Registry::start().await);
    let (from, to) = (http(&source), http(&target));
    let base = [
        "sync",
        "--from",
        &from,
        "--to",
        &to,
        "--repository",
        "team/app",
        "--dry-run",
    ];
    let desk = Desk::new();
    let said = desk.run(&base).ended(0);
    assert_eq!(said.out.lines().count(), 4);
    assert!(
        said.err.contains("would copy 4") && said.err.contains("nothing was written"),
        "{said:?}"
    );
    let lines = desk
        .run(&[&base[..], &["--json"]].concat())
        .ended(0)
        .lines();
    assert_eq!(lines.len(), 5);
    let tags = source.tags("team/app");
    for line in &lines[..4] {
        assert_eq!(line["action"], "copy");
        assert_eq!(
            line["source_digest"],
            json!(tags[line["tag"].as_str().unwrap()])
        );
    }
    assert_eq!(lines[4]["totals"]["copy"], 4);
    let image = Image::multi(Format::Oci, 0, 1000);
    image.push(target.address(), "team/app", Some("1.0")).await;
    target.requests_clear();
    let more = ["--json", "--tag", "1.0", "--tag", "gone"];
    let lines = desk.run(&[&base[..], &more].concat()).ended(1).lines();
    assert_eq!(lines[0]["action"], "skip");
    assert!(lines[0].get("previous_digest").is_none() && lines[0].get("error").is_none());
    assert!(lines[1]["error"].as_str().unwrap().contains("not found"));
    let totals = &lines[2]["totals"];
    assert_eq!(
        (&totals["blocked"], &totals["failed"]),
        (&json!(0), &json!(1))
    );
    // Tags that can't be checked fail, as in a run; without a listing there is no target either.
    let unlisted = [&base[..5], &["--dry-run", "--repository", "gone"]].concat();
    let said = desk
        .run(&[&unlisted[..], &["--tag", "1.0"]].concat())
        .ended(1);
    assert!(said.out.starts_with("failed  gone:1.0 -> "), "{said:?}");
    assert!(said.err.contains("0 blocked, 1 failed"), "{said:?}");
    let said = desk.run(&unlisted).ended(1);
    assert!(
        said.out.starts_with("failed  gone: ") && !said.out.contains("->"),
        "{said:?}"
    );
    let writes = target.requests();
    assert!(
        writes
            .0
            .iter()
            .all(|r| matches!(r.method.as_str(), "GET" | "HEAD"))
    );
}

#[tokio::test]
async fn a_file_is_placed_flat_or_as_asked() {
    let source = source().await;
    let desk = Desk::new();
    let text = format!(
        "{}:\n  images:\n    team/app: [\"1.0\"]\n  images-by-semver:\n    team/app: \">=2\"\n",
        source.address()
    );
    let file = desk.file("mirror.yml", &text);
    let scoped = format!("{}/team/app", source.address().replace(':', "_"));
    for (placement, path) in [
        (None, "mirror/app"),
        (Some("flat"), "mirror/app"),
        (Some("path"), "mirror/team/app"),
        (Some("scoped"), &*format!("mirror/{scoped}")),
    ] {
        let target = Registry::start().await;
        let to = format!("{}/mirror", target.address());
        let mut arguments = vec!["sync", &file, "--to", &to, "--plain-http"];
        arguments.extend(placement.iter().flat_map(|name| ["--placement", name]));
        desk.run(&arguments).ended(0);
        let tags = target.tags(path);
        assert_eq!(
            tags.keys().collect::<Vec<_>>(),
            ["1.0", "2.0"],
            "{placement:?}"
        );
    }
}

#[tokio::test]
async fn an_architecture_is_all_that_is_copied() {
    let (source, target) = (source().await, Registry::start().await);
    let (from, to) = (http(&source), http(&target));
    let arguments = [
        "sync",
        "--from",
        &from,
        "--to",
        &to,
        "--repository",
        "team/app",
        "--tag",
        "1.0",
        "--architecture",
        "arm64",
    ];
    Desk::new().run(&arguments).ended(0);
    let (_, bytes) = target.manifest("team/app", "1.0").unwrap();
    let index: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(index["manifests"][0]["platform"]["architecture"], "arm64");
}

#[tokio::test]
async fn credentials_come_from_the_auth_file_or_the_yaml() {
    let auth = TokenAuth {
        account: Some(("user".into(), "s3cret-w0rd".into())),
        anonymous_pull: false,
        ..TokenAuth::default()
    };
    let source = Registry::builder().auth(Auth::Token(auth)).start().await;
    Image::artifact(1, "a/b").store(&source, "app", Some("1"));
    let target = Registry::start().await;
    let desk = Desk::new();
    let host = source.address();
    // `user:s3cret-w0rd` and `user:wrong`
    let entry = |auth: &str| json!({ "auths": { host: { "auth": auth } } }).to_string();
    let good = desk.file("good.json", &entry("dXNlcjpzM2NyZXQtdzByZA=="));
    let bad = desk.file("bad.json", &entry("dXNlcjp3cm9uZw=="));
    let (from, to) = (http(&source), http(&target));
    let run = |file: &str| {
        let mut command = desk.command();
        command.args(["sync", "--from", &from, "--to", &to, "--repository", "app"]);
        said(command.env("REGISTRY_AUTH_FILE", file))
    };
    let refused = run(&bad).ended(1);
    assert!(
        refused.out.contains("refuses the credentials of `user`"),
        "{refused:?}"
    );
    let without = run(&desk.file("none.json", "{}")).ended(1);
    assert!(without.out.contains("none were given"), "{without:?}");
    let missing = run("/nonexistent/auth.json").ended(2);
    assert!(missing.err.contains("it doesn't exist"), "{missing:?}");
    run(&good).ended(0);
    assert_eq!(target.tags("app"), source.tags("app"));

    let target = Registry::start().await;
    let text = format!(
        "{host}:\n  credentials: {{username: user, password: s3cret-w0rd}}\n  images: {{app: []}}\n"
    );
    let file = desk.file("mirror.yml", &text);
    let said = desk
        .run(&["sync", &file, "--to", target.address(), "--plain-http"])
        .ended(0);
    assert_eq!(target.tags("app"), source.tags("app"));
    assert!(!said.out.contains("s3cret") && !said.err.contains("s3cret"));
}

#[tokio::test]
async fn unreachable_registries_exit_with_3_unless_something_worked() {
    let (source, target) = (source().await, Registry::start().await);
    let desk = Desk::new();
    let dead = nobody();
    let from = format!("http://{dead}");
    let to = http(&target);
    for more in [&[][..], &["--dry-run"][..], &["--json"][..]] {
        let base = [
            "sync",
            "--from",
            &from,
            "--to",
            &to,
            "--repository",
            "app",
            "--tag",
            "1",
        ];
        let said = desk.run(&[&base[..], more].concat()).ended(3);
        assert!(
            said.err.contains(&dead) && said.err.contains("can't connect"),
            "{said:?}"
        );
    }
    let text = format!(
        "{dead}:\n  images: {{app: [x]}}\n{}:\n  images: {{team/app: [\"1.0\"]}}\n",
        source.address()
    );
    let file = desk.file("mirror.yml", &text);
    let said = desk
        .run(&["sync", &file, "--to", target.address(), "--plain-http"])
        .ended(1);
    assert!(said.out.contains("copied  team/app:1.0"), "{said:?}");
    assert!(said.out.contains("failed  app:x"), "{said:?}");
}

#[tokio::test]
async fn an_interrupt_ends_with_130_and_leaves_nothing_half_tagged() {
    let (source, target) = (source().await, Registry::start().await);
    target.fault_add(Fault::on("PUT", "/uploads/", Action::Hang));
    let desk = Desk::new();
    let mut command = desk.command();
    command.args([
        "sync",
        "--from",
        &http(&source),
        "--to",
        &http(&target),
        "--repository",
        "team/app",
    ]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while target.requests().count("PUT", Kind::Upload) == 0 {
        assert!(start.elapsed() < super::BOUND, "an upload begins");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let id = child.id().to_string();
    // The shell's own `kill`: a slim system has no other.
    let kill = std::process::Command::new("sh")
        .args(["-c", "kill -INT \"$0\"", &id])
        .status();
    assert!(kill.unwrap().success());
    let waiting = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let output = tokio::time::timeout(super::BOUND, waiting)
        .await
        .unwrap()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(text.contains("interrupted"), "{text}");
    assert!(target.tags("team/app").is_empty());
    assert_eq!(target.uploads_open(), 0, "sessions are given up");
}

#[tokio::test]
async fn two_sources_of_one_tag_end_with_1_and_nothing_is_written() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    Image::artifact(1, "a/b").store(&source, "red/app", Some("1"));
    Image::artifact(2, "a/b").store(&source, "blue/app", Some("1"));
    let text = format!(
        "{}:\n  images: {{red/app: [], blue/app: []}}\n",
        source.address()
    );
    let desk = Desk::new();
    let file = desk.file("mirror.yml", &text);
    let base = ["sync", &file, "--to", target.address(), "--plain-http"];
    for more in [&[][..], &["--dry-run"]] {
        let said = desk.run(&[&base[..], more].concat()).ended(1);
        for name in ["blocked", "red/app:1", "blue/app:1"] {
            assert!(said.out.contains(name), "{name}: {said:?}");
        }
    }
    assert!(target.tags("app").is_empty());
}

#[tokio::test]
async fn output_that_nobody_takes_stops_no_copy_and_a_full_disk_is_told() {
    let (source, target) = (source().await, Registry::start().await);
    let (from, to) = (http(&source), http(&target));
    let desk = Desk::new();
    let gone = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer
    };
    let mut command = desk.command();
    command.args(["sync", "--from", &from, "--to", &to, "--repository"]);
    command.args(["team/app", "--tag", "gone", "--tag", "1.0"]);
    let ended = command.stdout(gone()).stderr(gone()).status().unwrap();
    assert_eq!(ended.code(), Some(1));
    assert_eq!(
        target.tags("team/app")["1.0"],
        source.tags("team/app")["1.0"]
    );

    let full = std::fs::File::options().write(true).open("/dev/full");
    let mut command = desk.command();
    command.args(["list-tags", &format!("{from}/team/app")]);
    let ended = command.stdout(full.unwrap()).output().unwrap();
    let err = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{err}");
    assert!(err.contains("standard output"), "{err}");
}

#[tokio::test]
async fn a_repository_that_is_missing_is_named_with_its_registry() {
    let (source, target) = (source().await, Registry::start().await);
    let (from, to) = (http(&source), http(&target));
    let desk = Desk::new();
    for (repository, regex, words) in [
        ("gone", ".", "there is no such repository"),
        ("team/app", "^nothing$", "tags is selected"),
    ] {
        let said = desk.run(&[
            "sync",
            "--from",
            &from,
            "--to",
            &to,
            "--repository",
            repository,
            "--tag-regex",
            regex,
        ]);
        let said = said.ended(1);
        let all = format!("{}{}", said.out, said.err);
        assert!(all.contains(words) && all.contains(repository), "{said:?}");
    }
}

#[tokio::test]
async fn tags_that_a_run_leaves_out_are_counted_and_reported() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    Image::multi(Format::Oci, 1, 1000).store(&source, "app", Some("1"));
    let (from, to) = (http(&source), http(&target));
    let desk = Desk::new();
    let sync = |more: &[&str]| {
        let arguments = ["sync", "--from", &from, "--to", &to, "--repository", "app"];
        desk.run(&[&arguments, more].concat())
    };
    let said = sync(&["--architecture", "amd46"]).ended(2);
    assert!(said.err.contains("did you mean `amd64`?"), "{said:?}");
    let said = sync(&["--architecture", "s390x"]).ended(1);
    let all = format!("{}{}", said.out, said.err);
    assert!(
        all.contains("`linux/arm/v7`") && all.contains("1 failed"),
        "{said:?}"
    );
    let said = sync(&[
        "--architecture",
        "x86_64",
        "--architecture",
        "s390x",
        "--json",
    ])
    .ended(0);
    assert!(said.err.contains("warning: `app:1`"), "{said:?}");
    let last: serde_json::Value = serde_json::from_str(said.out.lines().last().unwrap()).unwrap();
    let totals = &last["totals"];
    assert_eq!(
        (&totals["copied"], &totals["warnings"]),
        (&1.into(), &1.into())
    );

    let nothing = ["--tag-regex", "^nothing$", "--on-empty"];
    for (word, code) in [("warn", 1), ("fail", 1), ("ignore", 0)] {
        sync(&[nothing.as_slice(), &[word]].concat()).ended(code);
    }
    let said = sync(&[nothing.as_slice(), &["fail", "--json"]].concat()).ended(1);
    let last: serde_json::Value = serde_json::from_str(said.out.lines().last().unwrap()).unwrap();
    let totals = &last["totals"];
    assert_eq!(
        (&totals["selected"], &totals["failed"]),
        (&1.into(), &1.into())
    );
}

/// References as skopeo's users type them, and input from a pipe.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_comes_by_standard_input_and_references_have_their_transport() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    Image::artifact(1, "a/b").store(&source, "team/app", Some("1"));
    let desk = Desk::new();
    let to = format!("docker://{}", target.address());
    let yaml = format!("{}:\n  images:\n    team/app: ['1']\n", source.address());
    let piped = |input: String| {
        let mut command = desk.command();
        command.args(["sync", "-", "--to", &to, "--plain-http"]);
        assert_cmd::Command::from_std(command)
            .write_stdin(input)
            .assert()
    };
    piped(yaml).code(0);
    assert_eq!(target.tags("app").len(), 1);
    let refused = piped("a: [".to_owned()).code(2);
    let said = String::from_utf8(refused.get_output().stderr.clone()).unwrap();
    assert!(
        said.starts_with("registrysync: standard input: line "),
        "{said}"
    );

    let from = format!("docker://{}", source.address());
    let words = ["--repository", "docker://team/app", "--plain-http"];
    let sync = ["sync", "--from", &from, "--to", &to];
    desk.run(&[&sync[..], &words].concat()).ended(0);
    assert_eq!(target.tags("team/app").len(), 1);
    let name = format!("{from}/team/app");
    let listed = desk.run(&["list-tags", &name, "--plain-http"]).ended(0);
    assert_eq!(listed.out, "1\n");
}

#[test]
fn a_file_for_regsync_is_called_one() {
    let desk = Desk::new();
    let file = desk.file(
        "regsync.yml",
        "version: 1\ncreds:\n  - registry: r.example\nsync:\n  - source: busybox\n    type: image\n",
    );
    let said = desk.run(&["sync", &file, "--to", "localhost:1"]).ended(2);
    assert!(said.err.contains("a regsync file"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_singular() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let desk = Desk::new();
    let (from, to) = (http(&source), http(&target));
    for (number, words) in [(1, "1 tag: "), (2, "2 tags: ")] {
        let tag = number.to_string();
        Image::artifact(number, "a/b").store(&source, "app", Some(&tag));
        let sync = ["sync", "--from", &from, "--to", &to, "--repository", "app"];
        let said = desk.run(&sync).ended(0);
        assert!(said.err.contains(words), "{said:?}");
    }
}

/// cron mails the output.
#[tokio::test(flavor = "multi_thread")]
async fn quiet_says_nothing_where_nothing_was_to_be_done() {
    let (source, target) = (source().await, Registry::start().await);
    let desk = Desk::new();
    let (from, to) = (http(&source), http(&target));
    let sync = [
        "sync",
        "--from",
        &from,
        "--to",
        &to,
        "--repository",
        "team/app",
        "--quiet",
    ];
    let first = desk.run(&sync).ended(0);
    assert!(
        first.out.contains("copied") && first.err.contains("4 tags: "),
        "{first:?}"
    );
    let second = desk.run(&sync).ended(0);
    assert_eq!((second.out.as_str(), second.err.as_str()), ("", ""));
    source.fault_add(Fault::status("HEAD", "/manifests/", 500));
    source.fault_add(Fault::status("GET", "/manifests/", 500));
    let third = desk.run(&[&sync[..], &["--tag", "1.0"]].concat());
    assert_ne!(third.code, 0);
    assert!(third.out.contains("failed"), "{third:?}");
}

/// Neither hides that the other one is missing, whichever comes first.
#[tokio::test]
async fn of_two_images_for_one_tag_both_have_to_be_there() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    Image::artifact(1, "a/b").store(&source, "there/app", Some("1"));
    let (host, to) = (source.address(), http(&target));
    let desk = Desk::new();
    for [first, second] in [["there/app", "gone/app"], ["gone/app", "there/app"]] {
        let text =
            format!("\"http://{host}\":\n  images:\n    {first}: [\"1\"]\n    {second}: [\"1\"]\n");
        let file = desk.file("two.yml", &text);
        let arguments = ["sync", &file, "--to", &to, "--placement", "flat"];
        let said = desk.run(&arguments).ended(1);
        let words = format!("both go to this tag, and `{host}/gone/app:1` was not found");
        assert!(
            said.out.contains(&words) || said.err.contains(&words),
            "{said:?}"
        );
        assert!(target.tags("app").is_empty());
    }
}

#[tokio::test]
async fn evidence_is_written_to_a_file() {
    let (source, target) = (source().await, Registry::start().await);
    Image::artifact(9, "a/b").store(&target, "team/app", Some("1.0"));
    let old = target.tags("team/app")["1.0"].clone();
    let (from, to) = (http(&source), http(&target));
    let desk = Desk::new();
    let files = tempfile::tempdir().unwrap();
    let run = |name: &str, code: i32| {
        let file = files.path().join(name);
        let words = [
            "sync",
            "--from",
            &from,
            "--to",
            &to,
            "--repository",
            "team/app",
        ];
        let more = ["--tag-regex", "^1", "--evidence", file.to_str().unwrap()];
        let said = desk.run(&[&words[..], &more].concat()).ended(code);
        (std::fs::read_to_string(file).unwrap_or_default(), said)
    };
    let (text, _) = run("run.json", 0);
    let document: Value = serde_json::from_str(&text).unwrap();
    let new = target.tags("team/app")["1.0"].clone();
    let results = document["results"].as_array().unwrap();
    let updated = results
        .iter()
        .find(|result| result["tag"] == "1.0")
        .unwrap();
    assert_answer(
        updated,
        &json!({
            "repository": "team/app", "tag": "1.0", "platforms": [], "action": "update", "status": "done",
            "source": format!("{}/team/app:1.0", source.address()),
            "target": format!("{}/team/app:1.0", target.address()),
            "source_digest": new, "target_digest": new, "previous_digest": old,
            "reason": ANY, "bytes": ANY, "blobs_copied": ANY, "blobs_mounted": ANY, "duration_ms": ANY,
        }),
    );
    let mut rest = document.clone();
    rest.as_object_mut().unwrap().remove("results");
    assert_answer(
        &rest,
        &json!({
            "format": 1, "version": ANY, "complete": true,
            "run": {"status": "FINISHED", "start_time": ANY, "end_time": ANY},
            "asked": {
                "target": {"address": target.address()}, "options": {"placement": "path"},
                "items": [{
                    "repository": "team/app", "source": format!("{}/team/app", source.address()),
                    "options": {"tags_regex": "^1", "on_empty": "warn"},
                }],
            },
            "totals": {
                "selected": 2, "copied": 1, "updated": 1, "skipped": 0, "deleted": 0, "blocked": 0,
                "failed": 0, "warnings": 0, "bytes": ANY, "blobs_copied": ANY, "blobs_mounted": ANY,
            },
        }),
    );
    let (text, _) = run("run.csv", 0);
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert!(
        lines[0].starts_with("run_id,project,source,target,"),
        "{text}"
    );
    assert!(
        lines.len() == 4 && lines[1].contains(",skip,done,"),
        "{text}"
    );
    for (name, part) in [
        ("run.txt", "`.json` or `.csv`"),
        ("none/run.csv", "can't be written"),
    ] {
        let (_, said) = run(name, 2);
        assert!(
            said.err.contains("`--evidence`") && said.err.contains(part),
            "{said:?}"
        );
    }
    assert_eq!(std::fs::read_dir(files.path()).unwrap().count(), 2);
}
