//! Notifications when a project starts failing and when it recovers, by webhook and by e-mail, and only
//! then.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::server::{Server, Session};
use crate::support::answer::{ANY, assert_answer};
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};

/// Polls for a message: every 50 ms, for a minute.
const LOOKS: usize = 1200;
/// Longer than the interval at which messages are looked for.
const QUIET: Duration = Duration::from_secs(5);
const SECRET: &str = "s3cret-path";

/// What was received, and how often the next ones are refused.
#[derive(Clone, Default)]
struct Received {
    texts: Arc<Mutex<Vec<String>>>,
    refusals: Arc<Mutex<u32>>,
}

impl Received {
    /// Whether a message is accepted.
    fn take(&self, text: String) -> bool {
        let mut refusals = self.refusals.lock().unwrap();
        if *refusals > 0 {
            *refusals -= 1;
            return false;
        }
        self.texts.lock().unwrap().push(text);
        true
    }

    fn texts(&self) -> Vec<String> {
        self.texts.lock().unwrap().clone()
    }

    /// All of them, as soon as there are `count`.
    async fn wait(&self, count: usize) -> Vec<String> {
        for _ in 0..LOOKS {
            let texts = self.texts();
            if texts.len() >= count {
                return texts;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{count} messages don't come: {:?}", self.texts());
    }
}

/// A chat server: the address of its webhook.
async fn webhook(received: Received) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let hook = move |body: String| async move {
        if received.take(body) {
            StatusCode::NO_CONTENT
        } else {
            StatusCode::BAD_GATEWAY
        }
    };
    let router = Router::new().route(&format!("/{SECRET}"), post(hook));
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/{SECRET}")
}

/// A mail server: its address. Envelope and text are received.
async fn mail_server(received: Received) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(mail_talk(stream, received.clone()));
        }
    });
    format!("smtp://{address}")
}

/// One conversation of RFC 5321, as far as a single message needs it.
async fn mail_talk(stream: TcpStream, received: Received) {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 mail ESMTP\r\n").await.unwrap();
    let (mut text, mut in_data, mut line) = (String::new(), false, String::new());
    while let Ok(1..) = stream.read_line(&mut line).await {
        let answer = match (in_data, line.trim_end()) {
            (true, ".") => {
                in_data = false;
                let taken = received.take(std::mem::take(&mut text));
                Some(if taken { "250 taken" } else { "451 later" })
            }
            (true, _) => None,
            (false, "DATA") => {
                in_data = true;
                Some("354 go on")
            }
            (false, "QUIT") => Some("221 bye"),
            (false, _) => Some("250 yes"),
        };
        text.push_str(&line);
        line.clear();
        if let Some(answer) = answer {
            let answer = format!("{answer}\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }
}

/// A server that notifies both, with a project of one image.
async fn told() -> (Server, Session, [Registry; 2], [Received; 2]) {
    let (chat, mail) = (Received::default(), Received::default());
    let arguments = [
        ("--webhook-url", webhook(chat.clone()).await),
        ("--smtp-url", mail_server(mail.clone()).await),
        ("--mail-from", "registrysync <sync@example.com>".to_owned()),
        ("--mail-to", "one@example.com, two@example.com".to_owned()),
    ];
    let arguments = arguments.map(|(flag, value)| [flag.to_owned(), value]);
    let server = Server::with(arguments.concat());
    let session = server.login().await;
    let source = Registry::start().await;
    let image = Image::single(Format::Oci, AMD64, &[Blob::layer(1, 1000)]);
    image.store(&source, "app", Some("v1"));
    let target = Registry::start().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    (server, session, [source, target], [chat, mail])
}

async fn run(session: &Session, status: &str) -> i64 {
    let id = session.run().await;
    let run = session.run_ended(id).await;
    assert_eq!(run["status"], status, "{run}");
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn people_hear_of_the_change_and_of_nothing_else() {
    let (_server, session, [source, _target], [chat, mail]) = told().await;
    run(&session, "FINISHED").await;
    let refused = || Action::Answer {
        status: 403,
        headers: Vec::new(),
        body: String::new(),
    };
    for method in ["GET", "HEAD"] {
        source.fault_add(Fault::on(method, "/manifests/", refused()));
    }
    for received in [&chat, &mail] {
        *received.refusals.lock().unwrap() = 1;
    }
    let failed = run(&session, "FAILED").await;
    run(&session, "FAILED").await;
    let first: Value = serde_json::from_str(&chat.wait(1).await[0]).unwrap();
    mail.wait(1).await;
    source.faults_clear();
    run(&session, "FINISHED").await;
    run(&session, "FINISHED").await;
    let second: Value = serde_json::from_str(&chat.wait(2).await[1]).unwrap();
    mail.wait(2).await;

    let wanted = json!({
        "text": "registrysync: `web` of `Default` fails", "event": "project_failed",
        "organization": "Default", "project": "web",
        "run": {
            "id": failed, "status": "FAILED", "trigger": "manual", "start_time": ANY, "end_time": ANY,
            "message": ANY,
            "counts": {
                "selected": 1, "copied": 0, "updated": 0, "skipped": 0, "deleted": 0, "blocked": 0,
                "failed": 1, "warnings": 0,
            },
            "bytes": "0",
        },
        "failed": [{"repository": "app", "tag": "v1", "error": ANY}],
    });
    assert_answer(&first, &wanted);
    assert_eq!(second["event"], "project_recovered");
    assert_eq!(
        second["text"],
        "registrysync: `web` of `Default` works again"
    );

    let id = failed.to_string();
    let query = [("runId", id.as_str())];
    let log = session.get("registrysync/getRunLog", &query).await;
    let log = log.unwrap().to_string();
    assert!(
        log.contains("notified by webhook") && log.contains("notified by e-mail"),
        "{log}"
    );

    tokio::time::sleep(QUIET).await;
    assert_eq!((chat.texts().len(), mail.texts().len()), (2, 2));
    let text = &mail.texts()[0];
    for part in [
        "MAIL FROM:<sync@example.com>",
        "RCPT TO:<one@example.com>",
        "RCPT TO:<two@example.com>",
        "Subject: registrysync: `web` of `Default` fails",
        "- app:v1: ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_says_what_came_of_it() {
    let (_server, session, _registries, [chat, mail]) = told().await;
    *mail.refusals.lock().unwrap() = 1;
    let answer = session
        .post("registrysync/testNotification", json!({}))
        .await;
    let answer = answer.unwrap();
    assert_eq!(
        answer[0],
        json!({"channel": "webhook", "ok": true, "message": ""})
    );
    assert_eq!(
        (&answer[1]["channel"], &answer[1]["ok"]),
        (&json!("mail"), &json!(false))
    );
    let message = answer[1]["message"].as_str().unwrap();
    assert!(
        message.contains("451") || message.contains("later"),
        "{message}"
    );
    let sent: Value = serde_json::from_str(&chat.texts()[0]).unwrap();
    assert_eq!(sent["event"], "test");

    // The path of a webhook is a secret.
    *chat.refusals.lock().unwrap() = 1;
    let answer = session
        .post("registrysync/testNotification", json!({}))
        .await;
    let answer = answer.unwrap().to_string();
    assert!(
        answer.contains("answered 502") && !answer.contains(SECRET),
        "{answer}"
    );
    assert_eq!(mail.texts().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_channels_tells_nobody() {
    let server = Server::start(None);
    let session = server.login().await;
    let answer = session
        .post("registrysync/testNotification", json!({}))
        .await;
    let error = answer.expect_err("nobody is told");
    assert!(error.contains("no channel is configured"), "{error}");
}
