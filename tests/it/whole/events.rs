//! A run's events: what a watcher gets, from where, and until when.

use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::server::{Server, Session};
use crate::support::database::TestDatabase;
use crate::support::images::{AMD64, Blob, Format, Image, client};
use crate::support::postgres_proxy::Proxy;
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};

/// Far longer than any response takes.
const SOON: Duration = Duration::from_secs(30);

/// One event: its name, its id and its data.
#[derive(Debug, PartialEq)]
struct Event {
    name: String,
    id: Option<u64>,
    data: String,
}

impl Event {
    fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }
}

async fn listen(server: &Server, key: &str, run: i64, last: Option<u64>) -> Response {
    let url = format!("{}/rhn/manager/runs/{run}/events", server.url);
    let mut request = client().get(url).bearer_auth(key);
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    request.send().await.unwrap()
}

/// Reads events until `last` is among them, or the stream ends.
async fn events(answer: Response, last: &str) -> Vec<Event> {
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["x-accel-buffering"], "no");
    let mut stream = answer.bytes_stream();
    let mut text = String::new();
    let read = async {
        while let Some(Ok(bytes)) = stream.next().await {
            text.push_str(std::str::from_utf8(&bytes).unwrap());
            if text.contains(&format!("event: {last}\n")) {
                break;
            }
        }
    };
    tokio::time::timeout(SOON, read).await.expect("events");
    let whole = text.rsplit_once("\n\n").map_or("", |(whole, _)| whole);
    whole.split("\n\n").filter_map(event).collect()
}

/// Reads one; a comment, which keeps the connection alive, isn't one.
fn event(text: &str) -> Option<Event> {
    let field = |name| text.lines().find_map(|line| line.strip_prefix(name));
    Some(Event {
        name: field("event: ")?.to_owned(),
        id: field("id: ").map(|id| id.parse().unwrap()),
        data: field("data: ")?.to_owned(),
    })
}

/// A server with a project whose source stops in the middle of each blob, its registries, and the
/// run in progress.
async fn stalled_run() -> (Server, Session, i64, [Registry; 2]) {
    stalled_run_at(None).await
}

