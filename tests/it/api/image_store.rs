//! `image.store`, over both wires and on both databases.

use dxr::Value;
use registrysync::api::namespaces;
use registrysync::service::Role;
use registrysync::store::stores::image_store::image_store_by_label;
use registrysync::surface::RequestLimits;
use serde_json::json;

use super::server::{Server, members, quick_policy, text};
use crate::support::build::ProjectBuilder;
use crate::support::database::TestDatabase;

const PASSWORD: &str = "hunter2-s3cret";

async fn server(database: TestDatabase) -> (Server, String) {
    let registry = namespaces::registry();
    let server = Server::on(database, registry, RequestLimits::default(), quick_policy()).await;
    let key = server.key(&[Role::ImageAdmin], false).await;
    (server, key)
}

async fn call(
    server: &Server,
    key: &str,
    method: &str,
    args: Vec<Value>,
) -> Result<Value, (i32, String)> {
    let params = std::iter::once(text(key)).chain(args).collect();
    server.xml(&format!("image.store.{method}"), params).await
}

fn create_args(label: &str, uri: &str, credentials: &[(&str, Value)]) -> Vec<Value> {
    vec![
        text(label),
        text(uri),
        text("registry"),
        members(credentials),
    ]
}

on_both_databases! {
    async fn a_store_is_made_shown_changed_and_deleted(database) {
        let (server, key) = server(database).await;
        let login = [("username", text("robot")), ("password", text(PASSWORD))];
        let created = call(&server, &key, "create", create_args("hub", "http://127.0.0.1:5000/mirror", &login)).await;
        assert_eq!(created, Ok(Value::Integer(1)));
        let expected = members(&[
            ("label", text("hub")),
            ("uri", text("http://127.0.0.1:5000/mirror")),
            ("storetype", text("registry")),
            ("hasCredentials", Value::Boolean(true)),
            ("username", text("robot")),
            ("tls_verify", Value::Boolean(true)),
            ("plain_http", Value::Boolean(true)),
        ]);
        assert_eq!(call(&server, &key, "getDetails", vec![text("hub")]).await, Ok(expected.clone()));
        assert_eq!(call(&server, &key, "listImageStores", vec![]).await, Ok(Value::Array(vec![expected])));

        let change = members(&[("uri", text("127.0.0.1:5000")), ("plain_http", Value::Boolean(true)),
            ("tls_verify", text("false")), ("max_connections", Value::Integer(4))]);
        assert_eq!(call(&server, &key, "setDetails", vec![text("hub"), change]).await, Ok(Value::Integer(1)));
        let (_, shown) = server.json("GET", "image/store/getDetails?label=hub", Some(&key), None).await;
        assert_eq!(shown["result"], json!({
            "label": "hub", "uri": "127.0.0.1:5000", "storetype": "registry", "hasCredentials": true,
            "username": "robot", "tls_verify": false, "plain_http": true, "max_connections": 4,
        }));
        let unset = members(&[("password", text("")), ("max_connections", Value::Integer(0))]);
        assert_eq!(call(&server, &key, "setDetails", vec![text("hub"), unset]).await, Ok(Value::Integer(1)));
        let (_, shown) = server.json("GET", "image/store/listImageStores", Some(&key), None).await;
        assert_eq!(shown["result"], json!([{
            "label": "hub", "uri": "127.0.0.1:5000", "storetype": "registry", "hasCredentials": false,
            "tls_verify": false, "plain_http": true,
        }]));

        assert_eq!(call(&server, &key, "delete", vec![text("hub")]).await, Ok(Value::Integer(1)));
        let missing = Err((10010, "Image Store not found: hub".to_owned()));
        assert_eq!(call(&server, &key, "getDetails", vec![text("hub")]).await, missing);
        assert_eq!(call(&server, &key, "delete", vec![text("hub")]).await, missing);
    }
}

