//! Pages of lists, several calls in one, and calls that end early.

use std::time::{Duration, Instant};

use diesel::RunQueryDsl as _;
use dxr::Value;
use registrysync::api::namespaces;
use registrysync::service::Role;
use registrysync::store::DbConnection;
use registrysync::surface::RequestLimits;

use super::server::{Server, members, text};
use crate::support::registry::Registry;

const ADMIN: [Role; 3] = [Role::OrgAdmin, Role::ImageAdmin, Role::SatelliteAdmin];

async fn server() -> Server {
    Server::start(namespaces::registry(), RequestLimits::default()).await
}

/// A store over a registry whose listing takes thousands of requests.
async fn endless(server: &Server, key: &str) -> Registry {
    let registry = Registry::builder().page_size(1).start().await;
    for number in 0..TAGS {
        let kind = "application/vnd.oci.image.manifest.v1+json";
        registry.manifest_put("app", Some(&format!("{number}")), kind, "{}");
    }
    let uri = format!("http://{}", registry.address());
    let params = vec![
        text(key),
        text("from"),
        text(&uri),
        text("registry"),
        members(&[]),
    ];
    server
        .xml("image.store.create", params)
        .await
        .expect("a store");
    registry
}

/// Connections to a database at once.
const CONNECTIONS: usize = 8;
const TAGS: usize = 5_000;
const BOUND: Duration = Duration::from_mins(1);

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < BOUND, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn asked(registry: &Registry) -> usize {
    registry
        .requests()
        .count("GET", crate::support::registry::log::Kind::TagList)
}

/// Waits until requests have stopped: for a second there is no new one.
async fn falls_silent(registry: &Registry) -> usize {
    let mut last = (asked(registry), Instant::now());
    until("the listing goes on", async || {
        let now = asked(registry);
        if now != last.0 {
            last = (now, Instant::now());
        }
        last.1.elapsed() > Duration::from_secs(1)
    })
    .await;
    last.0
}

