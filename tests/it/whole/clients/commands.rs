//! The commands that talk to a server when something is wrong: expired sessions, secret passwords,
//! unreachable servers, failed tags; and Tab.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::ended;
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::Fault;
use crate::support::tools::usable;
use crate::whole::server::{PASSWORD, Server};

/// A person with an empty home.
pub(super) struct Person {
    pub(super) home: TempDir,
    url: String,
    pub(super) password_file: PathBuf,
}

impl Person {
    pub(super) fn at(server: &Server) -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            url: server.url.clone(),
            password_file: server.password_file(),
        }
    }

    /// Without a password: with the saved session or none.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.home.path())
            .env("REGISTRYSYNC_URL", &self.url);
        command
    }

    pub(super) fn says(&self, words: &[&str], input: &str) -> (i32, String, String) {
        let mut command = self.command(env!("CARGO_BIN_EXE_registrysync"));
        command.args(words);
        let (code, out, err) = ended(command, input);
        assert!(
            !format!("{out}{err}").contains(PASSWORD),
            "{words:?}: {out}{err}"
        );
        (code, out, err)
    }

    pub(super) fn well(&self, words: &[&str]) -> String {
        let (code, out, err) = self.says(words, "");
        assert_eq!(code, 0, "{words:?}: {out}{err}");
        out
    }

    /// The standard error of a command that ends with `code`.
    pub(super) fn fails(&self, words: &[&str], code: i32) -> String {
        let (ended, out, err) = self.says(words, "");
        assert_eq!(ended, code, "{words:?}: {out}{err}");
        err
    }

    pub(super) fn logs_in(&self) {
        let file = self.password_file.to_str().unwrap();
        self.well(&["api", "login", "--user", "admin", "--password-file", file]);
    }

    /// The file of the session, which must exist.
    fn session_file(&self) -> PathBuf {
        let directory = self.home.path().join(".cache/registrysync");
        let mut files = std::fs::read_dir(directory).unwrap();
        let file = files.next().unwrap().unwrap().path();
        assert!(files.next().is_none());
        file
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_kept_renewed_and_ended() {
    let server = Server::start(None);
    let person = Person::at(&server);
    let err = person.fails(&["project", "list"], 2);
    assert!(
        err.contains("no terminal") && err.contains("`--user`"),
        "{err}"
    );
    let err = person.fails(&["project", "list", "--user", "admin"], 2);
    assert!(err.contains("`--password-file`"), "{err}");

    person.logs_in();
    person.well(&["project", "list"]);
    let file = person.session_file();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(!kept.contains(PASSWORD), "{kept}");

    // A key unknown to the server: without a password the command fails, with one the session is
    // renewed.
    let mut stale: Value = serde_json::from_str(&kept).unwrap();
    stale["key"] = json!(format!("7x{}", "0".repeat(64)));
    std::fs::write(&file, stale.to_string()).unwrap();
    person.fails(&["project", "list"], 2);
    let password_file = person.password_file.to_str().unwrap();
    for listing in [
        &["project", "list"][..],
        // The other wire has its own message for it.
        &["api", "registrysync.listProjects", "10", "0"],
    ] {
        std::fs::write(&file, stale.to_string()).unwrap();
        person.well(&[listing, &["--password-file", password_file]].concat());
        assert_ne!(std::fs::read_to_string(&file).unwrap(), stale.to_string());
        person.well(listing);
    }

    // Another user's session isn't used, and a wrong password ends nothing.
    person.fails(&["project", "list", "--user", "nobody"], 2);
    let wrong = person.home.path().join("wrong");
    std::fs::write(&wrong, "wrong\n").unwrap();
    let words = ["api", "login", "--password-file", wrong.to_str().unwrap()];
    let err = person.fails(&words, 1);
    assert!(err.contains("password or username is incorrect"), "{err}");
    person.well(&["project", "list"]);

    let key: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    person.well(&["api", "logout"]);
    assert!(!file.exists());
    let key = key["key"].as_str().unwrap();
    assert_eq!(
        person.well(&["api", "auth.isSessionKeyValid", key]),
        "false\n"
    );
    person.well(&["api", "logout"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_asked_for_at_a_terminal_and_not_shown() {
    if !usable("python3", &["--version"]) {
        return;
    }
    let server = Server::start(None);
    let person = Person::at(&server);
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/it/whole/clients/terminal.py"
    );
    let mut command = person.command("python3");
    command.args([script, "Password of `admin`", PASSWORD]);
    command.arg(env!("CARGO_BIN_EXE_registrysync"));
    command.args(["api", "login", "--user", "admin"]);
    let (code, screen, err) = ended(command, "");
    assert_eq!(code, 0, "{screen}{err}");
    assert!(
        screen.contains("logged in as admin") && !screen.contains(PASSWORD),
        "{screen}"
    );
    person.well(&["project", "list"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_taken_from_a_file_or_standard_input_only() {
    let server = Server::start(None);
    let person = Person::at(&server);
    person.logs_in();
    let user = ["api", "user.create", "carla"];
    let names = ["Carla", "C", "c@example.com"];
    for words in [
        [&user[..], &["hunter2hunter2"], &names].concat(),
        vec!["api", "auth.login", "admin", "hunter2hunter2"],
        vec![
            "api",
            "post",
            "auth/login",
            "login=admin",
            "password=hunter2hunter2",
        ],
        vec![
            "api",
            "image.store.create",
            "l",
            "r.example",
            "registry",
            "{\"password\": \"hunter2hunter2\"}",
        ],
    ] {
        let err = person.fails(&words, 2);
        assert!(err.contains("@FILE") && !err.contains("hunter2"), "{err}");
    }
    let words = [&user[..], &["@-"], &names].concat();
    let (code, out, err) = person.says(&words, "1234567890\n");
    assert_eq!(code, 0, "{out}{err}");
    let other = Person::at(&server);
    let file = other.home.path().join("password");
    std::fs::write(&file, "1234567890\n").unwrap();
    other.well(&[
        "api",
        "login",
        "--user",
        "carla",
        "--password-file",
        file.to_str().unwrap(),
    ]);

    let file = person.home.path().join("login.json");
    std::fs::write(&file, "{\"username\": \"u\", \"password\": \"hunter2\"}\n").unwrap();
    let credentials = format!("credentials=@{}", file.display());
    let words = [
        "api",
        "image.store.create",
        "label=l",
        "uri=r.example",
        "storeType=registry",
    ];
    person.well(&[&words[..], &[&credentials]].concat());
    let store = person.well(&["api", "--json", "image.store.getDetails", "l"]);
    let store: Value = serde_json::from_str(&store).unwrap();
    assert_eq!(
        (&store["username"], &store["hasCredentials"]),
        (&json!("u"), &json!(true))
    );

    std::fs::write(&file, "hunter2\n").unwrap();
    let login = [
        "--username",
        "v",
        "--registry-password-file",
        file.to_str().unwrap(),
    ];
    person.well(&[&["store", "add", "m", "r.example/x"][..], &login].concat());
    assert!(
        person
            .well(&["store", "list"])
            .contains("m      r.example/x  v     verified")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_say_what_is_wrong() {
    let (gone, other) = (Registry::start().await, Registry::start().await);
    let nobody = format!("http://{}", gone.address());
    drop(gone);
    let server = Server::start(None);
    let person = Person::at(&server);
    let file = person.password_file.to_str().unwrap();
    let login = [
        "api",
        "login",
        "--user",
        "admin",
        "--password-file",
        file,
        "--url",
    ];
    let err = person.fails(&[&login[..], &[&nobody]].concat(), 3);
    assert!(
        err.contains(&format!("can't reach `{nobody}`: Connection refused")),
        "{err}"
    );
    let err = person.fails(
        &[&login[..], &[&format!("http://{}", other.address())]].concat(),
        3,
    );
    assert!(
        err.contains("doesn't answer like a registrysync server"),
        "{err}"
    );
    person.fails(&[&login[..], &["ftp://x"]].concat(), 2);

    person.logs_in();
    for (words, code, reason) in [
        (
            &["api", "get", "registrysync/run", "label=x"][..],
            2,
            "POST",
        ),
        (&["api", "get", "registrysync/noSuch"], 2, "noSuch"),
        (
            &["api", "registrysync.noSuch", "x"],
            2,
            "Could not find method",
        ),
        (&["api", "registrysync.getDetails", "labl=x"], 2, "labl"),
        (&["api", "registrysync.getDetails", "nope"], 1, "nope"),
        (
            &["api", "registrysync.getDetails", "label=nope"],
            1,
            "(fault 10101)",
        ),
        (&["api", "help", "nonsense"], 2, "nonsense"),
        (&["project", "log", "nope"], 1, "nope"),
        (
            &[
                "project", "create", "x", "--from", "a", "--to", "b", "--tag", "t",
            ],
            2,
            "--repository",
        ),
    ] {
        let err = person.fails(words, code);
        assert!(err.contains(reason), "{words:?}: {err}");
    }
    // Without arguments, methods that need no session only on XML-RPC are called there.
    assert_eq!(person.well(&["api", "api.getVersion"]), "27\n");
    assert!(
        person
            .well(&["api", "system.listMethods"])
            .contains("\"registrysync.run\"")
    );
    let help = person.well(&["api", "help", "registrysync.listTags"]);
    assert!(
        help.contains("(GET)") && help.contains("storeLabel"),
        "{help}"
    );

    let broken = format!("http://{}", other.address());
    other.fault_add(Fault::status("GET", "/v2/", 500));
    person.well(&["store", "add", "broken", &broken]);
    let err = person.fails(&["store", "test", "broken"], 3);
    assert!(err.contains("`broken` isn't usable"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_tag_and_a_refused_item_are_told() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    for seed in 1..=2 {
        let image = Image::single(Format::Oci, AMD64, &[Blob::layer(seed, 2000)]);
        image.store(&source, "app", Some(&format!("v{seed}")));
    }
    source.fault_add(Fault::status("GET", "/manifests/v2", 404));
    source.fault_add(Fault::status("HEAD", "/manifests/v2", 404));
    let server = Server::start(None);
    let person = Person::at(&server);
    person.logs_in();
    person.well(&[
        "store",
        "add",
        "from",
        &format!("http://{}", source.address()),
    ]);
    person.well(&[
        "store",
        "add",
        "to",
        &format!("http://{}", target.address()),
    ]);
    let make = [
        "project",
        "create",
        "web",
        "--from",
        "from",
        "--to",
        "to",
        "--repository",
        "app",
    ];
    let err = person.fails(&[&make[..], &["--tag-regex", "["]].concat(), 1);
    assert!(err.contains("unclosed character class"), "{err}");
    assert_eq!(
        person.well(&["project", "list", "--json"]),
        "",
        "nothing is half made"
    );

    person.well(&make);
    let err = person.fails(&["project", "run", "web", "--wait"], 1);
    assert!(
        err.contains("FAILED") && err.contains("1 copied") && err.contains("1 failed"),
        "{err}"
    );
    let (code, out, _) = person.says(&["project", "run", "web", "--wait", "--json"], "");
    let run: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &run["counts"]["failed"]), (1, &json!(1)));
    let id = run["id"].to_string();
    let log = person.well(&["project", "log", "web", "--run", &id, "--json"]);
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        lines
            .iter()
            .any(|line| line["message"].to_string().contains("`app:v2` failed")),
        "{log}"
    );
    let list = person.well(&["project", "list"]);
    let head = "LABEL  FROM  TO  ENABLED  LAST RUN  ENDED\nweb    from  to  yes      FAILED    ";
    assert!(list.starts_with(head), "{list}");

    person.well(&["project", "create", "api", "--from", "from", "--to", "to"]);
    let err = person.fails(&["project", "log", "api", "--run", &id], 2);
    assert!(
        err.contains("belongs to the project `web`, not to `api`"),
        "{err}"
    );
    let err = person.fails(&["project", "log", "api"], 1);
    assert!(err.contains("has not run yet"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tab_completes_commands_and_labels() {
    if !usable("bash", &["--version"]) {
        return;
    }
    let server = Server::start(None);
    let person = Person::at(&server);
    person.logs_in();
    person.well(&["store", "add", "from", "r.example"]);
    person.well(&["store", "add", "to", "t.example"]);
    for label in ["web", "web-old", "api"] {
        person.well(&["project", "create", label, "--from", "from", "--to", "to"]);
    }
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_registrysync"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", binary.parent().unwrap().display());
    // Like bash on the Tab key: the words, the index of the typed one, and the script's function.
    let offered = |person: &Person, words: &[&str]| {
        let mut command = person.command("bash");
        let script = "source <(registrysync completions bash); COMP_WORDS=(\"$@\"); \
            COMP_CWORD=$(($# - 1)); _clap_complete_registrysync registrysync \"${!#}\"; \
            printf '%s\\n' \"${COMPREPLY[@]}\"";
        command
            .args(["-c", script, "bash", "registrysync"])
            .args(words);
        let (_, out, _) = ended(
            {
                command.env("PATH", &path);
                command
            },
            "",
        );
        out.lines().map(str::trim).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(offered(&person, &["project", "sh"]), "show");
    assert_eq!(
        offered(&person, &["api", "registrysync.listTa"]),
        "registrysync.listTags"
    );
    assert_eq!(offered(&person, &["api", "log"]), "login logout");
    assert_eq!(offered(&person, &["project", "show", "w"]), "web web-old");
    assert_eq!(offered(&person, &["project", "run", "a"]), "api");
    assert_eq!(offered(&person, &["store", "test", "f"]), "from");
    assert_eq!(
        offered(&person, &["project", "create", "x", "--from", "t"]),
        "to"
    );
    for shell in ["zsh", "fish"] {
        assert!(
            person
                .well(&["completions", shell])
                .contains("registrysync")
        );
        let mut command = person.command(binary.to_str().unwrap());
        command
            .env("COMPLETE", shell)
            .env("_CLAP_COMPLETE_INDEX", "3");
        command.args(["--", "registrysync", "project", "log", "ap"]);
        assert_eq!(ended(command, "").1.trim(), "api", "{shell}");
    }
    // Without a session there is nothing to offer, and no request is made.
    let stranger = Person::at(&server);
    assert_eq!(offered(&stranger, &["project", "show", "w"]), "");
}
