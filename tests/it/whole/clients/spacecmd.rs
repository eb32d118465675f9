//! `contrib/spacecmd`: each command through its own wrapper, in a stand-in for spacecmd's shell.

use std::path::Path;
use std::process::Command;

use super::ended;
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::tools::usable;
use crate::whole::server::Server;

/// spacecmd interprets arguments that begin with a dash itself, unless they follow a `--`.
fn spacecmd_line<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let mut line = words.to_vec();
    if let Some(at) = words
        .iter()
        .position(|word| word.starts_with("reg") && !word.contains(' '))
    {
        line.insert(at + 1, "--");
    }
    line
}

struct Shell<'a> {
    server: &'a Server,
}

impl Shell<'_> {
    fn says(&self, words: &[&str], input: &str) -> (i32, String, String) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let stub = root.join("tests/it/whole/clients/spacecmd");
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new("python3");
        command
            .arg("-B")
            .arg(root.join("contrib/spacecmd/spacecmd-registrysync"))
            .args(["-s", &self.server.url, "-u", "admin"])
            .args(spacecmd_line(words))
            .env("PATH", format!("{}:{path}", stub.join("bin").display()))
            .env("PYTHONPATH", stub)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("STUB_PASSWORD_FILE", self.server.password_file());
        ended(command, input)
    }

    /// The output of a command that must succeed.
    fn well(&self, words: &[&str]) -> String {
        let (code, out, err) = self.says(words, "");
        assert_eq!(code, 0, "{words:?}: {out}{err}");
        out
    }

    /// The same, with the user's answers.
    fn asked(&self, words: &[&str], answers: &str) -> String {
        let (code, out, err) = self.says(words, answers);
        assert_eq!(code, 0, "{words:?}: {out}{err}");
        out
    }

    /// The standard error of a command that must fail.
    fn fails(&self, words: &[&str]) -> String {
        let (code, out, err) = self.says(words, "");
        assert_eq!(code, 1, "{words:?}: {out}{err}");
        err
    }

    fn offers(&self, line: &str) -> String {
        self.well(&["--complete", line])
    }
}

async fn source() -> Registry {
    let source = Registry::start().await;
    for (seed, tag) in [(1, "1.9"), (2, "1.10"), (3, "2.0")] {
        let image = Image::single(Format::Oci, AMD64, &[Blob::layer(seed, 2000)]);
        image.store(&source, "team/app", Some(tag));
    }
    let image = Image::single(Format::Oci, AMD64, &[Blob::layer(9, 2000)]);
    image.store(&source, "team/tool", Some("latest"));
    source
}