#[tokio::test]
async fn a_page_has_a_largest_size_on_both_wires() {
    let server = server().await;
    let key = server.key(&ADMIN, false).await;
    for (method, arguments) in [
        (
            "listProjects",
            vec![Value::Integer(10_001), Value::Integer(0)],
        ),
        (
            "listProjects",
            vec![Value::Integer(i32::MAX), Value::Integer(0)],
        ),
    ] {
        let params = [vec![text(&key)], arguments].concat();
        let fault = server.xml(&format!("registrysync.{method}"), params).await;
        let (code, message) = fault.expect_err("a fault");
        assert_eq!(code, 2800);
        assert!(
            message.contains("`limit`") && message.contains("10000"),
            "{message}"
        );
    }
    let path = "audit/listEvents?limit=10001";
    let (status, body) = server.json("GET", path, Some(&key), None).await;
    assert_eq!(
        (status, &body["code"]),
        (200, &serde_json::json!(2800)),
        "{body}"
    );
    // This one needs its limit.
    assert!(!body.to_string().contains("omit"), "{body}");
    let path = "audit/listEvents?limit=10000";
    let (_, body) = server.json("GET", path, Some(&key), None).await;
    assert_eq!(body["success"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_ends_with_its_client() {
    let server = server().await;
    let key = server.key(&ADMIN, false).await;
    let registry = endless(&server, &key).await;
    let url = format!(
        "http://{}/rhn/manager/api/registrysync/listTags?storeLabel=from&repository=app",
        server.address
    );
    let call = super::server::client().get(url).bearer_auth(&key).send();
    let call = tokio::spawn(call);
    until("it begins", async || asked(&registry) > 5).await;
    call.abort();
    assert!(falls_silent(&registry).await < TAGS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_ends_with_its_session() {
    listing_ends_by(async |server, key| {
        let out = server.xml("auth.logout", vec![text(key)]).await;
        assert_eq!(out, Ok(Value::Integer(1)));
    })
    .await;
    for statement in [
        "UPDATE session SET expires = '2020-01-01 00:00:00'",
        "UPDATE account SET enabled = FALSE",
    ] {
        listing_ends_by(async move |server, _| {
            let change =
                move |conn: &mut DbConnection| Ok(diesel::sql_query(statement).execute(conn)?);
            assert_ne!(server.app.db.run(change).await.expect(statement), 0);
        })
        .await;
    }
}

/// Calls that wait for a connection continue while their sessions are checked, which needs one as
/// well: with as many calls as connections they could deadlock.
#[tokio::test(flavor = "multi_thread")]
async fn calls_and_looks_at_their_sessions_dont_wait_for_each_other() {
    let server = Server::start(super::sample::registry(), RequestLimits::default()).await;
    let key = server.key(&ADMIN, false).await;
    let calls = (0..CONNECTIONS).map(|_| server.xml("sample.linger", vec![text(&key)]));
    let calls = futures_util::future::join_all(calls);
    let filled = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let slow = (0..CONNECTIONS).map(|_| {
            server.app.db.run(|_| {
                std::thread::sleep(Duration::from_secs(2));
                Ok(())
            })
        });
        futures_util::future::join_all(slow).await
    };
    let all = async { tokio::join!(calls, filled) };
    // Far below the timeout of waiting for a connection.
    let all = tokio::time::timeout(Duration::from_secs(10), all).await;
    let (answers, filled) = all.expect("nobody waits for another in a circle");
    assert!(filled.iter().all(Result::is_ok), "{filled:?}");
    for answer in answers {
        assert_eq!(answer, Ok(Value::Integer(1)));
    }
}

async fn listing_ends_by(end: impl AsyncFnOnce(&Server, &str)) {
    let server = server().await;
    let key = server.key(&ADMIN, false).await;
    let registry = endless(&server, &key).await;
    let params = vec![text(&key), text("from"), text("app")];
    let listing = server.xml("registrysync.listTags", params);
    let end = async {
        until("it begins", async || asked(&registry) > 5).await;
        end(&server, &key).await;
    };
    let (listed, ()) = tokio::join!(listing, end);
    let (code, message) = listed.expect_err("the session has ended");
    assert_eq!(code, -1);
    assert!(
        message.starts_with("Could not find session with id: "),
        "{message}"
    );
    assert!(falls_silent(&registry).await < TAGS);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_within_a_multicall_are_made_though_the_client_is_gone() {
    let server = server().await;
    let key = server.key(&ADMIN, false).await;
    let registry = endless(&server, &key).await;
    let call = |name: &str, params: Vec<Value>| {
        let params = [vec![text(&key)], params].concat();
        members(&[("methodName", text(name)), ("params", Value::Array(params))])
    };
    let store = vec![
        text("made"),
        text("a.example"),
        text("registry"),
        members(&[]),
    ];
    let listing = || call("registrysync.listTags", vec![text("from"), text("app")]);
    let calls = vec![listing(), call("image.store.create", store), listing()];
    let document = dxr::MethodCall {
        name: "system.multicall".into(),
        params: vec![Value::Array(calls)],
    };
    let request = super::server::client().post(format!("http://{}/rpc/api", server.address));
    let request = request
        .header("content-type", "text/xml")
        .body(document.to_xml().expect("XML"));
    let sent = tokio::spawn(request.send());
    until("it begins", async || asked(&registry) > 5).await;
    sent.abort();
    until("the store is made", async || {
        let params = vec![text(&key), text("made")];
        server.xml("image.store.getDetails", params).await.is_ok()
    })
    .await;
    assert!(falls_silent(&registry).await < TAGS);
}

#[tokio::test]
async fn a_method_that_is_not_there_is_answered_with_the_nearest() {
    let server = server().await;
    let key = server.key(&ADMIN, false).await;
    for (name, nearest) in [
        ("registrysync.listTag", "registrysync.listTags"),
        ("registrysync.lisst_tags", "registrysync.listTags"),
        ("registrysync.getdetails", "registrysync.getDetails"),
        ("image.store.getDetail", "image.store.getDetails"),
        ("registrisync.listTags", "registrysync"),
    ] {
        let expected = format!("did you mean `{nearest}`?");
        let (code, message) = server.xml(name, vec![text(&key)]).await.expect_err(name);
        assert_eq!(code, -1);
        assert!(message.contains(&expected), "{message}");
        let path = name.replace('.', "/");
        let (status, body) = server.json("GET", &path, Some(&key), None).await;
        let message = body["message"].as_str().unwrap_or_default();
        assert!(
            status == 404 && message.contains(&expected),
            "{status} {message}"
        );
    }
    let far = format!("registrysync.{}", "x".repeat(10_000));
    for name in ["registrysync.somethingElse", far.as_str()] {
        let (_, message) = server.xml(name, vec![text(&key)]).await.expect_err(name);
        assert!(!message.contains("did you mean"), "{message}");
    }
}

#[tokio::test]
async fn faults_name_the_missing_object() {
    let server = server().await;
    let key = server.key(&ADMIN, false).await;
    for (method, name) in [
        ("org.getDetails", "nowhere"),
        ("user.getDetails", "nobody"),
        ("user.listRoles", "nobody"),
        ("image.store.getDetails", "nothing"),
        ("registrysync.getDetails", "nothing"),
        ("registrysync.getSchedule", "nothing"),
        ("image.sync.getProjectDetails", "nothing"),
        ("taskomatic.org.lookupBunchByName", "nothing"),
    ] {
        let params = vec![text(&key), text(name)];
        let (_, message) = server.xml(method, params).await.expect_err(method);
        assert!(message.contains(name), "{method}: {message}");
    }
}

#[tokio::test]
async fn numbers_that_lost_their_text_and_keys_that_stand_twice_are_refused() {
    let server = server().await;
    let key = server.key(&ADMIN, false).await;
    let body = |number: &str| {
        format!(
            r#"{{"label":{number},"uri":"a.example","storeType":"registry","credentials":{{}}}}"#
        )
    };
    let create = async |body: String| {
        server
            .json("POST", "image/store/create", Some(&key), Some(&body))
            .await
    };
    for lost in ["1.10", "1e3", "2.0", "-0", "12345678901234567890123"] {
        let (status, answer) = create(body(lost)).await;
        let message = answer["message"].as_str().unwrap_or_default();
        assert_eq!(status, 400, "{lost}: {message}");
        assert!(
            message.contains("`label`") && message.contains("as a quoted string"),
            "{message}"
        );
    }
    let twice = body("\"a\"").replacen("\"uri\"", "\"label\":\"b\",\"uri\"", 1);
    let deep = body("\"a\"").replace(
        "{}",
        r#"{"username":"u","password":"secret","username":"v"}"#,
    );
    for twice in [twice, deep] {
        let (status, answer) = create(twice).await;
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(
            status == 400 && message.contains("twice"),
            "{status} {message}"
        );
        assert!(!message.contains("secret"), "{message}");
    }
    let (_, listed) = server
        .json("GET", "image/store/listImageStores", Some(&key), None)
        .await;
    assert_eq!(listed["result"], serde_json::json!([]));
    let (status, _) = create(body("2024")).await;
    assert_eq!(status, 200);
    let double = vec![
        text(&key),
        Value::Double(1.10),
        text("a.example"),
        text("registry"),
        members(&[]),
    ];
    let (code, message) = server
        .xml("image.store.create", double)
        .await
        .expect_err("a fault");
    assert!(
        code == 2800 && message.contains("`label`"),
        "{code} {message}"
    );
    let (_, listed) = server
        .json("GET", "image/store/listImageStores", Some(&key), None)
        .await;
    assert_eq!(listed["result"][0]["label"], "2024");
    assert_eq!(listed["result"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn logins_and_addresses_have_limits() {
    let server = server().await;
    let key = server.key(&ADMIN, false).await;
    let long = "a".repeat(100_000);
    let create = async |uri: &str, login: Value| {
        let params = vec![text(&key), text("x"), text(uri), text("registry"), login];
        server
            .xml("image.store.create", params)
            .await
            .expect_err(uri)
    };
    for uri in [
        format!("a.example/{long}"),
        "http://127.0.0.1\n:21070".into(),
        "a.example\t".into(),
        " a.example".into(),
        "a.\u{7f}example".into(),
    ] {
        let (code, message) = create(&uri, members(&[])).await;
        assert!(
            code == 1213 && message.starts_with("Uri ") && message.len() < 200,
            "{message}"
        );
    }
    let login = |name: &str, password: &str| {
        members(&[("username", text(name)), ("password", text(password))])
    };
    for (login, field) in [
        (login(&long, "p"), "`username`"),
        (login("u\r\nX: y", "p"), "`username`"),
        (login("u", &long), "`password`"),
    ] {
        let (code, message) = create("a.example", login).await;
        assert!(code == 2800 && message.starts_with(field), "{message}");
        assert!(
            message.len() < 200 && !message.contains("secret"),
            "{message}"
        );
    }
}
