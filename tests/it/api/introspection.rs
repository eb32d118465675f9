//! `api.*`: what clients can query about the API.

use dxr::Value;
use registrysync::api::namespaces;
use registrysync::surface::RequestLimits;
use serde_json::json;

use super::server::{Server, members, text};

async fn server() -> Server {
    Server::start(namespaces::registry(), RequestLimits::default()).await
}

#[tokio::test]
async fn versions_need_no_session() {
    let server = server().await;
    let stale = format!("9x{}", "0".repeat(64));
    for params in [vec![], vec![text(&stale)]] {
        assert_eq!(server.xml("api.getVersion", params).await, Ok(text("27")));
    }
    let version = env!("CARGO_PKG_VERSION");
    for (path, expected) in [
        ("api/getVersion", "27"),
        ("api/get_version", "27"),
        ("api/systemVersion", version),
        ("api/productName", "registrysync"),
    ] {
        let came = server.json("GET", path, None, None).await;
        assert_eq!(came, (200, json!({"success": true, "result": expected})));
    }
}

#[tokio::test]
async fn namespaces_and_calls_are_listed() {
    let server = server().await;
    let key = server.key(&[], false).await;
    let listed = server.xml("api.getApiNamespaces", vec![]).await;
    let Ok(Value::Struct(listed)) = listed else {
        panic!("{listed:?}");
    };
    assert_eq!(listed["image.store"], text("ImageStoreHandler"));
    for params in [vec![], vec![text(&key)], vec![text("garbage")]] {
        let all = server.xml("api.getApiCallList", params).await;
        let Ok(Value::Struct(all)) = all else {
            panic!("{all:?}");
        };
        assert!(all.keys().eq(listed.keys()));
    }
    for params in [vec![text("auth")], vec![text(&key), text("auth")]] {
        let calls = server.xml("api.getApiNamespaceCallList", params).await;
        let Ok(Value::Struct(calls)) = calls else {
            panic!("{calls:?}");
        };
        let strings = |count| Value::Array(vec![text("string"); count]);
        let login = members(&[
            ("name", text("login")),
            ("parameters", strings(2)),
            ("exceptions", strings(0)),
            ("return", text("string")),
        ]);
        assert_eq!(calls["auth.login_string_string"], login);
        assert!(calls.contains_key("auth.login_string_string_int"));
    }
    let stores = server
        .xml("api.getApiNamespaceCallList", vec![text("image.store")])
        .await;
    let Ok(Value::Struct(stores)) = stores else {
        panic!("{stores:?}");
    };
    let names: Vec<&str> = stores.keys().map(String::as_str).collect();
    let expected = [
        "image.store.create_string_string_string_string_struct",
        "image.store.delete_string_string",
        "image.store.getDetails_string_string",
        "image.store.listImageStoreTypes_string",
        "image.store.listImageStoreTypes_string_int_int",
        "image.store.listImageStores_string",
        "image.store.listImageStores_string_int_int",
        "image.store.setDetails_string_string_struct",
    ];
    assert_eq!(names, expected);
    let unknown = server
        .xml("api.getApiNamespaceCallList", vec![text("nowhere")])
        .await;
    assert_eq!(unknown.map_err(|(code, _)| code), Err(10101));
}

#[tokio::test]
async fn json_wants_a_session_for_lists() {
    let server = server().await;
    let key = server.key(&[], false).await;
    for path in [
        "api/getApiNamespaces",
        "api/getApiCallList",
        "api/getApiNamespaceCallList?namespace=auth",
    ] {
        assert_eq!(server.json("GET", path, None, None).await.0, 401, "{path}");
        let (status, body) = server.json("GET", path, Some(&key), None).await;
        assert_eq!((status, &body["success"]), (200, &json!(true)), "{path}");
    }
}