/// Arguments of `create`, and the code and part of the text of the fault.
type Refusal = (Vec<Value>, i32, &'static str);

async fn refused(cases: Vec<Refusal>) {
    let (server, key) = server(TestDatabase::sqlite()).await;
    let create = async |args: Vec<Value>| call(&server, &key, "create", args).await;
    assert!(create(create_args("taken", "r.example", &[])).await.is_ok());
    for (args, code, part) in cases {
        let shown = format!("{args:?}");
        let (came, message) = create(args).await.expect_err(&shown);
        assert_eq!(came, code, "{shown}: {message}");
        assert!(message.contains(part), "{shown}: {message}");
        assert!(!message.contains(PASSWORD), "{message}");
    }
    let left = server
        .json("GET", "image/store/listImageStores", Some(&key), None)
        .await
        .1;
    assert_eq!(left["result"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn bad_labels_addresses_and_types_have_uyunis_texts() {
    let os_image = vec![
        text("new"),
        text("r.example"),
        text("os_image"),
        members(&[]),
    ];
    refused(vec![
        (
            create_args("", "r.example", &[]),
            1213,
            "Label cannot be empty.",
        ),
        (
            create_args("a:b", "r.example", &[]),
            1213,
            "Label cannot contain colons (:).",
        ),
        (
            create_args(" a", "r.example", &[]),
            1213,
            "white space at its ends",
        ),
        (
            create_args(&"x".repeat(129), "r.example", &[]),
            1213,
            "longer than 128",
        ),
        (create_args("new", "", &[]), 1213, "Uri cannot be empty."),
        (
            create_args("new", "ftp://r.example", &[]),
            1213,
            "Uri is not valid: only `https://`",
        ),
        (
            create_args("taken", "r.example", &[]),
            1213,
            "Image store already exists.",
        ),
        (os_image, 1213, "Unknown image store type: os_image"),
    ])
    .await;
}

#[tokio::test]
async fn bad_credentials_and_options_are_named() {
    let no = |name: &str, value: Value| create_args("new", "r.example", &[(name, value)]);
    let plain =
        |uri: &str, plain: bool| create_args("new", uri, &[("plain_http", Value::Boolean(plain))]);
    let mixed = [("username", text("")), ("password", text(PASSWORD))];
    refused(vec![
        (
            no("username", text("u")),
            2800,
            "`password`: missing; give both",
        ),
        (
            no("password", text(PASSWORD)),
            2800,
            "`username`: missing; give both",
        ),
        (
            create_args("new", "r.example", &mixed),
            2800,
            "`username`: it is empty",
        ),
        (
            no("max_connections", Value::Integer(101)),
            2800,
            "`max_connections`: it must be at most 100",
        ),
        (
            no("max_connections", text("many")),
            2800,
            "`credentials.max_connections`: expected int, got string",
        ),
        (
            no("ca_certificate", text("no PEM")),
            2800,
            "`ca_certificate`: it has no certificate",
        ),
        (
            no("proxy", text(PASSWORD)),
            2801,
            "Invalid argument(s): proxy",
        ),
        (
            plain("https://r.example", true),
            2800,
            "`plain_http`: it is true",
        ),
        (
            plain("http://r.example", false),
            2800,
            "`plain_http`: it is false",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_password_never_comes_back_and_never_follows_to_another_host() {
    let (server, key) = server(TestDatabase::sqlite()).await;
    let login = [("username", text("robot")), ("password", text(PASSWORD))];
    call(
        &server,
        &key,
        "create",
        create_args("hub", "r.example", &login),
    )
    .await
    .unwrap();
    for path in [
        "image/store/listImageStores",
        "image/store/getDetails?label=hub",
    ] {
        let (status, shown) = server.json("GET", path, Some(&key), None).await;
        assert_eq!(status, 200);
        assert!(!shown.to_string().contains(PASSWORD), "{shown}");
    }
    let change = async |details: &[(&str, Value)]| {
        call(
            &server,
            &key,
            "setDetails",
            vec![text("hub"), members(details)],
        )
        .await
    };
    let moved = change(&[("uri", text("evil.example"))]).await;
    assert_eq!(moved.map_err(|(code, _)| code), Err(2800));
    let renamed = change(&[("uri", text("evil.example")), ("username", text("r2"))]).await;
    assert_eq!(renamed.map_err(|(code, _)| code), Err(2800));
    assert!(
        change(&[("uri", text("https://r.example/prefix"))])
            .await
            .is_ok()
    );
    assert!(
        change(&[("uri", text("other.example")), ("password", text("new"))])
            .await
            .is_ok()
    );
    assert!(
        change(&[("uri", text("third.example")), ("username", text(""))])
            .await
            .is_ok()
    );
    let file = server
        .app
        .db
        .run(|conn| registrysync::store::stores::image_store::image_store_by_label(conn, 1, "hub"));
    assert!(!file.await.unwrap().unwrap().has_password());
}

#[tokio::test]
async fn another_organisation_sees_and_changes_nothing() {
    let (server, key) = server(TestDatabase::sqlite()).await;
    call(
        &server,
        &key,
        "create",
        create_args("hub", "r.example", &[]),
    )
    .await
    .unwrap();
    let other = server.key_in("Other", &[Role::OrgAdmin], false).await;
    let missing = Err((10010, "Image Store not found: hub".to_owned()));
    let change = vec![text("hub"), members(&[("uri", text("evil.example"))])];
    assert_eq!(
        call(&server, &other, "listImageStores", vec![]).await,
        Ok(Value::Array(Vec::new()))
    );
    assert_eq!(
        call(&server, &other, "getDetails", vec![text("hub")]).await,
        missing
    );
    assert_eq!(call(&server, &other, "setDetails", change).await, missing);
    assert_eq!(
        call(&server, &other, "delete", vec![text("hub")]).await,
        missing
    );
    assert!(
        call(
            &server,
            &other,
            "create",
            create_args("hub", "r.example", &[])
        )
        .await
        .is_ok()
    );
}

#[tokio::test]
async fn a_store_in_use_is_not_deleted() {
    let (server, key) = server(TestDatabase::sqlite()).await;
    for label in ["from", "to"] {
        call(
            &server,
            &key,
            "create",
            create_args(label, "r.example", &[]),
        )
        .await
        .unwrap();
    }
    let seal = server.app.db.key().clone();
    let project = move |conn: &mut _| {
        let mut id = |label: &str| {
            let found = image_store_by_label(conn, 1, label);
            found.map(|store| store.unwrap().id)
        };
        let (from, to) = (id("from")?, id("to")?);
        let project = ProjectBuilder::new("nightly").stores(from, to);
        project.try_make(conn, &seal, 1)
    };
    server.app.db.run(project).await.unwrap();
    let (code, message) = call(&server, &key, "delete", vec![text("from")])
        .await
        .unwrap_err();
    assert_eq!(code, 2800);
    assert!(message.contains("used by nightly"), "{message}");
    assert!(
        call(&server, &key, "getDetails", vec![text("from")])
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn types_are_listed_on_both_wires() {
    let (server, key) = server(TestDatabase::sqlite()).await;
    let types = call(&server, &key, "listImageStoreTypes", vec![]).await;
    let registry = members(&[
        ("id", Value::Integer(1)),
        ("label", text("registry")),
        ("name", text("Registry")),
    ]);
    assert_eq!(types, Ok(Value::Array(vec![registry])));
    let none = server.key(&[], false).await;
    let refused = call(&server, &none, "list_image_stores", vec![]).await;
    assert_eq!(refused.map_err(|(code, _)| code), Err(-23));
}

/// A password that was given for a safe way isn't sent on an unsafe one.
/// Some certificate of an authority, PEM.
fn authority() -> String {
    let made = rcgen::generate_simple_self_signed(vec!["r.example".to_owned()]);
    made.unwrap().cert.pem()
}

#[tokio::test]
async fn a_password_doesnt_follow_to_a_way_that_others_can_read() {
    let (server, key) = server(TestDatabase::sqlite()).await;
    let login = [("username", text("robot")), ("password", text(PASSWORD))];
    let on = || Value::Boolean(true);
    for (number, (from, change)) in [
        (
            "r.example:5000",
            vec![("uri", text("http://r.example:5000"))],
        ),
        ("r.example:5000", vec![("plain_http", on())]),
        (
            "https://r.example:80",
            vec![("uri", text("http://r.example"))],
        ),
        ("r.example", vec![("tls_verify", Value::Boolean(false))]),
        ("r.example", vec![("ca_certificate", text(&authority()))]),
    ]
    .into_iter()
    .enumerate()
    {
        let label = format!("s{number}");
        let made = create_args(&label, from, &login);
        call(&server, &key, "create", made).await.unwrap();
        let set = async |details: &[(&str, Value)]| {
            let args = vec![text(&label), members(details)];
            call(&server, &key, "setDetails", args).await
        };
        let (code, message) = set(&change).await.unwrap_err();
        assert_eq!(code, 2800, "{change:?}");
        assert!(
            message.contains("`password`") && message.contains("give the password again"),
            "{message}"
        );
        let again = [&change[..], &[("password", text("other"))]].concat();
        assert!(set(&again).await.is_ok(), "{change:?}");
        // What is insecure already needs no password to stay so, or to become more secure.
        assert!(set(&change).await.is_ok(), "{change:?}");
        let safer = [
            ("uri", text("https://r.example:5000")),
            ("plain_http", Value::Boolean(false)),
        ];
        if from == "r.example:5000" {
            assert!(set(&safer).await.is_ok(), "{change:?}");
        }
    }
    // Without a login there is nothing to protect.
    call(
        &server,
        &key,
        "create",
        create_args("open", "r.example", &[]),
    )
    .await
    .unwrap();
    let details = members(&[("plain_http", on()), ("tls_verify", Value::Boolean(false))]);
    assert!(
        call(&server, &key, "setDetails", vec![text("open"), details])
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn addresses_where_no_registry_may_be_are_refused() {
    let special = |uri: &str| (create_args("new", uri, &[]), 1213, "Uri is not allowed: ");
    refused(vec![
        special("http://169.254.169.254"),
        special("http://2852039166:5000"),
        special("0xa9.0xfe.0xa9.0xfe"),
        special("http://[::ffff:169.254.169.254]/x"),
        special("[fe80::1]:5000"),
        special("http://[fd00:ec2::254]"),
        special("http://metadata.google.internal."),
        special("0.0.0.0:5000"),
        special("http://[::]:5000"),
    ])
    .await;
    let (server, key) = server(TestDatabase::sqlite()).await;
    for (number, uri) in ["localhost:5000", "10.0.0.1", "[::1]:5000", "2130706433"]
        .into_iter()
        .enumerate()
    {
        let args = create_args(&format!("s{number}"), uri, &[]);
        assert!(call(&server, &key, "create", args).await.is_ok(), "{uri}");
    }
    let moved = vec![text("s0"), members(&[("uri", text("http://169.254.0.9"))])];
    let (code, _) = call(&server, &key, "setDetails", moved).await.unwrap_err();
    assert_eq!(code, 1213);
}

#[tokio::test]
async fn the_length_of_listings_is_an_option() {
    let (server, key) = server(TestDatabase::sqlite()).await;
    let options = [("max_names", Value::Integer(500_000))];
    call(
        &server,
        &key,
        "create",
        create_args("hub", "r.example", &options),
    )
    .await
    .unwrap();
    let shown = async || {
        server
            .json("GET", "image/store/getDetails?label=hub", Some(&key), None)
            .await
            .1
    };
    assert_eq!(shown().await["result"]["max_names"], 500_000);
    let set = async |names: i32| {
        let args = vec![
            text("hub"),
            members(&[("max_names", Value::Integer(names))]),
        ];
        call(&server, &key, "setDetails", args).await
    };
    assert_eq!(set(10).await.unwrap_err().0, 2800);
    assert_eq!(set(10_000_001).await.unwrap_err().0, 2800);
    assert!(set(0).await.is_ok());
    assert_eq!(shown().await["result"].get("max_names"), None);
}