/// The same on that database.
async fn stalled_run_at(database: Option<String>) -> (Server, Session, i64, [Registry; 2]) {
    let source = Registry::start().await;
    let image = Image::single(Format::Oci, AMD64, &[Blob::layer(1, 300_000)]);
    image.store(&source, "app", Some("v1"));
    source.fault_add(Fault::on("GET", "/blobs/", Action::Stall { after: 100 }));
    let target = Registry::start().await;
    let server = Server::start(database);
    let session = server.login().await;
    session
        .project(source.address(), target.address(), &["app"])
        .await;
    let id = session.run().await;
    (server, session, id, [source, target])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_hears_the_run_its_log_and_its_end() {
    let (server, session, id, _registries) = stalled_run().await;
    let watcher = listen(&server, &session.key, id, None).await;
    let heard = tokio::spawn(events(watcher, "end"));
    let begun = listen(&server, &session.key, id, None).await;
    let begun = events(begun, "log").await;
    assert_eq!(begun[0].name, "run");
    assert_eq!(begun[0].json()["id"], json!(id));
    let cancel = json!({"runId": id});
    session
        .post("registrysync/cancelRun", cancel)
        .await
        .unwrap();
    let heard = heard.await.unwrap();

    let end = heard.last().unwrap();
    assert_eq!(
        (end.name.as_str(), end.data.as_str()),
        ("end", "INTERRUPTED")
    );
    let run = id.to_string();
    let query = [("runId", run.as_str())];
    let run = session.get("registrysync/getRun", &query).await.unwrap();
    let told = heard.iter().rfind(|event| event.name == "run").unwrap();
    assert_eq!(told.json(), run);
    let log = session.get("registrysync/getRunLog", &query).await.unwrap();
    let lines: Vec<Value> = logged(&heard).map(Event::json).collect();
    assert_eq!(json!(lines), log);

    // A client that reconnects gets what it missed, and nothing twice.
    let first = logged(&heard).next().unwrap().id;
    let rest = events(listen(&server, &session.key, id, first).await, "end").await;
    assert!(logged(&rest).eq(logged(&heard).skip(1)));
    let last = logged(&heard).last().unwrap().id;
    let nothing = listen(&server, &session.key, id, last).await;
    assert_eq!(nothing.status(), StatusCode::NO_CONTENT);
}

fn logged(events: &[Event]) -> impl Iterator<Item = &Event> {
    events.iter().filter(|event| event.name == "log")
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_without_permission_get_no_events_of_a_run() {
    let (server, session, id, _registries) = stalled_run().await;
    let stranger = listen(&server, "1x2", id, None).await;
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(stranger.text().await.unwrap(), "");
    let unknown = listen(&server, &session.key, 4711, None).await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    let unknown: Value = serde_json::from_str(&unknown.text().await.unwrap()).unwrap();
    assert_eq!(unknown["code"], json!(10101));
    let url = format!("{}/rhn/manager/runs/x/events", server.url);
    let odd = client()
        .get(url)
        .bearer_auth(&session.key)
        .send()
        .await
        .unwrap();
    assert_eq!(odd.status(), StatusCode::NOT_FOUND);
    let odd: Value = serde_json::from_str(&odd.text().await.unwrap()).unwrap();
    assert!(
        odd["message"]
            .as_str()
            .unwrap()
            .contains("ids are integers"),
        "{odd}"
    );
    let url = format!("{}/rhn/manager/runs/{id}/events", server.url);
    let posted = client().post(url).bearer_auth(&session.key);
    let posted = posted.send().await.unwrap();
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_ends_with_the_session_and_with_the_run() {
    let (server, session, id, _registries) = stalled_run().await;
    let other = server.login().await;
    let watcher = listen(&server, &other.key, id, None).await;
    other.post("auth/logout", json!({})).await.ok();
    let heard = events(watcher, "end").await;
    assert!(heard.iter().all(|event| event.name != "end"), "{heard:?}");

    let watcher = listen(&server, &session.key, id, None).await;
    let delete = json!({"label": "web"});
    session.post("registrysync/delete", delete).await.unwrap();
    events(watcher, "end").await;
}

/// A client that is gone gives its place back, though nothing happens in its run.
#[tokio::test(flavor = "multi_thread")]
async fn places_of_gone_clients_are_free_again() {
    let (server, session, id, _registries) = stalled_run().await;
    let mut open = Vec::new();
    let refused = loop {
        let answer = listen(&server, &session.key, id, None).await;
        if answer.status() != StatusCode::OK {
            break answer;
        }
        assert!(open.len() < 256, "no limit");
        open.push(answer);
    };
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let person = server.login().await;
    drop(open);
    let again = async {
        while listen(&server, &person.key, id, None).await.status() != StatusCode::OK {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, again).await.expect("a place");
}

/// Clients that start to watch while the database is unreachable are told so at once, and when to
/// retry.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_begins_while_the_database_is_away_is_answered_503() {
    let Some(database) = TestDatabase::postgres() else {
        return;
    };
    let proxy = Proxy::start(&database).await;
    let (server, session, id, _registries) = stalled_run_at(Some(proxy.url.clone())).await;
    let before = listen(&server, &session.key, id, None).await;
    assert_eq!(before.status(), StatusCode::OK);
    proxy.mute(true);
    proxy.freeze();
    let away = async {
        loop {
            // A stream that was open when the silence began waits for the statement timeout.
            let asked = listen(&server, &session.key, id, None);
            match tokio::time::timeout(Duration::from_secs(5), asked).await {
                Ok(answer) if answer.status() != StatusCode::OK => return answer,
                _ => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    };
    let away = tokio::time::timeout(2 * SOON, away)
        .await
        .expect("an answer");
    assert_eq!(away.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(away.headers()["retry-after"], "5");
    let said: Value = serde_json::from_str(&away.text().await.unwrap()).unwrap();
    assert_eq!(said["code"], json!(2802), "{said}");

    proxy.mute(false);
    let back = async {
        loop {
            let answer = listen(&server, &session.key, id, None).await;
            if answer.status() == StatusCode::OK {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let back = tokio::time::timeout(2 * SOON, back)
        .await
        .expect("it is back");
    assert_eq!(events(back, "run").await[0].json()["id"], json!(id));
}
