//! README and the pages of docs/, followed like a new user would: each console block is typed into a
//! shell, between real registries, a real server, PostgreSQL and nginx.
//!
//! - `blocks`: the fenced blocks of a page.
//! - `reader`: the user who follows it.
//!
//! Addresses that don't exist here are replaced by those of the tests; a block that isn't typed is
//! listed in [`NOT_TYPED`] with the reason.

mod blocks;
mod reader;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use blocks::{Block, blocks};
use reader::{Reader, port};
use serde_json::json;

use super::scripts::seed;
use super::server::{PASSWORD, Server, Session};
use super::tls::pair_write_for;
use crate::support::database::TestDatabase;
use crate::support::docker_registry::AnyRegistry;
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};
use crate::support::tools::{installed, usable};

/// Page, the block's first line, and why it isn't typed.
const NOT_TYPED: [(&str, &str, &str); 4] = [
    (
        "docs/plans.md",
        "$ registrysync plan --from docker.io --to registry.example.com \\",
        "`plans::command_line` does so with registries of its own",
    ),
    (
        "docs/evidence.md",
        "$ registrysync project evidence 17 --output run-17.json",
        "`whole::evidence` does so for each tag of a run",
    ),
    (
        "README.md",
        "$ scripts/demo      # two registries, images, the server, a project, a run: leaves the server up",
        "they build and test everything; `.ci/run` does",
    ),
    (
        "docs/spacecmd.md",
        "$ spacecmd-registrysync -y registrysync_delete -- 'old-*'",
        "spacecmd is in no package here; `clients::spacecmd` runs each command in a stand-in for its shell",
    ),
];
/// Pages whose console blocks a test of this file types.
const TYPED: [&str; 12] = [
    "README.md",
    "docs/command-line.md",
    "docs/evidence.md",
    "docs/examples.md",
    "docs/plans.md",
    "docs/pruning.md",
    "docs/referrers.md",
    "docs/scaling.md",
    "docs/selection.md",
    "docs/spacecmd.md",
    "docs/tls.md",
    "docs/watching.md",
];
/// The kinds of blocks; `text` is for synopses and other things that aren't typed.
const LANGUAGES: [&str; 9] = [
    "console", "text", "js", "json", "nginx", "python", "rust", "sql", "yaml",
];

fn pages() -> Vec<String> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let names = std::fs::read_dir(docs).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = names.filter(|name| Path::new(name).extension().is_some_and(|e| e == "md"));
    let mut pages: Vec<String> = names.map(|name| format!("docs/{name}")).collect();
    pages.push("README.md".to_owned());
    pages
}

/// The console blocks of a page that are typed.
fn typed(page: &str) -> Vec<Block> {
    let spared = |block: &Block| {
        NOT_TYPED
            .iter()
            .any(|(of, first, _)| *of == page && *first == block.first_line())
    };
    let console = blocks(page)
        .into_iter()
        .filter(|block| block.language == "console");
    console.filter(|block| !spared(block)).collect()
}

#[test]
fn every_block_says_what_it_is_and_is_typed_or_named() {
    for page in pages() {
        for block in blocks(&page) {
            let known = LANGUAGES.contains(&&*block.language);
            assert!(
                known,
                "{page}: a block without a language of {LANGUAGES:?}: {block:?}"
            );
            if block.language == "console" {
                assert!(TYPED.contains(&&*page), "{page}: nobody types {block:?}");
                assert!(!block.commands().is_empty(), "{page}: no `$ ` in {block:?}");
            }
        }
    }
    for (page, first, _) in NOT_TYPED {
        let there = blocks(page).iter().any(|block| block.first_line() == first);
        assert!(there, "{page}: there is no block `{first}` any more");
    }
}

/// Two registries: what the pages call Docker Hub, and their own.
async fn registries() -> (AnyRegistry, Registry) {
    let source = AnyRegistry::each().await.swap_remove(0);
    seed(&source).await;
    for (number, tag) in [(20, "1.36"), (21, "1.37")] {
        let image = Image::single(Format::Oci, AMD64, &[Blob::layer(number, 1000)]);
        image
            .push(source.address(), "library/busybox", Some(tag))
            .await;
    }
    (source, Registry::start().await)
}

