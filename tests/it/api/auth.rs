//! Sessions and logins: rows 20 to 30, 46 and 47.

use std::time::Duration;

use diesel::prelude::*;
use dxr::Value;
use registrysync::api::namespaces;
use registrysync::service::access::account::{LoginPolicy, Logins, bootstrap};
use registrysync::service::access::login_guard::LoginLimits;
use registrysync::service::{App, Role};
use registrysync::store::access::account::{
    AccountChange, NewAccount, account_by_login, account_create, account_update, role_list,
};
use registrysync::store::access::session::session_find;
use registrysync::store::schema::session;
use registrysync::store::{Db, DbConnection, now};
use registrysync::surface::RequestLimits;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::server::{ADMIN_PASSWORD, Server, quick_policy, text};
use crate::support::database::TestDatabase;

const REFUSED: &str = "Either the password or username is incorrect.";

async fn server() -> Server {
    Server::start(namespaces::registry(), RequestLimits::default()).await
}

async fn login(server: &Server) -> String {
    let params = vec![text("admin"), text(ADMIN_PASSWORD)];
    match server.xml("auth.login", params).await {
        Ok(Value::String(key)) => key,
        other => panic!("{other:?}"),
    }
}

fn cookie(response: &reqwest::Response) -> String {
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    cookies[0].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_key_has_uyunis_shape_and_works_until_logout_on_both_wires() {
    let server = server().await;
    let key = login(&server).await;
    let shape = regex::Regex::new("^[1-9][0-9]*x[a-f0-9]{64}$").unwrap();
    assert!(shape.is_match(&key), "{key}");

    let valid = async || server.xml("auth.isSessionKeyValid", vec![text(&key)]).await;
    let whose = async |login: &str| {
        server
            .xml("auth.checkAuthToken", vec![text(login), text(&key)])
            .await
    };
    assert_eq!(valid().await, Ok(Value::Boolean(true)));
    assert_eq!(whose("ADMIN").await, Ok(Value::Integer(1)));
    assert_eq!(whose("other").await, Ok(Value::Integer(0)));
    let list = server
        .json("GET", "image/store/listImageStores", Some(&key), None)
        .await;
    assert_eq!(list, (200, json!({"success": true, "result": []})));

    assert_eq!(
        server.xml("auth.logout", vec![text(&key)]).await,
        Ok(Value::Integer(1))
    );
    assert_eq!(
        server.xml("auth.logout", vec![text("garbage")]).await,
        Ok(Value::Integer(1))
    );
    assert_eq!(valid().await, Ok(Value::Boolean(false)));
    assert_eq!(whose("admin").await, Ok(Value::Integer(0)));
    let id = key.split('x').next().unwrap();
    let dead = server
        .xml("image.store.listImageStores", vec![text(&key)])
        .await;
    assert_eq!(
        dead,
        Err((-1, format!("Could not find session with id: {id}")))
    );
    let list = server
        .json("GET", "image/store/listImageStores", Some(&key), None)
        .await;
    assert_eq!(list, (401, serde_json::Value::Null));
}

#[tokio::test]
async fn wrong_login_wrong_password_and_disabled_accounts_are_2950() {
    let server = server().await;
    let admin = server
        .app
        .db
        .run(|conn| account_by_login(conn, "admin"))
        .await
        .unwrap()
        .unwrap();
    let disabled = move |conn: &mut _| {
        let new = NewAccount {
            org_id: admin.org_id,
            login: "retired",
            password_hash: &admin.password_hash,
            prefix: "",
            first_name: "",
            last_name: "",
            email: "",
            enabled: false,
            read_only: false,
        };
        account_create(conn, &new, &[])
    };
    server.app.db.run(disabled).await.unwrap();
    let login = async |name: &str, password: &str| {
        server
            .xml("auth.login", vec![text(name), text(password)])
            .await
    };
    assert_eq!(login("admin", "wrong").await, Err((2950, REFUSED.into())));
    assert_eq!(login("nobody", "wrong").await, Err((2950, REFUSED.into())));
    assert_eq!(login("retired", "wrong").await, Err((2950, REFUSED.into())));
    let message = "Your account has been deactivated.";
    assert_eq!(
        login("retired", ADMIN_PASSWORD).await,
        Err((2950, message.into()))
    );
    assert!(login("Admin", ADMIN_PASSWORD).await.is_ok());
}

/// Sessions end when an account is disabled, including one opened at that moment.
#[tokio::test]
async fn a_session_of_an_account_that_is_disabled_is_none() {
    let server = server().await;
    let key = login(&server).await;
    let call = async || {
        let params = vec![text(&key)];
        server.xml("image.store.listImageStores", params).await
    };
    assert!(call().await.is_ok());
    let disabled = |conn: &mut DbConnection| {
        let account = account_by_login(conn, "admin")?.expect("the account");
        let change = AccountChange {
            enabled: Some(false),
            ..AccountChange::default()
        };
        account_update(conn, account.id, change)
    };
    assert!(server.app.db.run(disabled).await.unwrap());
    let (code, message) = call().await.unwrap_err();
    assert_eq!(code, -1, "{message}");
    assert!(message.contains("session"), "{message}");
}

#[tokio::test]
async fn a_duration_is_between_a_second_and_the_maximum() {
    let server = server().await;
    let login = async |duration: Value| {
        server
            .xml(
                "auth.login",
                vec![text("admin"), text(ADMIN_PASSWORD), duration],
            )
            .await
    };
    assert!(login(Value::Integer(600)).await.is_ok());
    assert!(login(text("600")).await.is_ok());
    let message = "The session duration cannot exceed the maximum duration allowed by the database (currently 3600)";
    assert_eq!(
        login(Value::Integer(3601)).await,
        Err((2800, message.into()))
    );
    let message = "`duration`: a session lasts at least 1 second";
    assert_eq!(login(Value::Integer(0)).await, Err((2800, message.into())));
}

#[tokio::test]
async fn json_logs_in_and_out_by_cookie() {
    let server = server().await;
    let stale = format!("99x{}", "0".repeat(64));
    for (path, name) in [("auth/login", "login"), ("login", "username")] {
        let body = json!({name: "admin", "password": ADMIN_PASSWORD}).to_string();
        let response = server
            .json_response("POST", path, Some(&stale), Some(&body))
            .await;
        assert_eq!(response.status(), 200);
        let cookie = cookie(&response);
        let key = cookie
            .strip_prefix("pxt-session-cookie=")
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        assert_eq!(
            cookie,
            format!("pxt-session-cookie={key}; HttpOnly; SameSite=Lax; Path=/; Max-Age=3600")
        );
        assert_eq!(response.text().await.unwrap(), r#"{"success":true}"#);
        // Row 27: the value of the cookie is a key for XML-RPC.
        let list = server
            .xml("image.store.listImageStores", vec![text(&key)])
            .await;
        assert_eq!(list, Ok(Value::Array(Vec::new())));

        let (verb, path) = if path == "login" {
            ("GET", "logout")
        } else {
            ("POST", "auth/logout")
        };
        let response = server.json_response(verb, path, Some(&key), None).await;
        let expected = "pxt-session-cookie=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0";
        assert_eq!(self::cookie(&response), expected);
        assert_eq!(response.text().await.unwrap(), r#"{"success":true}"#);
        assert!(
            server
                .xml("image.store.listImageStores", vec![text(&key)])
                .await
                .is_err()
        );
    }
    let wrong = r#"{"login": "admin", "password": "wrong"}"#;
    let answer = server.json("POST", "auth/login", None, Some(wrong)).await;
    assert_eq!(answer, (401, json!({"success": false, "message": REFUSED})));
    for (verb, body, status) in [
        ("POST", None, 400),
        ("POST", Some("null"), 400),
        ("POST", Some(r#"{"login": "admin"}"#), 400),
        (
            "POST",
            Some(r#"{"login": "admin", "password": "x", "more": 1}"#),
            400,
        ),
        ("POST", Some("login=admin&password=x"), 400),
        ("GET", None, 405),
    ] {
        let (came, answer) = server.json(verb, "auth/login", None, body).await;
        assert_eq!(
            (came, &answer["success"]),
            (status, &json!(false)),
            "{body:?}"
        );
    }
}

/// Row 26: with the session's own duration, on both wires; an expired session is gone.
#[tokio::test]
async fn every_call_lets_a_sessions_time_begin_anew() {
    let server = server().await;
    let params = vec![text("admin"), text(ADMIN_PASSWORD), Value::Integer(600)];
    let Ok(Value::String(key)) = server.xml("auth.login", params).await else {
        panic!("no key");
    };
    let id: i64 = key.split('x').next().unwrap().parse().unwrap();
    let leave = async |seconds: i64| {
        let expires = now() + chrono::TimeDelta::seconds(seconds);
        let set = move |conn: &mut DbConnection| {
            let row = diesel::update(session::table.find(id));
            Ok(row.set(session::expires.eq(expires)).execute(conn)?)
        };
        assert_eq!(server.app.db.run(set).await.unwrap(), 1);
    };
    let left = async || {
        let found = server.app.db.run(move |conn| session_find(conn, id)).await;
        (found.unwrap().expect("the session").0.expires - now()).num_seconds()
    };
    let path = "image/store/listImageStores";
    for wire in ["xml", "json"] {
        leave(60).await;
        if wire == "xml" {
            let listed = server.xml("image.store.listImageStores", vec![text(&key)]);
            assert!(listed.await.is_ok());
        } else {
            assert_eq!(server.json("GET", path, Some(&key), None).await.0, 200);
        }
        let left = left().await;
        assert!((400..=600).contains(&left), "{wire}: {left}");
    }
    // Checking a key doesn't renew it.
    leave(60).await;
    let valid = server.xml("auth.isSessionKeyValid", vec![text(&key)]).await;
    assert_eq!(valid, Ok(Value::Boolean(true)));
    assert!(left().await <= 60);
    leave(-1).await;
    let gone = server.xml("image.store.listImageStores", vec![text(&key)]);
    let message = format!("Could not find session with id: {id}");
    assert_eq!(gone.await, Err((-1, message)));
    assert_eq!(server.json("GET", path, Some(&key), None).await.0, 401);
}

#[tokio::test]
async fn after_too_many_failures_nothing_is_looked_at() {
    let policy = LoginPolicy {
        limits: LoginLimits {
            per_account: 3,
            window: Duration::from_hours(1),
            ..LoginLimits::default()
        },
        ..quick_policy()
    };
    let database = TestDatabase::sqlite();
    let server = Server::on(
        database,
        namespaces::registry(),
        RequestLimits::default(),
        policy,
    )
    .await;
    let login = async |name: &str, password: &str| {
        server
            .xml("auth.login", vec![text(name), text(password)])
            .await
    };
    for name in ["admin", "nobody"] {
        for _ in 0..3 {
            assert_eq!(login(name, "wrong").await, Err((2950, REFUSED.into())));
        }
        let (code, message) = login(name, ADMIN_PASSWORD).await.unwrap_err();
        assert_eq!(code, 2950);
        assert!(
            message.starts_with(REFUSED) && message.contains("Too many logins failed"),
            "{message}"
        );
    }
    assert_eq!(login("third", "wrong").await, Err((2950, REFUSED.into())));
}

#[tokio::test]
async fn a_failed_login_waits_without_holding_up_others() {
    let policy = LoginPolicy {
        failure_delay: Duration::from_hours(1),
        ..quick_policy()
    };
    let database = TestDatabase::sqlite();
    let server = Server::on(
        database,
        namespaces::registry(),
        RequestLimits::default(),
        policy,
    )
    .await;
    let mut wrong = (0..8)
        .map(|_| Box::pin(server.xml("auth.login", vec![text("admin"), text("wrong")])))
        .collect::<Vec<_>>();
    for failing in &mut wrong {
        let answered = tokio::time::timeout(Duration::from_millis(50), failing).await;
        assert!(answered.is_err(), "the failure was answered at once");
    }
    login(&server).await;
}

#[tokio::test]
async fn the_first_start_makes_admin_once() {
    let database = TestDatabase::sqlite();
    let app = App::new(Db::clone(&database), Logins::new(quick_policy()).unwrap());
    let password = bootstrap(&app, None).await.unwrap().expect("a password");
    assert_eq!(password.expose_secret().len(), 24);
    assert!(bootstrap(&app, None).await.unwrap().is_none());
    assert!(
        bootstrap(&app, Some("another".into()))
            .await
            .unwrap()
            .is_none()
    );
    let (account, roles) = database
        .run(|conn| {
            let account = account_by_login(conn, "admin")?.expect("the account");
            let roles = role_list(conn, account.id)?;
            Ok((account, roles))
        })
        .await
        .unwrap();
    assert_eq!(roles.len(), Role::ALL.len());
    assert!(account.password_hash.starts_with("$argon2id$"));
    assert!(!account.password_hash.contains(password.expose_secret()));
}
