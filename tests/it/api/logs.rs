//! What the server's log contains, and what it must not contain (rows 14 and 30).

use registrysync::api::namespaces;
use registrysync::service::Role;
use registrysync::surface::RequestLimits;
use serde_json::json;

use super::sample;
use super::server::{ADMIN_PASSWORD, Server, text};
use crate::support::logged::Logged;

#[tokio::test]
async fn the_log_has_the_reason_of_an_unexpected_error_under_its_id() {
    let (logged, _guard) = Logged::begin();
    let server = Server::start(sample::registry(), RequestLimits::default()).await;
    let key = server.key(&[Role::ImageAdmin], false).await;
    let params = vec![text(&key), text("broken")];
    let (_, message) = server.xml("sample.change", params).await.unwrap_err();
    let (_, id) = message.split_once(" under the id ").expect("an id");
    let (id, _) = id.split_once(';').unwrap_or((id, ""));
    let text = logged.text();
    let line = text.lines().find(|line| line.contains(id)).expect(&text);
    assert!(line.contains("ERROR"), "{line}");
    assert!(line.contains("SELECT secret FROM table"), "{line}");
}

#[tokio::test]
async fn a_line_names_the_method_the_caller_and_the_number_of_its_call() {
    let (logged, _guard) = Logged::begin();
    let server = Server::start(sample::registry(), RequestLimits::default()).await;
    let key = server.key(&[Role::ImageAdmin], false).await;
    for _ in 0..2 {
        let params = vec![text(&key), text("broken")];
        server.xml("sample.change", params).await.unwrap_err();
    }
    let shape = r#"call\{id=(\d+) method=sample\.change caller="tester0"\}"#;
    let shape = regex::Regex::new(shape).unwrap();
    let lines = logged.lines("SELECT secret FROM table");
    let ids: Vec<_> = lines
        .iter()
        .map(|line| shape.captures(line).expect(line)[1].to_owned())
        .collect();
    assert_eq!(ids.len(), 2, "{lines:?}");
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn no_password_and_no_key_is_logged() {
    const NEW: &str = "a-new-secret";
    let (logged, _guard) = Logged::begin();
    let server = Server::start(namespaces::registry(), RequestLimits::default()).await;
    let admin = server.admin().await;
    assert!(server.log_in("admin", NEW).await.is_err());
    for password in [ADMIN_PASSWORD, NEW] {
        let body = json!({"login": "admin", "password": password}).to_string();
        server.json("POST", "auth/login", None, Some(&body)).await;
    }
    let credentials = json!({"username": "robot", "password": NEW});
    let mut store = json!({"label": "hub", "uri": "r.example", "storeType": "registry",
        "credentials": credentials});
    admin
        .post("image/store/create", store.clone())
        .await
        .unwrap();
    // The same once more is a fault, and so is a wrong type.
    admin
        .post("image/store/create", store.clone())
        .await
        .unwrap_err();
    store["uri"] = json!([NEW]);
    admin.post("image/store/create", store).await.unwrap_err();
    let user = json!({"login": "grace", "password": NEW, "first": "", "last": "", "email": ""});
    admin.post("user/create", user).await.unwrap();
    let logged = logged.text();
    assert!(!logged.is_empty());
    let secret = admin.key.split_once('x').unwrap().1;
    for secret in [ADMIN_PASSWORD, NEW, secret] {
        let line = logged.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }
}

#[tokio::test]
async fn a_failed_login_is_a_line_with_its_name_its_address_and_the_reason() {
    let (logged, _guard) = Logged::begin();
    let server = Server::start(namespaces::registry(), RequestLimits::default()).await;
    server.admin().await;
    assert_eq!(logged.lines("a login failed"), Vec::<String>::new());
    for name in ["nobody", "x\nERROR forged \u{1b}[31m"] {
        let body = json!({"login": name, "password": "wrong"}).to_string();
        server.json("POST", "auth/login", None, Some(&body)).await;
    }
    let lines = logged.lines("a login failed");
    assert_eq!(lines.len(), 2, "{lines:?}");
    for (line, name) in lines.iter().zip(["nobody", "x ERROR forged"]) {
        for part in ["WARN", name, "127.0.0.1", "wrong login or password"] {
            assert!(line.contains(part), "{line}");
        }
        assert!(!line.contains('\u{1b}'), "{line}");
    }
    assert!(
        logged
            .text()
            .lines()
            .all(|line| !line.starts_with("ERROR forged"))
    );
}
