//! What the server's log has, and what it must not have (rows 14 and 30).

use std::io::Write;
use std::sync::{Arc, Mutex};

use registrysync::api::namespaces;
use registrysync::service::Role;
use registrysync::surface::Limits;
use serde_json::json;
use tracing::subscriber::DefaultGuard;

use super::sample;
use super::server::{ADMIN_PASSWORD, Server, text};

/// What is logged by this thread, on which a test's server runs.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Logged {
    /// Everything, down to what the libraries trace.
    fn begin() -> (Logged, DefaultGuard) {
        let logged = Logged::default();
        let writer = logged.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (logged, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

#[tokio::test]
async fn the_log_has_the_reason_of_an_unexpected_error_under_its_id() {
    let (logged, _guard) = Logged::begin();
    let server = Server::start(sample::registry(), Limits::default()).await;
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
async fn no_password_and_no_key_is_logged() {
    const NEW: &str = "a-new-secret";
    let (logged, _guard) = Logged::begin();
    let server = Server::start(namespaces::registry(), Limits::default()).await;
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
