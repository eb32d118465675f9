//! Bad input for every signature, on both wires: too few and too many arguments, and each parameter and
//! each member of a struct with every other type, empty, huge, or out of range. Each answer is a result
//! or a documented fault, and a fault changes nothing.

use std::collections::BTreeMap;

use dxr::Value;
use registrysync::api::error::code;
use registrysync::api::types::Kind;
use serde_json::json;

use super::values::{as_json, huge, huge_members, others, structs};
use super::world::World;
use super::{Subject, sweep};
use crate::api::server::text;
use crate::support::database::TestDatabase;

/// Too few and too many arguments, bodies that aren't objects, unknown names.
async fn arity(world: &World, subject: &Subject<'_>) {
    let count = subject.fitting.len();
    for fewer in 0..=count {
        subject.both_ways(world, &subject.fitting[..fewer]).await;
    }
    for more in [1, 2, 1000] {
        let extra = std::iter::repeat_n(text("more"), more);
        let args: Vec<Value> = subject.fitting.iter().cloned().chain(extra).collect();
        subject.by_position(world, &args).await;
    }
    for body in ["", "null", "{", "[]", "17", "\"text\"", "nonsense", "{}{}"] {
        subject.by_body(world, body).await;
    }
    let names = subject.method.parameters().iter().map(|p| p.name);
    let mut body: BTreeMap<_, _> = names.zip(subject.fitting.iter().map(as_json)).collect();
    for name in ["", "noSuchParameter", "\u{0}", "sessionKey"] {
        body.insert(name, json!("x"));
        subject.by_body(world, &json!(body).to_string()).await;
        body.remove(name);
    }
}

/// Each parameter, and each member of a struct, as something else.
async fn types(world: &World, subject: &Subject<'_>) {
    for (place, parameter) in subject.method.parameters().iter().enumerate() {
        let structs = structs(world, &subject.name, &parameter.shape);
        let others = others(world, parameter.shape.kind());
        for other in others.into_iter().chain(structs) {
            subject.both_ways(world, &subject.with(place, other)).await;
        }
    }
    for other in others(world, Kind::Text) {
        let all = vec![other; subject.fitting.len()];
        subject.both_ways(world, &all).await;
    }
}

/// Each parameter, and each member of a struct, as something huge.
async fn sizes(world: &World, subject: &Subject<'_>) {
    for (place, parameter) in subject.method.parameters().iter().enumerate() {
        let members = huge_members(&parameter.shape);
        for other in huge(parameter.shape.kind()).into_iter().chain(members) {
            subject.both_ways(world, &subject.with(place, other)).await;
        }
    }
}

fn is_registrysync(namespace: &str) -> bool {
    namespace == "registrysync"
}

/// The wrong number of arguments, and bodies that aren't arguments; no database is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_number_of_arguments_is_a_documented_fault() {
    let world = World::new(TestDatabase::sqlite()).await;
    sweep(&world, |_| true, arity).await;
}

on_both_databases! {
    async fn wrong_types_to_registrysync_are_documented_faults(database) {
        let world = World::new(database).await;
        sweep(&world, is_registrysync, types).await;
    }
}

on_both_databases! {
    async fn wrong_types_to_other_namespaces_are_documented_faults(database) {
        let world = World::new(database).await;
        sweep(&world, |name| !is_registrysync(name), types).await;
    }
}

on_both_databases! {
    async fn huge_values_to_registrysync_are_documented_faults(database) {
        let world = World::new(database).await;
        sweep(&world, is_registrysync, sizes).await;
    }
}

on_both_databases! {
    async fn huge_values_to_other_namespaces_are_documented_faults(database) {
        let world = World::new(database).await;
        sweep(&world, |name| !is_registrysync(name), sizes).await;
    }
}

/// The pages for users list the codes that the server uses.
#[test]
fn every_fault_code_is_documented() {
    let root = env!("CARGO_MANIFEST_DIR");
    let guide = std::fs::read_to_string(format!("{root}/docs/api.md")).unwrap();
    let faq = std::fs::read_to_string(format!("{root}/api-docs/faq.adoc")).unwrap();
    for (code, meaning) in code::ALL {
        assert!(guide.contains(&format!("| {code} | {meaning} |")), "{code}");
        assert!(faq.contains(&format!("{code:>5}  {meaning}\n")), "{code}");
    }
    let rows = guide.split("## Faults").nth(1).unwrap().lines();
    let rows = rows
        .take_while(|line| !line.starts_with("## "))
        .filter(|line| line.starts_with("| "));
    assert_eq!(rows.count(), code::ALL.len() + 1);
}