fn registries_made(shell: &Shell, source: &Registry, target: &Registry) {
    let addresses = [source, target].map(|place| format!("http://{}", place.address()));
    shell.well(&["registry_create", "-n", "to", "-u", &addresses[1]]);
    let answers = format!("from\n{}\n\n", addresses[0]);
    shell.asked(&["registry_create"], &answers);
    assert_eq!(shell.well(&["registry_list"]), "from\nto\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_made_run_and_deleted() {
    if !usable("python3", &["--version"]) {
        return;
    }
    let (source, target, server) = (source().await, Registry::start().await, Server::start(None));
    let shell = Shell { server: &server };
    registries_made(&shell, &source, &target);
    let details = shell.well(&["registry_details", "*"]);
    assert!(
        details.contains(source.address()) && details.contains("none\n"),
        "{details}"
    );
    assert!(
        shell
            .well(&["registry_test", "from"])
            .contains("from: connect: ok")
    );
    assert_eq!(
        shell.well(&["registrysync_listrepositories", "from"]),
        "team/app\nteam/tool\n"
    );
    assert_eq!(
        shell.well(&["registrysync_listtags", "from", "team/app", "^1"]),
        "1.10\n1.9\n"
    );

    shell.well(&[
        "registrysync_create",
        "-n",
        "web",
        "-f",
        "from",
        "-t",
        "to",
        "-a",
        "amd64,arm64",
    ]);
    shell.asked(&["registrysync_create"], "api\nfrom\nto\nflat\n");
    assert_eq!(shell.well(&["registrysync_listprojects"]), "api\nweb\n");
    // White space within a word is quoted by spacecmd itself; a tag that looks like a number stays one.
    shell.well(&["registrysync_addimage", "web", "team/app", "1.10"]);
    shell.well(&[
        "registrysync_addimage",
        "web",
        "team/tool",
        "-r",
        "^l",
        "-x",
        "rc",
    ]);
    assert_eq!(
        shell.well(&["registrysync_listimages", "web"]),
        "team/app (1.10)\nteam/tool (regex ^l, but not rc)\n"
    );
    let details = shell.well(&["registrysync_details", "w*"]);
    for part in ["Label:         web", "amd64, arm64", "team/app (1.10)"] {
        assert!(details.contains(part), "{details}");
    }

    let ran = shell.well(&["registrysync_run", "-w", "web"]);
    assert!(ran.contains("web: FINISHED, 2 copied"), "{ran}");
    assert!(target.tags("team/app").keys().eq(["1.10"]));
    let log = shell.well(&["registrysync_runlog", "web"]);
    assert!(log.contains("`team/app:1.10` copied"), "{log}");
    let id = ran.trim_start_matches("web: run ").lines().next().unwrap();
    assert_eq!(shell.well(&["registrysync_runlog", "web", id]), log);
    assert!(
        shell
            .fails(&["registrysync_runlog", "api", id])
            .contains("belongs to project web")
    );
    assert!(
        shell
            .fails(&["registrysync_runlog", "api"])
            .contains("not run yet")
    );

    shell.well(&["registrysync_removeimage", "-y", "web", "team/tool"]);
    assert_eq!(
        shell.well(&["registrysync_listimages", "web"]),
        "team/app (1.10)\n"
    );
    assert!(
        shell
            .fails(&["registry_delete", "-y", "from"])
            .contains("Failed to delete registry from")
    );
    shell.well(&["-y", "registrysync_delete", "*"]);
    assert_eq!(shell.well(&["registrysync_listprojects"]), "");
    shell.well(&["registry_delete", "-y", "from", "to"]);
    assert_eq!(shell.well(&["registry_list"]), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deleted_without_a_yes() {
    if !usable("python3", &["--version"]) {
        return;
    }
    let (source, target, server) = (source().await, Registry::start().await, Server::start(None));
    let shell = Shell { server: &server };
    registries_made(&shell, &source, &target);
    shell.well(&["registrysync_create", "-n", "web", "-f", "from", "-t", "to"]);
    shell.well(&["registrysync_addimage", "web", "team/app"]);
    shell.well(&["registrysync_setschedule", "web", "0 0 3 * * ?"]);
    assert_eq!(
        shell.well(&["registrysync_listschedules"]),
        "web: 0 0 3 * * ?\n"
    );
    let commands: [&[&str]; 4] = [
        &["registrysync_removeimage", "web", "team/app"],
        &["registrysync_removeschedule", "web"],
        &["registrysync_delete", "web"],
        &["registry_delete", "from"],
    ];
    for command in commands {
        for answer in ["n\n", "\n", ""] {
            let out = shell.asked(command, answer);
            assert!(out.contains("[y/N]:"), "{command:?}: {out}");
        }
    }
    assert_eq!(
        shell.well(&["registrysync_listimages", "web"]),
        "team/app (all tags)\n"
    );
    assert_eq!(
        shell.well(&["registrysync_listschedules"]),
        "web: 0 0 3 * * ?\n"
    );
    assert_eq!(shell.well(&["registry_list"]), "from\nto\n");

    shell.asked(&["registrysync_removeschedule", "web"], "y\n");
    assert_eq!(shell.well(&["registrysync_listschedules"]), "");
    let fault = shell.fails(&["registrysync_setschedule", "web", "0 0 3 * *"]);
    assert!(fault.contains("Cron trigger: 0 0 3 * *"), "{fault}");
    shell.asked(&["registrysync_delete", "web"], "y\n");
    assert_eq!(shell.well(&["registrysync_listprojects"]), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_has_help_and_tab_offers_labels() {
    if !usable("python3", &["--version"]) {
        return;
    }
    let (source, target, server) = (source().await, Registry::start().await, Server::start(None));
    let shell = Shell { server: &server };
    registries_made(&shell, &source, &target);
    shell.well(&["registrysync_create", "-n", "web", "-f", "from", "-t", "to"]);

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("contrib/spacecmd/registrysync.py")).unwrap();
    let commands: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("def do_")?.split('(').next())
        .collect();
    assert!(commands.len() >= 19, "{commands:?}");
    for command in commands {
        let help = shell.well(&[command, "--help"]);
        assert!(help.starts_with(&format!("{command}: ")), "{help}");
        assert!(help.contains(&format!("\nusage: {command}")), "{help}");
        // Those that need an argument show their help without one.
        if help.contains("PROJECT") || help.contains("REGISTRY") {
            let (code, out, _) = shell.says(&[command], "");
            assert_eq!((code, out), (1, help), "{command}");
        }
    }
    for (line, offered) in [
        ("registrysync_details ", "web\n"),
        ("registrysync_delete -y w", "web\n"),
        ("registrysync_addimage web ", "\n"),
        ("registrysync_addimage x", "\n"),
        ("registry_test ", "from\nto\n"),
        ("registry_test from t", "to\n"),
        ("registrysync_listtags f", "from\n"),
    ] {
        assert_eq!(shell.offers(line), offered, "{line}");
    }
    for (words, reason) in [
        (
            &["registrysync_details", "nope"][..],
            "No project matches nope",
        ),
        // The others of the arguments are done, and yet it failed.
        (
            &["registrysync_details", "web", "nope"],
            "No project matches nope",
        ),
        (
            &["registry_details", "from", "nope"],
            "No registry matches nope",
        ),
        (
            &["registry_test", "from", "nope"],
            "No registry matches nope",
        ),
        (
            &["registrysync_removeschedule", "-y", "web", "nope"],
            "No project matches nope",
        ),
        (&["registrysync_create", "-n", "x"], "A source is required"),
        (&["registry_create", "-n", "x"], "An address is required"),
        (&["registrysync_run", "--nonsense", "web"], "--nonsense"),
        (&["registrysync_addimage", "nope", "a"], "nope"),
        (&["registrysync_listtags", "from", "not/there"], "not/there"),
    ] {
        let error = shell.fails(words);
        assert!(error.contains(reason), "{words:?}: {error}");
    }
}
