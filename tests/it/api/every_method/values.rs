//! Values: valid ones by a parameter's name and type, and many others.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use dxr::Value;
use registrysync::api::Method;
use registrysync::api::types::{Kind, Shape};
use serde_json::json;

use super::world::{PASSWORD, World};
use crate::api::server::{ADMIN_PASSWORD, members, text, texts};

/// A valid value for a parameter of `method` (with its namespace) or a struct's member.
pub(super) fn fitting(world: &World, method: &str, name: &str, kind: Kind) -> Value {
    let number = |id: i64| Value::Integer(i32::try_from(id).unwrap());
    let makes = method.ends_with(".create") || method.ends_with("createProject");
    match (kind, name) {
        (Kind::Int, "planId") => number(world.plan_id),
        (Kind::Int, "itemId") => number(world.item_id),
        (Kind::Int, "runId") if method == "registrysync.cancelRun" => number(world.waiting_id),
        (Kind::Int, "runId") if method.starts_with("taskomatic.getSat") => number(world.house_id),
        (Kind::Int, "runId") => number(world.run_id),
        (Kind::Int, _) if method.starts_with("org.") && name == "id" => number(world.org_id),
        (Kind::Int, "id" | "scheduleId") if method.starts_with("taskomatic.org.") => {
            number(world.schedule_id)
        }
        // One that every server has.
        (Kind::Int, "id" | "scheduleId") if method.starts_with("taskomatic.") => number(1),
        (Kind::Int, "id" | "project" | "projectId") => number(world.project_id),
        (Kind::Int, "src" | "dest") => number(world.store_id),
        (Kind::Int, "version") => Value::Integer(1),
        (Kind::Int, _) => Value::Integer(3),
        (Kind::Text, "login") if method == "auth.login" => text("admin"),
        (Kind::Text, "password") if method == "auth.login" => text(ADMIN_PASSWORD),
        (Kind::Text, "label" | "name" | "login" | "adminLogin") if makes => text("fresh-one"),
        (Kind::Text, "label") if method == "image.store.delete" => text("spare"),
        (Kind::Text, "label") if method.starts_with("image.store.") => text("hub"),
        (Kind::Text, "storeLabel" | "srcStore" | "src" | "newSrc" | "src_store_label") => {
            text("hub")
        }
        (Kind::Text, "destStore" | "dest" | "newDest" | "dest_store_label") => text("mirror"),
        (Kind::Text, "name") if method.starts_with("org.") => text("Acme"),
        (Kind::Text, "jobLabel") if !method.contains(".schedule") => {
            text(&format!("image-registry-sync-{}", world.project_id))
        }
        (Kind::Text, "name" | "bunch") if method.starts_with("taskomatic.org.") => {
            text("image-registry-sync-bunch")
        }
        (Kind::Text, "name" | "bunch") if method.starts_with("taskomatic.") => {
            text("session-cleanup-bunch")
        }
        (Kind::Struct, "params") if method.starts_with("taskomatic.org.") => {
            members(&[("project_id", text(&world.project_id.to_string()))])
        }
        (Kind::Text, "label" | "name" | "project") => text("web"),
        (Kind::Text, "login") => text("grace"),
        (Kind::Text, "role") if method == "user.addRole" => text("org_admin"),
        (Kind::Text, "role") => text("image_admin"),
        (Kind::Text, "email") => text("grace@example.com"),
        (Kind::Text, "password" | "adminPassword") => text(PASSWORD),
        (Kind::Text, "token" | "sessionKey") => text(&format!("77x{}", "0".repeat(64))),
        (Kind::Text, "uri") => text("http://127.0.0.1:9"),
        (Kind::Text, "storeType") => text("registry"),
        (Kind::Text, "repository" | "image") => text("app"),
        (Kind::Text, "tag") => text("1.0"),
        (Kind::Text, "architecture") => text("amd64"),
        (Kind::Text, "cronExpr" | "cron_expr") => text("0 0 3 ? * *"),
        (Kind::Text, "namespace") => text("image.store"),
        (Kind::Text, "methodName") => text("auth.login"),
        (Kind::Text, "status") => text("done"),
        (Kind::Text, _) => text("v1"),
        // PAM isn't supported.
        (Kind::Boolean, name) => Value::Boolean(name != "usePam"),
        (Kind::Double, _) => Value::Double(1.5),
        (Kind::Date, "end") => Value::DateTime("20360131T00:00:00".parse().unwrap()),
        (Kind::Date, _) => Value::DateTime("20260131T00:00:00".parse().unwrap()),
        (Kind::Bytes, _) => Value::Base64(b"bytes".to_vec()),
        (Kind::Struct, _) if method == "user.setDetails" => {
            members(&[("last_name", text("Hopper"))])
        }
        (Kind::Struct, _) => members(&[]),
        (Kind::Array, "calls") => Value::Array(vec![members(&[
            ("methodName", text("api.getVersion")),
            ("params", texts(&[])),
        ])]),
        (Kind::Array, "jobLabels") => texts(&["session-cleanup-default"]),
        (Kind::Array, _) => texts(&["1.0"]),
    }
}

/// Small values in place of a `kind`: with SQLite one of every type, and its edge cases; with
/// PostgreSQL those that reach it, since the others are refused before any database is asked.
pub(super) fn others(world: &World, kind: Kind) -> Vec<Value> {
    let mut all = every_type();
    all.retain(|value| !world.is_postgres || reaches_database(value, kind));
    all
}

