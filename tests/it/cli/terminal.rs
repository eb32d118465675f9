//! Text from others controls no terminal, whichever command shows it: registries and servers that send
//! escape sequences, line breaks and bidirectional controls wherever they can.

use axum::extract::Path;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Desk, Said, said};
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};

/// Sets the title, rings, clears, ends C strings, starts lines, reverses the reading direction.
const BAD: &str = "x\u{1b}]0;P\u{7}\u{1b}[2J\0y\r\nforged\u{202e}w\u{9b}31m\u{7f}";
/// The remainder that shows that it was there at all.
const LEFT: &str = "]0;P";

/// Its text is shown without any effect.
fn harmless(words: &[&str], said: &Said) {
    for text in [&said.out, &said.err] {
        let steers =
            |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}');
        assert!(!text.contains(steers), "{words:?}: {said:?}");
        let forged = text
            .lines()
            .any(|line| line.trim_start().starts_with("forged"));
        assert!(!forged, "{words:?}: {said:?}");
    }
    let shown = format!("{}{}", said.out, said.err);
    assert!(shown.contains(LEFT), "{words:?}: {said:?}");
}

fn answer(method: &str, target: &str, status: u16, body: &Value) -> Fault {
    let action = Action::Answer {
        status,
        headers: vec![("content-type", "application/json".to_owned())],
        body: body.to_string(),
    };
    Fault::on(method, target, action)
}

/// Its repository `names` lists such names, `faults` responds with such errors, `refused` refuses
/// to be listed, `platforms` has such platforms.
async fn registry() -> Registry {
    let registry = Registry::start().await;
    for repository in ["names", "faults"] {
        let image = Image::single(Format::Oci, AMD64, &[Blob::layer(1, 1000)]);
        image.store(&registry, repository, Some("v1"));
    }
    let error = json!({"errors": [{"code": "UNKNOWN", "message": BAD, "detail": BAD}]});
    let tags = json!({"name": "names", "tags": ["v1", BAD]});
    registry.fault_add(answer("GET", "/names/tags/list", 200, &tags));
    registry.fault_add(answer("GET", "/refused/tags/list", 403, &error));
    registry.fault_add(answer("GET", "/faults/manifests/", 400, &error));
    let digest = format!("sha256:{}", "0".repeat(64));
    let platform = json!({"os": BAD, "architecture": BAD, "variant": BAD});
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 7,
            "digest": digest, "platform": platform}]});
    registry.manifest_put(
        "platforms",
        Some("v1"),
        "application/vnd.oci.image.index.v1+json",
        index.to_string(),
    );
    registry
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registrys_words_steer_no_terminal() {
    let (source, target) = (registry().await, Registry::start().await);
    let from = format!("http://{}", source.address());
    let to = format!("http://{}", target.address());
    let desk = Desk::new();
    let names = format!("{from}/names");
    let refused = format!("{from}/refused");
    let sync = |repository: &'static str| {
        let words = [
            "sync",
            "--from",
            &from,
            "--to",
            &to,
            "--repository",
            repository,
        ];
        words.map(str::to_owned).to_vec()
    };
    let list = |name: &str| vec!["list-tags".to_owned(), name.to_owned()];
    for (words, further) in [
        (
            list(&names),
            &[&[][..], &["--why"], &["--json"], &["--why", "--json"]][..],
        ),
        (list(&refused), &[&[], &["--json"]]),
        (
            sync("names"),
            &[&[], &["--json"], &["--dry-run"], &["--dry-run", "--json"]],
        ),
        (
            sync("faults"),
            &[&[], &["--json"], &["--dry-run"], &["--dry-run", "--json"]],
        ),
        (
            sync("refused"),
            &[&[], &["--json"], &["--dry-run"], &["--dry-run", "--json"]],
        ),
        (
            [
                sync("platforms"),
                vec!["--architecture".into(), "s390x".into()],
            ]
            .concat(),
            &[&["--json"], &["--dry-run"], &["--dry-run", "--json"]],
        ),
    ] {
        for more in further {
            let words: Vec<&str> = words
                .iter()
                .map(String::as_str)
                .chain(more.iter().copied())
                .collect();
            let said = desk.run(&words);
            harmless(&words, &said);
            if more.contains(&"--json") {
                said.lines();
            }
        }
    }
}

/// On a terminal there is a progress bar, whose own sequences are the only ones.
#[tokio::test(flavor = "multi_thread")]
async fn a_bar_has_its_own_sequences_only() {
    let (source, target) = (registry().await, Registry::start().await);
    let addresses = [&source, &target].map(|registry| format!("http://{}", registry.address()));
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/it/whole/clients/terminal.py"
    );
    let desk = Desk::new();
    for repository in ["names", "faults"] {
        let mut command = desk.command_of("python3");
        command.args([script, "never asked", ""]);
        command.arg(env!("CARGO_BIN_EXE_registrysync"));
        command.args(["sync", "--from", &addresses[0], "--to", &addresses[1]]);
        command.args(["--repository", repository]);
        let screen = said(&mut command).out;
        assert!(screen.contains(LEFT), "{screen:?}");
        let own = |c: char| c == '\u{1b}' || c == '\r' || c == '\n';
        let steers = |c: char| (c.is_control() && !own(c)) || c == '\u{202e}';
        assert!(!screen.contains(steers), "{screen:?}");
        assert!(
            !screen.contains("\u{1b}]") && !screen.contains("\u{1b}[2J"),
            "{screen:?}"
        );
    }
}

