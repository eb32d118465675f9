//! Introspection, the documentation, the `OpenAPI` document and what can be called agree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use dxr::Value;
use registrysync::api::catalog::snake_case;
use registrysync::api::{Registry, SessionUse, namespaces};

use super::world::{Outcome, World};
use super::{Subject, sweep};
use crate::api::people;
use crate::api::server::{Server, client, text};
use crate::support::database::TestDatabase;

/// The legacy routes of login and logout, which `OpenAPI` describes and which aren't methods.
const LEGACY: [&str; 2] = ["/login", "/logout"];

/// The name with its last part in `snake_case`.
fn snake(name: &str) -> String {
    let (namespace, method) = name.rsplit_once('.').unwrap();
    format!("{namespace}.{}", snake_case(method))
}

/// Valid calls are accepted in both spellings, only with the right verb.
async fn taken(world: &World, subject: &Subject<'_>) {
    let reads = subject.method.is_read_only();
    for name in [subject.name.clone(), snake(&subject.name)] {
        let subject = Subject {
            name,
            method: subject.method,
            fitting: subject.fitting.clone(),
        };
        for wire in ["xml", "json"] {
            let outcome = match wire {
                "xml" => subject.by_position(world, &subject.fitting).await,
                _ => subject.by_name(world, &subject.fitting).await,
            };
            match outcome {
                // No notifications are sent here.
                Outcome::Fault(_, message) if message.contains("no channel is configured") => {}
                outcome => assert_eq!(outcome, Outcome::Result, "{wire} {}", subject.name),
            }
        }
        let (wrong, allow) = if reads {
            ("POST", "GET")
        } else {
            ("GET", "POST")
        };
        let path = subject.name.replace('.', "/");
        let server = &world.server;
        let refused = server
            .json_response(wrong, &path, Some(&world.key), None)
            .await;
        assert_eq!(refused.status(), 405, "{path}");
        assert_eq!(refused.headers()["allow"], allow, "{path}");
        if subject.method.session() != SessionUse::Never {
            let stranger = server.json(allow, &path, None, None).await;
            assert_eq!(stranger, (401, serde_json::Value::Null), "{path}");
        }
    }
}

on_both_databases! {
    async fn every_signature_takes_what_fits_on_both_wires_in_both_spellings(database) {
        let world = World::new(database).await;
        sweep(&world, |_| true, taken).await;
    }
}

/// Every signature as listed by introspection: name, and types including the session's.
async fn listed(server: &Server) -> Vec<String> {
    let all = server.xml("api.getApiCallList", vec![]).await;
    let Ok(Value::Struct(all)) = all else {
        panic!("{all:?}");
    };
    let mut keys = Vec::new();
    for (namespace, calls) in all {
        let Value::Struct(calls) = calls else {
            panic!("{calls:?}");
        };
        for (key, info) in calls {
            let Value::Struct(info) = info else {
                panic!("{info:?}");
            };
            let Value::String(name) = &info["name"] else {
                panic!("{info:?}");
            };
            assert!(key.starts_with(&format!("{namespace}.{name}")), "{key}");
            keys.push(format!("{namespace}.{name}"));
        }
    }
    keys
}

