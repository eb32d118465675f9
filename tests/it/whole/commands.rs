//! The commands that talk to a server: `api`, `store`, `project`, as a user types them.

use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::server::Server;
use crate::support::database::TestDatabase;
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::postgres_proxy::Proxy;
use crate::support::registry::Registry;
use crate::support::registry::faults::Fault;

/// A user with their own home directory.
pub(crate) struct Person {
    home: TempDir,
    url: String,
    password_file: std::path::PathBuf,
}

impl Person {
    pub(crate) fn at(server: &Server) -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            url: server.url.clone(),
            password_file: server.password_file(),
        }
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_registrysync"));
        command
            .args(words)
            .env("XDG_CACHE_HOME", self.home.path())
            .env("REGISTRYSYNC_URL", &self.url)
            .env("REGISTRYSYNC_USER", "admin")
            .env("REGISTRYSYNC_PASSWORD_FILE", &self.password_file);
        command
    }

    pub(crate) fn says(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Its output, if it ends with `code`.
    pub(crate) fn hears(&self, words: &[&str], code: i32) -> String {
        let output = self.says(words);
        let (out, err) = (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        );
        assert_eq!(output.status.code(), Some(code), "{words:?}: {out}{err}");
        if code == 0 { out } else { err }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_made_run_and_looked_at_by_commands() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    for (seed, tag) in [(1, "1.0"), (2, "1.1"), (3, "2.0")] {
        let image = Image::single(Format::Oci, AMD64, &[Blob::layer(seed, 2000)]);
        image.store(&source, "team/app", Some(tag));
    }
    let server = Server::start(None);
    let person = Person::at(&server);
    let (from, to) = (
        format!("http://{}", source.address()),
        format!("http://{}", target.address()),
    );
    person.hears(&["store", "add", "from", &from], 0);
    person.hears(&["store", "add", "to", &to], 0);
    assert!(person.hears(&["store", "list"], 0).contains(&from));
    person.hears(&["store", "test", "from"], 0);
    let make = ["project", "create", "web", "--from", "from", "--to", "to"];
    let item = ["--repository", "team/app", "--tag-regex", r"^1\."];
    person.hears(&[&make[..], &item].concat(), 0);
    let again = person.hears(&make, 1);
    assert!(again.contains("`web` already exists"), "{again}");
    person.hears(&["project", "run", "web", "--wait"], 0);
    assert_eq!(target.tags("team/app").len(), 2);
    let again = person.says(&["project", "run", "web", "--wait", "--quiet"]);
    assert!(again.status.success() && again.stderr.is_empty() && again.stdout.is_empty());
    assert!(
        person
            .hears(&["project", "show", "web"], 0)
            .contains("team/app")
    );
    let log = person.hears(&["project", "log", "web", "--run", "1"], 0);
    assert!(log.contains("`team/app:1.1` copied"), "{log}");
    let listed = person.hears(&["project", "list", "--json"], 0);
    let listed: Value = serde_json::from_str(listed.trim()).unwrap();
    assert_eq!(listed["label"], "web");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_is_called_by_place_or_by_name() {
    let source = Registry::start().await;
    let image = Image::single(Format::Oci, AMD64, &[Blob::layer(1, 2000)]);
    image.store(&source, "team/app", Some("1.10"));
    let server = Server::start(None);
    let person = Person::at(&server);
    person.hears(
        &[
            "store",
            "add",
            "from",
            &format!("http://{}", source.address()),
        ],
        0,
    );
    for words in [
        &["api", "--json", "registrysync.listTags", "from", "team/app"][..],
        &[
            "api",
            "--json",
            "get",
            "registrysync/listTags",
            "storeLabel=from",
            "repository=team/app",
        ],
        &[
            "api",
            "--json",
            "registrysync.list_tags",
            "storeLabel=from",
            "repository=team/app",
        ],
    ] {
        assert_eq!(person.hears(words, 0).trim(), r#"["1.10"]"#, "{words:?}");
    }
    let fault = person.hears(&["api", "registrysync.getDetails", "nope"], 1);
    assert!(fault.contains("nope"), "{fault}");
    person.hears(&["api", "nonsense"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_set_shown_and_removed_by_commands() {
    let zone = vec![("REGISTRYSYNC_TIME_ZONE", "Asia/Tokyo".to_owned())];
    let server = Server::with_environment(zone);
    let person = Person::at(&server);
    for (label, address) in [("from", "a.example.org"), ("to", "b.example.org")] {
        person.hears(&["store", "add", label, address], 0);
    }
    let make = ["project", "create", "web", "--from", "from", "--to", "to"];
    person.hears(&make, 0);
    let schedule =
        |words: &[&str], code| person.hears(&[&["project", "schedule"], words].concat(), code);
    assert_eq!(schedule(&["list", "--json"], 0), "");
    assert_eq!(schedule(&["show", "web"], 0), "");
    let set = schedule(&["set", "web", "0 0 3 ? * MON-FRI"], 0);
    assert!(
        set.starts_with("0 0 3 ? * MON-FRI  at 03:00, on Monday to Friday (Asia/Tokyo)\n  20"),
        "{set}"
    );
    assert!(
        set.lines()
            .skip(1)
            .all(|line| line.ends_with("T03:00:00+09:00")),
        "{set}"
    );
    assert_eq!(set.lines().count(), 6);
    let refused = schedule(&["set", "web", "0 3 * * *"], 1);
    assert!(refused.contains("did you mean `0 0 3 * * ?`"), "{refused}");
    assert_eq!(schedule(&["show", "web"], 0), set);
    let listed: Value = serde_json::from_str(&schedule(&["list", "--json"], 0)).unwrap();
    assert_eq!(
        listed,
        serde_json::json!({"label": "web", "cron_expr": "0 0 3 ? * MON-FRI"})
    );
    // Both wires show the same times.
    let by_place = person.hears(&["api", "registrysync.getSchedule", "web"], 0);
    let by_name = person.hears(&["api", "registrysync.getSchedule", "label=web"], 0);
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(parsed(&by_place), parsed(&by_name));
    assert!(by_name.contains("T18:00:00Z\""), "{by_name}");
    schedule(&["remove", "web"], 0);
    assert_eq!(schedule(&["show", "web"], 0), "");
    let again = person.says(&["project", "schedule", "remove", "web"]);
    assert!(again.status.success());
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(said.contains("`web` has no schedule"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_project_s_flags_set_they_unset() {
    let server = Server::start(None);
    let person = Person::at(&server);
    for (label, address) in [("from", "a.example.org"), ("to", "b.example.org")] {
        person.hears(&["store", "add", label, address], 0);
    }
    let make = ["project", "create", "web", "--from", "from", "--to", "to"];
    person.hears(&make, 0);
    let shown = || {
        let shown = person.hears(&["project", "show", "web", "--json"], 0);
        let mut shown: Value = serde_json::from_str(&shown).unwrap();
        for changing in ["version", "modified"] {
            shown.as_object_mut().unwrap().remove(changing);
        }
        shown
    };
    let set = |words: &[&str]| person.hears(&[&["project", "set", "web"], words].concat(), 0);
    let before = shown();
    set(&[
        "--target-tag",
        "{tag}-{date}",
        "--backup-tag",
        "{tag}-before",
        "--index",
        "sparse",
    ]);
    set(&[
        "--architecture",
        "arm64",
        "--architecture",
        "amd64",
        "--referrers=signature, sbom",
    ]);
    set(&["--on-empty", "fail", "--description", "mine", "--disabled"]);
    let changed = shown();
    assert_eq!(changed["enabled"], false);
    assert_eq!(
        changed["referrers"],
        serde_json::json!(["sbom", "signature"])
    );
    set(&[
        "--target-tag",
        "",
        "--backup-tag",
        "",
        "--index",
        "",
        "--architecture",
        "",
    ]);
    set(&[
        "--referrers=",
        "--on-empty",
        "",
        "--description",
        "",
        "--enabled",
    ]);
    assert_eq!(shown(), before);
    let refused = person.hears(&["project", "set", "web", "--prune-limit", "-5"], 1);
    assert!(refused.contains("`prune_limit`: `-5`"), "{refused}");
    let mixed = [
        "project",
        "set",
        "web",
        "--architecture",
        "",
        "--architecture",
        "arm64",
    ];
    person.hears(&mixed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_tags_are_named_at_the_end_of_a_run() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    for (seed, tag) in [(1, "good"), (2, "bad")] {
        let image = Image::single(Format::Oci, AMD64, &[Blob::layer(seed, 2000)]);
        image.store(&source, "team/app", Some(tag));
    }
    for method in ["GET", "HEAD"] {
        source.fault_add(Fault::status(method, "/manifests/", 403));
    }
    let server = Server::start(None);
    let person = Person::at(&server);
    let addresses = [&source, &target].map(|registry| format!("http://{}", registry.address()));
    person.hears(&["store", "add", "from", &addresses[0]], 0);
    person.hears(&["store", "add", "to", &addresses[1]], 0);
    let make = ["project", "create", "web", "--from", "from", "--to", "to"];
    person.hears(&[&make[..], &["--repository", "team/app"]].concat(), 0);
    let said = person.hears(&["project", "run", "web", "--wait"], 1);
    for tag in ["good", "bad"] {
        let start = format!("failed  team/app:{tag}: ");
        assert!(said.lines().any(|line| line.starts_with(&start)), "{said}");
    }
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("run 1: FAILED: "), "{said}");
    assert_eq!(last.matches("2 failed").count(), 1, "{said}");
    let listed = person.says(&["project", "run", "web", "--wait", "--json"]);
    assert_eq!(listed.status.code(), Some(1));
    let run: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let failures = run["failures"].as_array().unwrap();
    let mut tags: Vec<_> = failures.iter().map(|one| one["tag"].as_str()).collect();
    tags.sort_unstable();
    assert_eq!(tags, [Some("bad"), Some("good")]);
    assert!(failures.iter().all(|one| one["error"].is_string()), "{run}");
}

/// A client distinguishes an unreachable database, which is temporary, from its own errors.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_ends_a_command_with_3() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let proxy = Proxy::start(&database).await;
    let server = Server::start(Some(proxy.url.clone()));
    let person = Person::at(&server);
    person.hears(&["project", "list"], 0);
    proxy.mute(true);
    proxy.freeze();
    // No session is cached meanwhile: all of them fail.
    for words in [
        &["project", "list"][..],
        &["api", "get", "registrysync.listWorkers"],
    ] {
        let said = person.hears(words, 3);
        assert!(said.contains("database"), "{said}");
    }
    proxy.mute(false);
    let mut looks = 0;
    while person.says(&["project", "list"]).status.code() != Some(0) {
        looks += 1;
        assert!(looks < 100, "it doesn't come back");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}
