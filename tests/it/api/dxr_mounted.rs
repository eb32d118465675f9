//! The methods mounted in a server of the crate `dxr_server`, which answers as our own does.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::post;
use dxr::{MethodCall, Value};
use dxr_server::HandlerMap;
use registrysync::api::{Dispatcher, Peer, Registry, namespaces};
use registrysync::service::Role;
use registrysync::surface::{RequestLimits, dxr_handlers};

use super::sample;
use super::server::{ADMIN_PASSWORD, Server, client, outcome, text};
use crate::support::logged::Logged;

/// The header by which these tests say where a call came from.
const FROM: &str = "x-from";

/// A `dxr_server` on a free port, with the methods of `registry` on what `server` works on.
async fn mounted(server: &Server, registry: Registry) -> SocketAddr {
    let dispatcher = Dispatcher::new(registry, Arc::clone(&server.app));
    let handlers: HandlerMap = Arc::new(dxr_handlers(&dispatcher, |headers| {
        let address = headers.get(FROM).and_then(|from| from.to_str().ok());
        let address = address.and_then(|address| address.parse().ok());
        Peer {
            address: address.unwrap_or(IpAddr::from([127, 0, 0, 1])),
        }
    }));
    let route = post(async move |headers: HeaderMap, body: String| {
        dxr_server::server(Arc::clone(&handlers), &body, headers).await
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/", route);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn call(at: SocketAddr, name: &str, params: Vec<Value>) -> Result<Value, (i32, String)> {
    let name = name.into();
    let document = MethodCall { name, params }.to_xml().unwrap();
    let request = client()
        .post(format!("http://{at}/"))
        .header(FROM, "192.0.2.7")
        .body(document);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    outcome(&answer.text().await.unwrap())
}

#[tokio::test]
async fn both_servers_answer_alike() {
    let server = Server::start(sample::registry(), RequestLimits::default()).await;
    let key = server.key(&[Role::ImageAdmin], false).await;
    let at = mounted(&server, sample::registry()).await;
    let with = |args: &[Value]| [&[text(&key)], args].concat();
    for (name, params) in [
        ("sample.hello", vec![]),
        ("sample.hello", vec![text("one too many")]),
        ("sample.whoami", with(&[])),
        ("sample.whoami", vec![text("1x2")]),
        ("sample.everything", with(&[])),
        ("sample.change", with(&[text("x")])),
        ("sample.change", with(&[text("missing")])),
        ("sample.rule", with(&[])),
        ("sample.pick", with(&[Value::Integer(7)])),
        ("sample.pick", with(&[text("label")])),
        (
            "sample.pick",
            with(&[Value::Array(vec![text("a"), text("b")])]),
        ),
    ] {
        let own = server.xml(name, params.clone()).await;
        assert_eq!(call(at, name, params).await, own, "{name}");
    }
}

#[tokio::test]
async fn all_methods_are_there_and_long_lists_are_whole() {
    let server = Server::on_api().await;
    let at = mounted(&server, namespaces::registry()).await;
    let login = vec![text("admin"), text(ADMIN_PASSWORD)];
    let Ok(Value::String(key)) = call(at, "auth.login", login).await else {
        panic!("no session");
    };
    for name in [
        "system.listMethods",
        "user.listUsers",
        "image.store.listImageStores",
    ] {
        let params = || match name {
            "system.listMethods" => vec![],
            _ => vec![text(&key)],
        };
        let own = server.xml(name, params()).await;
        assert!(matches!(own, Ok(Value::Array(_))), "{name}: {own:?}");
        assert_eq!(call(at, name, params()).await, own, "{name}");
    }
}

#[tokio::test]
async fn where_a_call_came_from_is_what_the_embedding_server_says() {
    let (logged, _guard) = Logged::begin();
    let server = Server::on_api().await;
    let at = mounted(&server, namespaces::registry()).await;
    let wrong = vec![text("admin"), text("wrong")];
    let (code, _) = call(at, "auth.login", wrong).await.unwrap_err();
    assert_eq!(code, 2950);
    let lines = logged.lines("a login failed");
    assert!(
        lines.iter().all(|line| line.contains("192.0.2.7")),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 1);
}
