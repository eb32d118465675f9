//! What clients without a session can't do: send much, guess much, fill the audit trail.

use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use dxr::Value;
use registrysync::api::namespaces;
use registrysync::service::access::account::{LoginPolicy, Logins, login};
use registrysync::service::access::login_guard::LoginLimits;
use registrysync::service::{App, Error, Role};
use registrysync::store::Db;
use registrysync::surface::RequestLimits;
use serde_json::json;

use super::sample;
use super::server::{ADMIN_PASSWORD, Server, client, members, outcome, quick_policy, text};
use crate::support::database::TestDatabase;

/// Far more than a client without a session may send.
const MUCH: usize = 1_000_000;

fn gzip(plain: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A call of `sample.hello` that is too long without a session.
fn long_call(key: &str) -> String {
    let (begin, end) = ("<value><string>", "</string></value>");
    format!(
        "<methodCall><methodName>sample.hello</methodName><params><param>{begin}{key}{end}</param>\
         <param>{begin}{}{end}</param></params></methodCall>",
        "x".repeat(MUCH)
    )
}

#[tokio::test]
async fn only_who_has_a_session_may_send_much() {
    let server = Server::start(sample::registry(), RequestLimits::default()).await;
    let key = server.key(&[Role::ImageAdmin], false).await;
    let url = format!("http://{}/rpc/api", server.address);
    let wrong = format!("{}0", &key[..key.len() - 1]);
    for (key, is_read) in [(key.as_str(), true), (&wrong, false), ("", false)] {
        let call = long_call(key);
        let chunks: Vec<Result<Vec<u8>, std::io::Error>> = call
            .as_bytes()
            .chunks(70_000)
            .map(|chunk| Ok(chunk.to_vec()))
            .collect();
        let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
        for request in [
            client().post(&url).body(call.clone()),
            client().post(&url).body(stream),
            client()
                .post(&url)
                .header("content-encoding", "gzip")
                .body(gzip(&call)),
        ] {
            let answer = request.send().await.unwrap().text().await.unwrap();
            let (_, message) = outcome(&answer).unwrap_err();
            // A call that was read fits no signature; one that wasn't read says so.
            assert_eq!(
                message.contains("Could not find method"),
                is_read,
                "{message}"
            );
            assert_eq!(message.contains("a valid session"), !is_read, "{message}");
        }
    }
    // The same over JSON, where headers show it.
    let body = json!({"more": "x".repeat(MUCH)}).to_string();
    let (status, answer) = server.json("GET", "sample/hello", None, Some(&body)).await;
    assert_eq!(status, 400);
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .contains("a valid session"),
        "{answer}"
    );
    let path = "sample/count";
    let (status, answer) = server.json("POST", path, None, Some(&body)).await;
    assert_eq!((status, answer), (401, json!(null)));
}

#[tokio::test]
async fn impossible_logins_are_refused_unchecked() {
    let server = Server::start(namespaces::registry(), RequestLimits::default()).await;
    let (long, longest) = ("x".repeat(4097), "ä".repeat(1024));
    for (login, password) in [("admin", long.as_str()), (&long, "x"), ("admin", &longest)] {
        let refused = server
            .xml("auth.login", vec![text(login), text(password)])
            .await;
        assert_eq!(refused.unwrap_err().0, 2950);
    }
    // An impossible login isn't a guess: of three tries one was counted.
    let counted = failures(&server.app.db, "account ADMIN").await;
    assert_eq!(counted, 1);
    let body = json!({"login": "admin", "password": "x".repeat(MUCH)}).to_string();
    let (status, _) = server.json("POST", "auth/login", None, Some(&body)).await;
    assert_eq!(status, 400);
}

async fn failures(db: &Db, subject: &str) -> i64 {
    let subject = subject.to_owned();
    let found = db
        .run(move |conn| registrysync::store::access::login_failure::failures_of(conn, &[subject]));
    found.await.unwrap().first().map_or(0, |found| found.count)
}

#[tokio::test]
async fn nobody_logs_in_within_a_multicall() {
    let policy = LoginPolicy {
        failure_delay: Duration::from_hours(1),
        ..quick_policy()
    };
    let server = Server::on(
        TestDatabase::sqlite(),
        namespaces::registry(),
        RequestLimits::default(),
        policy,
    )
    .await;
    let login = |password| {
        let params = Value::Array(vec![text("admin"), text(password)]);
        members(&[("methodName", text("auth.login")), ("params", params)])
    };
    let calls = Value::Array(vec![login("wrong"), login(ADMIN_PASSWORD), login("wrong")]);
    let answered = server.xml("system.multicall", vec![calls]).await.unwrap();
    let shown = format!("{answered:?}");
    assert_eq!(
        shown.matches("call auth.login separately").count(),
        3,
        "{shown}"
    );
}