/// How often each name occurs.
fn counted(names: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn introspection_pages_and_openapi_name_the_same_methods() {
    let server = people::server(TestDatabase::sqlite()).await;
    let signatures = listed(&server).await;
    let names: BTreeSet<&String> = signatures.iter().collect();
    assert!(names.len() > 50, "{names:?}");

    let generic = server.xml("system.listMethods", vec![]).await;
    let expected = names.iter().map(|name| text(name)).collect();
    assert_eq!(generic, Ok(Value::Array(expected)));

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("api-docs");
    let (mut written, mut shown) = (Vec::new(), Vec::new());
    for namespace in namespaces::registry().catalog().namespaces() {
        let namespace = namespace.name();
        let page = std::fs::read_to_string(folder.join(format!("{namespace}.adoc"))).unwrap();
        let sections = page.split("\n== Method: ").skip(1);
        let names = sections.map(|section| section.lines().next().unwrap());
        written.extend(names.map(|name| format!("{namespace}.{name}")));
        let url = format!("http://{}/rhn/apidoc/{namespace}", server.address);
        let page = client()
            .get(url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        // Each overload is a line of its method's.
        for list in page.split("<ul class=\"signatures\">").skip(1) {
            let (list, _) = list.split_once("</ul>").unwrap();
            for signature in list.split("<code>").skip(1) {
                let (name, _) = signature.split_once('(').unwrap();
                shown.push(format!("{namespace}.{name}"));
            }
        }
    }
    assert_eq!(counted(written), counted(signatures.clone()));
    assert_eq!(counted(shown), counted(signatures.clone()));

    let document = std::fs::read_to_string(folder.join("openapi.json")).unwrap();
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    let paths = document["paths"].as_object().unwrap().keys();
    let paths = paths.filter(|path| !LEGACY.contains(&path.as_str()));
    let described: BTreeSet<String> = paths
        .map(|path| path.trim_start_matches('/').replace('/', "."))
        .collect();
    assert!(described.iter().eq(names), "{described:?}");
}

/// Names that are similar to those of methods, and names that other servers or languages have.
fn near_misses(registry: &Registry) -> BTreeSet<String> {
    let mut missed: BTreeSet<String> = BTreeSet::new();
    for namespace in registry.catalog().namespaces() {
        let ns = namespace.name();
        let others = [
            "",
            "toString",
            "__init__",
            "call",
            "invoke",
            "overloads",
            "*",
            "\u{e9}",
        ];
        missed.extend(others.map(|other| format!("{ns}.{other}")));
        missed.insert(ns.to_owned());
        for method in namespace.methods() {
            let name = method.name();
            let snake = snake_case(name);
            let doubled = name.replace(char::is_uppercase, "_x");
            missed.extend([
                format!("{}.{name}", namespace.handler()),
                format!("{ns}x.{name}"),
                format!("{ns}.{name}x"),
                format!("{ns}.{name}_"),
                format!("{ns}._{name}"),
                format!("{ns}.{doubled}_"),
                format!("{ns}.{}__", snake.replace('_', "__")),
                format!("{ns}.{}", name.to_uppercase()),
                format!("{ns}..{name}"),
                format!(".{ns}.{name}"),
                format!("{ns}.{name}."),
                format!("{ns}.{name}.{name}"),
                format!("{}.{name}", ns.to_uppercase()),
                name.to_owned(),
            ]);
        }
    }
    missed
}

#[tokio::test]
async fn nothing_else_can_be_called() {
    let server = people::server(TestDatabase::sqlite()).await;
    let key = server.admin().await.key;
    let registry = namespaces::registry();
    let routes = LEGACY.map(|route| &route[1..]);
    for name in near_misses(&registry) {
        let called = server.xml(&name, vec![text(&key)]).await;
        let (code, message) = called.expect_err(&name);
        assert_eq!(code, -1, "{name}: {message}");
        assert!(message.starts_with("Could not find"), "{name}: {message}");
        // At the ends of a path, dots converted to slashes are ignored.
        let path = name.replace('.', "/");
        if path != path.trim_matches('/') || routes.contains(&path.as_str()) {
            continue;
        }
        for verb in ["GET", "POST"] {
            let (status, answer) = server.json(verb, &path, Some(&key), None).await;
            assert_eq!(status, 404, "{verb} {path}: {answer}");
        }
    }
    for namespace in registry.catalog().namespaces() {
        for method in namespace.methods() {
            let dotted = format!("{}.{}", namespace.name(), method.name());
            for verb in ["GET", "POST"] {
                let (status, answer) = server.json(verb, &dotted, Some(&key), None).await;
                assert_eq!(status, 404, "{verb} {dotted}: {answer}");
            }
        }
    }
}