fn with_registries(reader: &mut Reader, source: &AnyRegistry, target: &Registry) {
    reader.instead("docker.io", format!("http://{}", source.address()));
    reader.instead(
        "http://localhost:5000",
        format!("http://{}", target.address()),
    );
    reader.instead(
        "registry.example.com",
        format!("http://{}", target.address()),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn readme() {
    if !installed(&["bash", "curl", "python3"]) {
        return;
    }
    let (source, target) = registries().await;
    let mut reader = Reader::new();
    let address = format!("127.0.0.1:{}", port());
    reader.instead("127.0.0.1:8080", &address);
    reader.variable("REGISTRYSYNC_LISTEN", &address);
    with_registries(&mut reader, &source, &target);
    let all = blocks("README.md");
    let of = |language: &str| all.iter().find(|block| block.language == language).unwrap();
    reader.write("mirror.yml", &reader.own(&of("yaml").text()));
    let [one_shot, serve, curl] = &typed("README.md")[..] else {
        panic!("README has other blocks now: tell this test what they need");
    };
    let printed = reader.types(one_shot);
    assert!(
        printed.contains("library/busybox:1.37") && printed.contains("+ 1.26.0"),
        "{printed}"
    );
    assert_eq!(target.tags("mirror/busybox").len(), 2);
    assert_eq!(target.tags("mirror/postgres").len(), 2);

    let line = reader.types(serve);
    assert_eq!(line.trim_end(), reader.own(&serve.lines[1]));
    let sample = reader.own(&of("python").text());
    let printed = reader.runs("python3", &["-c", &sample]);
    assert!(printed.contains("\nFINISHED\n"), "{printed}");
    assert!(printed.contains("done library/nginx latest"), "{printed}");
    let printed = reader.types(curl);
    assert!(
        printed.matches("\"success\":true").count() == 3,
        "{printed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn selection_and_referrers() {
    if !installed(&["bash"]) {
        return;
    }
    let (source, target) = registries().await;
    let image = Image::artifact(30, "a/b");
    image.push(source.address(), "team/app", Some("v1")).await;
    let signature = format!("{}.sig", image.digest().replace(':', "-"));
    let signed = Image::artifact(31, "a/b");
    signed
        .push(source.address(), "team/app", Some(&signature))
        .await;
    let mut reader = Reader::new();
    with_registries(&mut reader, &source, &target);
    reader.instead("quay.io", format!("http://{}", source.address()));
    let mut printed = String::new();
    for page in ["docs/selection.md", "docs/referrers.md"] {
        for block in typed(page) {
            printed += &reader.types(&block);
        }
    }
    assert!(printed.starts_with("1.26.0\nlatest\n"), "{printed}");
    assert_eq!(target.tags("team/app")["v1"], image.digest());
    assert_eq!(target.tags("team/app")[&signature], signed.digest());
}

#[tokio::test(flavor = "multi_thread")]
async fn pruning() {
    if !installed(&["bash"]) {
        return;
    }
    let (source, target) = (Registry::start().await, Registry::start().await);
    for seed in 1..=10 {
        Image::artifact(seed, "a/b").store(&source, "app", Some(&seed.to_string()));
    }
    let server = Server::start(None);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    session.run_ended(session.run().await).await;
    source.tag_remove("app", "3");
    let mut reader = Reader::new();
    reader.variable("REGISTRYSYNC_URL", &server.url);
    reader.variable("REGISTRYSYNC_USER", "admin");
    let password = server.password_file();
    reader.variable("REGISTRYSYNC_PASSWORD_FILE", password.to_str().unwrap());
    let [planned, forced, kept] = &typed("docs/pruning.md")[..] else {
        panic!("the page has other blocks now: tell this test what they need");
    };
    let printed = reader.types(planned);
    assert!(printed.contains("\ndelete  app:3 -> "), "{printed}");
    assert_eq!(target.tags("app").len(), 9);
    source.tag_remove("app", "4");
    source.tag_remove("app", "5");
    reader.types(forced);
    assert_eq!(target.tags("app").len(), 7);
    reader.types(kept);
    Image::artifact(50, "a/b").store(&source, "app", Some("1"));
    session.run_ended(session.run().await).await;
    assert_eq!(target.tags("app").len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn command_line() {
    let mut reader = Reader::new();
    for block in typed("docs/command-line.md") {
        reader.types(&block);
    }
    assert!(reader.path(".bashrc").exists());
    let file = std::fs::read_to_string(reader.path("registrysync.toml")).unwrap();
    assert!(file.contains("worker_slots = \"2\""), "{file}");
}

#[tokio::test(flavor = "multi_thread")]
async fn examples() {
    if !installed(&["bash", "curl", "python3"])
        || !usable("perl", &["-MRPC::XML::Client", "-e1"])
        || !usable("ruby", &["-rxmlrpc/client", "-e1"])
        || !usable("ansible-playbook", &["--version"])
    {
        return;
    }
    let [block] = &typed("docs/examples.md")[..] else {
        panic!("one block with all examples");
    };
    let commands = block.commands();
    assert_eq!(commands.len(), 5, "{commands:?}");
    for command in commands {
        // Each copies something, so each has a target of its own.
        let (source, target) = registries().await;
        let server = Server::start(None);
        let mut reader = Reader::new();
        reader.write("password.txt", &format!("{PASSWORD}\n"));
        reader.instead("http://127.0.0.1:8080", &server.url);
        with_registries(&mut reader, &source, &target);
        let lines = vec![format!("$ {command}")];
        let language = "console".to_owned();
        reader.types(&Block { language, lines });
        assert_eq!(target.tags("library/nginx").len(), 2, "{command}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watching() {
    if !installed(&["bash", "curl"]) {
        return;
    }
    let (source, target) = registries().await;
    // Any HTTP server accepts a message; this one refuses it, which is reported.
    let hook = format!("http://{}/hook", source.address());
    let server = Server::with(vec!["--webhook-url".to_owned(), hook]);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["library/nginx"])
        .await;
    let id = session.run().await;
    session.run_ended(id).await;
    let mut reader = Reader::new();
    reader.instead("https://sync.example.com", &server.url);
    reader.instead("runs/17/events", format!("runs/{id}/events"));
    reader.variable("KEY", &session.key);
    reader.variable("REGISTRYSYNC_URL", &server.url);
    reader.variable("REGISTRYSYNC_USER", "admin");
    reader.variable(
        "REGISTRYSYNC_PASSWORD_FILE",
        server.password_file().to_str().unwrap(),
    );
    let [stream, message] = &typed("docs/watching.md")[..] else {
        panic!("docs/watching.md has other blocks now: tell this test what they need");
    };
    let printed = reader.types(stream);
    assert!(
        printed.contains("event: run") && printed.contains("event: end"),
        "{printed}"
    );
    let printed = reader.types(message);
    assert!(
        printed.contains(r#""channel": "webhook""#) && printed.contains(r#""ok": false"#),
        "{printed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_and_a_proxy() {
    if !installed(&["bash", "curl"]) || !usable("nginx", &["-v"]) {
        return;
    }
    let page = "docs/tls.md";
    let [own, trial, proxied] = &typed(page)[..] else {
        panic!("{page} has other blocks now: tell this test what they need");
    };
    let mut reader = Reader::new();
    let (plain, tls) = (
        format!("127.0.0.1:{}", port()),
        format!("127.0.0.1:{}", port()),
    );
    pair_write_for(&reader.path(""), &["sync.example.com", "localhost"]);
    for (file, name) in [("cert.pem", "sync.pem"), ("key.pem", "sync.key")] {
        std::fs::rename(reader.path(file), reader.path(name)).unwrap();
    }
    reader.instead("0.0.0.0:8443", &tls);
    reader.instead("127.0.0.1:8080", &plain);
    reader.variable("REGISTRYSYNC_LISTEN", &plain);
    let ask = |reader: &Reader, at: &str, ca: &str| {
        let resolve = format!(
            "sync.example.com:{}:127.0.0.1",
            at.rsplit_once(':').unwrap().1
        );
        let url = format!(
            "https://{}/rhn/manager/api/api/getVersion",
            at.replace("127.0.0.1", "sync.example.com")
        );
        reader.runs(
            "curl",
            &["-sS", "-i", "--cacert", ca, "--resolve", &resolve, &url],
        )
    };
    let line = reader.types(own);
    assert_eq!(line.trim_end(), reader.own(&own.lines[1]));
    assert!(ask(&reader, &tls, "sync.pem").contains("200"));
    reader.background_end();

    let line = reader.types(trial);
    assert_eq!(
        line.trim_end(),
        format!("registrysync listening on https://{plain}")
    );
    let url = format!("https://{plain}/rhn/manager/api/api/getVersion");
    let ca = "registrysync-data/tls-self-signed.crt";
    reader.runs("curl", &["-sS", "-f", "--cacert", ca, &url]);
    reader.background_end();

    reader.types(proxied);
    let block = blocks(page)
        .into_iter()
        .find(|block| block.language == "nginx")
        .unwrap();
    reader.instead("listen 443 ssl", format!("listen {tls} ssl"));
    reader.instead("/etc/ssl/", format!("{}/", reader.path("").display()));
    let home = reader.path("").display().to_string();
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {home}/{kind};\n"))
        .concat();
    let configuration = format!(
        "daemon off;\nmaster_process off;\npid {home}/nginx.pid;\nerror_log stderr;\nevents {{}}\n\
         http {{\naccess_log off;\n{paths}{}}}\n",
        reader.own(&block.text())
    );
    reader.write("nginx.conf", &configuration);
    reader.starts("nginx", &["-p", &home, "-c", "nginx.conf"]);
    until_answers(&tls).await;
    assert!(ask(&reader, &tls, "sync.pem").contains("200"));
    let file = std::fs::read_to_string(reader.path("registrysync-data/admin-password")).unwrap();
    reader.write(
        "login.json",
        &json!({"login": "admin", "password": file.trim()}).to_string(),
    );
    let resolve = format!(
        "sync.example.com:{}:127.0.0.1",
        tls.rsplit_once(':').unwrap().1
    );
    let login = format!(
        "https://sync.example.com:{}/rhn/manager/api/auth/login",
        tls.rsplit_once(':').unwrap().1
    );
    let body = ["-d", "@login.json", "-H", "Content-Type: application/json"];
    let trusted = ["-sS", "-i", "--cacert", "sync.pem", "--resolve", &resolve];
    let answer = reader.runs("curl", &[&trusted[..], &body, &[&login]].concat());
    assert!(answer.contains("; Secure"), "{answer}");
    let (_, key) = answer.split_once("pxt-session-cookie=").expect("a key");
    let key = key.split(';').next().unwrap();
    let session = Session::at(&format!("http://{plain}"), key).await;
    let ca = reader.path("sync.pem").display().to_string();
    let events = |id: i64| {
        let mut command = Command::new("curl");
        command.args(["-sS", "-N", "--cacert", &ca, "--resolve", &resolve]);
        command.args(["-H", &format!("Authorization: Bearer {key}")]);
        let port = tls.rsplit_once(':').unwrap().1;
        command.arg(format!(
            "https://sync.example.com:{port}/rhn/manager/runs/{id}/events"
        ));
        command
    };
    events_pass_while_a_run_goes_on(&session, events).await;
}

/// Events of a run are received at once, whatever is in between.
async fn events_pass_while_a_run_goes_on(session: &Session, events: impl Fn(i64) -> Command) {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let image = Image::single(Format::Oci, AMD64, &[Blob::layer(1, 300_000)]);
    image.store(&source, "app", Some("v1"));
    source.fault_add(Fault::on("GET", "/blobs/", Action::Stall { after: 100 }));
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    let id = session.run().await;
    let mut stream = events(id).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(stream.stdout.take().unwrap()).lines();
    let heard = tokio::task::spawn_blocking(move || {
        ["event: run", "event: log"].map(|event| lines.any(|line| line.is_ok_and(|l| l == event)))
    });
    let heard = tokio::time::timeout(Duration::from_mins(1), heard).await;
    // The source stalls: the run, and its stream, is far from its end.
    let run = session
        .get("registrysync/getRun", &[("runId", &id.to_string())])
        .await;
    stream.kill().unwrap();
    stream.wait().unwrap();
    assert_eq!(heard.expect("events").unwrap(), [true, true]);
    assert_eq!(run.unwrap()["status"], "RUNNING");
}

/// Polls until something accepts connections there, for a minute.
async fn until_answers(address: &str) {
    for _ in 0..1200 {
        if tokio::net::TcpStream::connect(address).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nobody listens on {address}");
}

#[tokio::test(flavor = "multi_thread")]
async fn scaling() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let (source, target) = registries().await;
    let mut reader = Reader::new();
    let address = format!("127.0.0.1:{}", port());
    let password = reader.path("password.txt").display().to_string();
    reader.write("password.txt", &format!("{PASSWORD}\n"));
    reader.instead("0.0.0.0:8080", &address);
    reader.instead(
        "postgres://registrysync@db.example.com/registrysync",
        format!("'{}'", database.url),
    );
    reader.instead("/etc/registrysync/secret.key", "server/secret.key");
    reader.instead(
        "registrysync worker",
        "registrysync worker --data-dir worker",
    );
    reader.instead(
        "registrysync serve",
        format!("registrysync serve --data-dir server --admin-password-file {password}"),
    );
    for block in typed("docs/scaling.md") {
        reader.types(&block);
    }
    reader.variable("REGISTRYSYNC_URL", format!("http://{address}"));
    reader.variable("REGISTRYSYNC_USER", "admin");
    reader.variable("REGISTRYSYNC_PASSWORD_FILE", password);
    let (from, to) = (
        format!("http://{}", source.address()),
        format!("http://{}", target.address()),
    );
    let ours = "registrysync";
    reader.runs(ours, &["store", "add", "hub", &from]);
    reader.runs(ours, &["store", "add", "mirror", &to]);
    let create = [
        "project", "create", "web", "--from", "hub", "--to", "mirror",
    ];
    reader.runs(
        ours,
        &[&create[..], &["--repository", "library/nginx"]].concat(),
    );
    // The server executes no runs: a worker is needed.
    reader.runs(ours, &["project", "run", "web", "--wait"]);
    assert_eq!(target.tags("library/nginx").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn spacecmd_is_installed() {
    if !installed(&["bash", "python3"]) {
        return;
    }
    let mut reader = Reader::new();
    let root = reader.path("usr-local").display().to_string();
    reader.instead("/usr/local", &root);
    std::fs::create_dir_all(reader.path("usr-local/bin")).unwrap();
    // The last one uses the commands' shell; a stand-in for spacecmd's shows what it got.
    let stub = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/whole/clients/spacecmd");
    let server = Server::start(None);
    let path = std::env::var("PATH").unwrap_or_default();
    reader.variable("PATH", format!("{root}/bin:{}/bin:{path}", stub.display()));
    reader.variable("PYTHONPATH", stub.display().to_string());
    reader.variable(
        "STUB_PASSWORD_FILE",
        server.password_file().display().to_string(),
    );
    reader.instead(
        "-s registrysync.example.com -u admin",
        format!("-s {} -u admin registrysync_listprojects", server.url),
    );
    for block in typed("docs/spacecmd.md") {
        reader.types(&block);
    }
    assert!(reader.path("usr-local/bin/spacecmd-registrysync").exists());
}