on_both_databases! {
    async fn servers_at_one_database_count_failures_together(database) {
        let limits = LoginLimits { per_account: 2, per_address: 3, window: Duration::from_hours(1) };
        let policy = LoginPolicy { limits, ..quick_policy() };
        let server = || {
            let logins = Logins::new(policy).unwrap();
            Arc::new(App::new(Db::clone(&database), logins))
        };
        let servers = [server(), server()];
        let try_at = async |server: usize, name: &str, address: &str| {
            let address: IpAddr = address.parse().unwrap();
            let tried = login(&servers[server], address, name.into(), "wrong".into(), None).await;
            match tried {
                Err(Error::LoginLimited(_)) => "unseen",
                Err(Error::LoginRefused) => "seen",
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(try_at(0, "user-a", "192.0.2.1").await, "seen");
        assert_eq!(try_at(1, "USER-A", "192.0.2.2").await, "seen");
        for server in [0, 1] {
            assert_eq!(try_at(server, "user-a", "192.0.2.3").await, "unseen", "the account");
        }
        // One customer has a whole /64.
        for number in 1..=3 {
            let address = format!("2001:db8:0:1::{number}");
            assert_eq!(try_at(number % 2, &format!("user-{number}"), &address).await, "seen");
        }
        assert_eq!(try_at(0, "user-4", "2001:db8:0:1:ffff::").await, "unseen");
        assert_eq!(try_at(1, "user-4", "2001:db8:0:2::1").await, "seen");
    }
}

on_both_databases! {
    async fn unseen_logins_are_one_row_however_many_they_are(database) {
        let policy = LoginPolicy {
            limits: LoginLimits { per_account: 1, ..LoginLimits::default() },
            tally_every: Duration::from_millis(300),
            ..quick_policy()
        };
        let server = Server::on(database, namespaces::registry(), RequestLimits::default(), policy).await;
        for _ in 0..20 {
            let refused = server.xml("auth.login", vec![text("somebody"), text("wrong")]).await;
            assert_eq!(refused.unwrap_err().0, 2950);
        }
        let rows = told_of(&server, 19).await;
        assert_eq!(rows.iter().filter(|login| *login == "somebody").count(), 1, "{rows:?}");
    }
}

on_both_databases! {
    async fn impossible_logins_write_no_separate_rows(database) {
        let policy = LoginPolicy {
            limits: LoginLimits { per_account: 5, ..LoginLimits::default() },
            tally_every: Duration::from_millis(300),
            ..quick_policy()
        };
        let server = Server::on(database, namespaces::registry(), RequestLimits::default(), policy).await;
        // A session with an excessive duration doesn't bypass the counters.
        let (long, known) = ("x".repeat(65), "nobody".to_owned());
        for number in 0..25_i32 {
            let duration = number.min(1) - 1;
            let wrong = [
                vec![text(&long), text("wrong")],
                vec![text("admin"), text(&"x".repeat(5000))],
                vec![text(&known), text("wrong"), Value::Integer(duration)],
                vec![text(&known), text("wrong"), Value::Integer(1_000_000)],
            ];
            for args in wrong {
                let refused = server.xml("auth.login", args).await;
                assert_eq!(refused.unwrap_err().0, 2950);
            }
        }
        let rows = told_of(&server, 95).await;
        assert_eq!(rows.iter().filter(|login| *login == "nobody").count(), 5, "{rows:?}");
        assert!(!rows.iter().any(|login| login.starts_with('x') || login == "admin"), "{rows:?}");
        // Users with an account are told what is wrong with the duration.
        let args = vec![text("admin"), text(ADMIN_PASSWORD), Value::Integer(0)];
        let (code, message) = server.xml("auth.login", args).await.unwrap_err();
        assert_ne!(code, 2950);
        assert!(message.contains("at least 1 second"), "{message}");
    }
}

/// Waits until the audit trail has `count` logins that were refused unchecked. Returns the logins
/// of all other events.
async fn told_of(server: &Server, count: u32) -> Vec<String> {
    let key = server.key(&[Role::SatelliteAdmin], false).await;
    let mut tallied = 0;
    for _ in 0..600 {
        let path = "audit/listEvents?limit=1000";
        let (_, events) = server.json("GET", path, Some(&key), None).await;
        let events = events["result"].as_array().unwrap().clone();
        let tally = |event: &serde_json::Value| {
            let object = event["object"].as_str()?;
            let count = object.strip_suffix(" logins refused unchecked")?;
            count.parse::<u32>().ok()
        };
        tallied = events.iter().filter_map(tally).sum();
        if tallied >= count {
            let others = events.iter().filter(|event| tally(event).is_none());
            let logins = others.filter_map(|event| event["login"].as_str());
            let logins = logins.map(str::to_owned).collect();
            assert_eq!(tallied, count, "{events:?}");
            return logins;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{tallied} of {count} were told of");
}

on_both_databases! {
    async fn of_the_counters_the_oldest_goes_first(database) {
        use registrysync::store::access::login_failure::{failure_add, failure_forget, failures_of};
        let hour = chrono::TimeDelta::hours(1);
        let names = ["a", "b", "c"].map(str::to_owned);
        let kept = database.run(move |conn| {
            for name in [&names[0], &names[1], &names[0], &names[2]] {
                failure_add(conn, std::slice::from_ref(name), hour, 2)?;
            }
            let mut kept = failures_of(conn, &names)?;
            kept.sort_by(|one, other| one.subject.cmp(&other.subject));
            // Expired counters start over.
            failure_add(conn, &names[..1], hour, 2)?;
            failure_add(conn, &names[..1], chrono::TimeDelta::zero(), 2)?;
            let anew = failures_of(conn, &names[..1])?;
            failure_forget(conn, "a")?;
            assert!(failures_of(conn, &names)?.is_empty());
            Ok(kept.into_iter().chain(anew).map(|found| (found.subject, found.count)).collect::<Vec<_>>())
        });
        let expected = [("b", 1), ("c", 1), ("a", 1)].map(|(name, count)| (name.to_owned(), count));
        assert_eq!(kept.await.unwrap(), expected);
    }
}