/// A server whose every response is full of it.
async fn server() -> String {
    fn result(method: &str) -> Value {
        let run = json!({"id": 7, "project_label": "web", "status": "FAILED", "message": BAD, "bytes": "1",
            "end_time": BAD, "counts": {"selected": 2, "failed": 1, "blocked": 1}});
        match method {
            "registrysync/listProjects" => json!([{"label": BAD, "src_store_label": BAD,
                "dest_store_label": BAD, "enabled": BAD, "last_run": run, "cron_expr": BAD}]),
            "registrysync/getDetails" => json!({"label": BAD, BAD: BAD, "last_run": run,
                "items": [{"id": BAD, "repository": BAD, "tags": [BAD]}]}),
            "registrysync/run" => json!(7),
            "registrysync/getRun" => run,
            "registrysync/listRuns" => json!([run]),
            "registrysync/listRunResults" => json!([{"repository": BAD, "tag": BAD,
                "status": BAD, "error": BAD}]),
            "registrysync/getRunLog" => json!([{"time": BAD, "level": BAD, "message": BAD}]),
            "registrysync/getSchedule" => json!({"cron_expr": BAD, "description": BAD,
                "time_zone": BAD, "disabled_reason": BAD, "next_fire_times": [BAD]}),
            "registrysync/ping" => json!({"ok": false, "steps": [{"name": BAD, "ok": true,
                "milliseconds": BAD, "message": BAD}]}),
            "registrysync/listWorkers" => json!([{"name": BAD, "host": BAD, "status": BAD,
                "last_seen": BAD, "slots": 2, "busy": 1, "parts": [{"run_id": 7, "project_label": BAD,
                "part": 1, "target_repository": BAD}]}]),
            "image/store/listImageStores" => json!([{"label": BAD, "uri": BAD, "username": BAD}]),
            // The lines of a text are lines of the output.
            "sample/text" => json!(BAD.replace('\n', "")),
            _ => json!({BAD: [BAD]}),
        }
    }
    async fn json_wire(Path(method): Path<String>) -> Response {
        if method == "auth/login" {
            let cookie = [(SET_COOKIE, "pxt-session-cookie=1x2; Path=/")];
            return (cookie, Json(json!({"success": true, "result": 1}))).into_response();
        }
        if method == "sample/fault" {
            return Json(json!({"success": false, "message": BAD, "code": 10101})).into_response();
        }
        Json(json!({"success": true, "result": result(&method)})).into_response()
    }
    /// XML can't contain all of it.
    async fn xml_wire(document: String) -> String {
        let text = "<string>]0;P&#13;forged\u{202e}\u{9b}31m\u{7f}</string>";
        if document.contains("sample.fault") {
            return format!(
                "<?xml version='1.0'?><methodResponse><fault><value><struct>\
                 <member><name>faultCode</name><value><i4>7</i4></value></member>\
                 <member><name>faultString</name><value>{text}</value></member>\
                 </struct></value></fault></methodResponse>"
            );
        }
        format!(
            "<?xml version='1.0'?><methodResponse><params><param><value>{text}</value></param></params></methodResponse>"
        )
    }
    let routes = Router::new()
        .route("/rhn/manager/api/{*method}", any(json_wire))
        .route("/rpc/api", post(xml_wire));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_servers_words_steer_no_terminal() {
    let url = server().await;
    let desk = Desk::new();
    let password = desk.file("password", "secret\n");
    let run = |words: &[&str]| {
        let mut command = desk.command();
        command.args(words).env("REGISTRYSYNC_URL", &url);
        command.env("REGISTRYSYNC_USER", "admin");
        command.env("REGISTRYSYNC_PASSWORD_FILE", &password);
        said(&mut command)
    };
    for words in [
        &["project", "list"][..],
        &["project", "show", "web"],
        &["project", "run", "web", "--wait"],
        &["project", "log", "web"],
        &["project", "schedule", "list"],
        &["project", "schedule", "show", "web"],
        &["workers"],
        &["store", "list"],
        &["store", "test", "hub"],
        &["api", "get", "sample.text"],
        &["api", "sample.text", "1"],
        &["api", "get", "sample.other"],
        &["api", "get", "sample.fault"],
        &["api", "sample.fault", "1"],
    ] {
        let said = run(words);
        harmless(words, &said);
        let words = [words, &["--json"]].concat();
        let said = run(&words);
        harmless(&words, &said);
        said.lines();
    }
    // JSON escapes it, and loses nothing.
    let said = run(&["api", "get", "sample.text", "--json"]).ended(0);
    assert_eq!(said.lines(), [json!(BAD.replace('\n', ""))]);
    let said = run(&["project", "show", "web", "--json"]).ended(0);
    assert_eq!(said.lines()[0][BAD], BAD);
}