/// Whether `value` may be stored as a `kind`: text may be converted.
fn reaches_database(value: &Value, kind: Kind) -> bool {
    match value {
        Value::String(_) => true,
        Value::Integer(_) | Value::Long(_) => matches!(kind, Kind::Int | Kind::Double),
        Value::Boolean(_) => kind == Kind::Boolean,
        Value::Double(_) => kind == Kind::Double,
        Value::DateTime(_) => kind == Kind::Date,
        Value::Base64(_) => kind == Kind::Bytes,
        Value::Struct(_) => kind == Kind::Struct,
        Value::Array(_) => kind == Kind::Array,
        _ => false,
    }
}

fn every_type() -> Vec<Value> {
    let nested = (0..30).fold(text("deep"), |inner, _| Value::Array(vec![inner]));
    let control: String = (0..32).filter_map(char::from_u32).collect();
    let mut all = vec![
        Value::Nil,
        Value::Boolean(false),
        Value::Double(1e300),
        Value::Double(-0.5),
        Value::DateTime("20260131T00:00:00".parse().unwrap()),
        Value::DateTime("99991231T23:59:59".parse().unwrap()),
        Value::Base64(vec![0, 159, 146, 150]),
        Value::Long(i64::MAX),
        Value::Long(i64::MIN),
        members(&[]),
        members(&[("noSuchKey", text("x")), ("", Value::Nil)]),
        texts(&[]),
        texts(&["a", "a", "", "\u{0}"]),
        Value::Array(vec![Value::Nil, members(&[("a", nested.clone())])]),
        nested,
        text(&control),
    ];
    let numbers = [0, -1, i32::MAX, i32::MIN];
    all.extend(numbers.map(Value::Integer));
    let words = [
        "",
        " ",
        "\u{0}",
        "a\u{0}b",
        "\r\n",
        "17",
        "-1",
        "true",
        "[",
        "{}",
        "null",
        "../../etc/passwd",
        "'; DROP TABLE org; --",
        "%00%s{tag}{",
        "é\u{202e}\u{fffe}\u{10ffff}",
    ];
    all.extend(words.map(text));
    all
}

/// Large values close to what a parameter of this type accepts.
pub(super) fn huge(kind: Kind) -> Vec<Value> {
    let number = |n: u32| text(&n.to_string());
    match kind {
        Kind::Int | Kind::Double | Kind::Boolean => vec![text(&"9".repeat(1 << 20))],
        Kind::Array => vec![
            Value::Array((0..10_000).map(number).collect()),
            texts(&[&"x".repeat(1 << 20)]),
        ],
        Kind::Struct => {
            let members = (0..10_000).map(|n| (format!("k{n}"), number(n)));
            vec![Value::Struct(members.collect())]
        }
        Kind::Text | Kind::Date | Kind::Bytes => vec![text(&"x".repeat(1 << 20))],
    }
}

/// Structs with one huge member of `shape` each.
pub(super) fn huge_members(shape: &Shape) -> Vec<Value> {
    if shape.kind() != Kind::Struct {
        return Vec::new();
    }
    let members = shape.members().into_iter();
    members
        .flat_map(|member| {
            huge(member.kind)
                .into_iter()
                .map(move |huge| (member.name.clone(), huge))
        })
        .map(|(name, huge)| self::members(&[(&name, huge)]))
        .collect()
}

/// Structs with one invalid member of `shape` each, and ones with additional members.
pub(super) fn structs(world: &World, method: &str, shape: &Shape) -> Vec<Value> {
    if shape.kind() != Kind::Struct {
        return Vec::new();
    }
    let known = shape.members();
    let mut all = Vec::new();
    for member in &known {
        let others = others(world, member.kind).into_iter();
        all.extend(others.map(|other| members(&[(&member.name, other)])));
        let nearly = [
            (
                member.name.as_str(),
                fitting(world, method, &member.name, member.kind),
            ),
            ("noSuchKey", Value::Integer(1)),
        ];
        all.push(members(&nearly[..1]));
        all.push(members(&nearly));
    }
    let fitting = |member: &registrysync::api::types::Member| {
        let value = fitting(world, method, &member.name, member.kind);
        (member.name.clone(), value)
    };
    all.push(Value::Struct(known.iter().map(fitting).collect()));
    all
}

/// Valid values for every parameter of `method`, whose name with namespace is `name`.
pub(super) fn all_fitting(world: &World, name: &str, method: &Method) -> Vec<Value> {
    let parameters = method.parameters().iter();
    parameters
        .map(|p| fitting(world, name, p.name, p.shape.kind()))
        .collect()
}

/// The same value for JSON.
pub(super) fn as_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Integer(number) => json!(number),
        Value::Long(number) => json!(number),
        Value::Boolean(value) => json!(value),
        Value::String(text) => json!(text),
        Value::Double(number) => json!(number),
        Value::DateTime(date) => {
            let date = date.to_string();
            let (year, rest) = date.split_at(4);
            let (month, rest) = rest.split_at(2);
            json!(format!("{year}-{month}-{rest}Z"))
        }
        Value::Base64(bytes) => json!(BASE64.encode(bytes)),
        Value::Struct(members) => {
            let members: BTreeMap<_, _> = members.iter().map(|(n, v)| (n, as_json(v))).collect();
            json!(members)
        }
        Value::Array(items) => items.iter().map(as_json).collect(),
        _ => serde_json::Value::Null,
    }
}
