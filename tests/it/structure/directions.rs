//! Which part may use which.

use super::sources::{Source, rooted, sources};

/// The parts from the lowest to the highest: each may use those before it, unless [`APART`] forbids it.
const LAYERS: [&str; 12] = [
    "quartz",
    "http_client",
    "oci",
    "sync",
    "store",
    "notify",
    "service",
    "taskomatic",
    "config",
    "api",
    "surface",
    "node",
];

/// Words that a part must not contain, and further parts that it must not use.
const APART: [(&str, &[&str], &[&str]); 9] = [
    ("quartz", &["diesel", "axum", "dxr", "reqwest"], &[]),
    ("oci", &["diesel", "axum", "dxr"], &[]),
    (
        "client",
        &["diesel", "axum"],
        &[
            "oci",
            "sync",
            "store",
            "service",
            "taskomatic",
            "surface",
            "node",
        ],
    ),
    (
        "sync",
        &["diesel", "axum", "dxr", "reqwest", "indicatif"],
        &[],
    ),
    ("taskomatic", &["axum", "dxr", "reqwest", "indicatif"], &[]),
    ("store", &["axum", "dxr", "reqwest"], &["sync"]),
    (
        "service",
        &["axum", "dxr", "http", "diesel", "reqwest"],
        &[],
    ),
    ("api", &["axum", "diesel", "reqwest"], &["taskomatic"]),
    ("surface", &["diesel", "reqwest"], &["store", "taskomatic"]),
];

/// What is above all others.
const TOP: [&str; 1] = ["cli"];

/// For each part: the parts that it must not use, and the words that it must not contain.
fn rules() -> Vec<(&'static str, Vec<&'static str>, Vec<&'static str>)> {
    let others = APART.iter().map(|(part, ..)| *part);
    let parts = LAYERS
        .into_iter()
        .chain(others.filter(|part| !LAYERS.contains(part)));
    parts
        .map(|part| {
            let place = LAYERS.iter().position(|layer| *layer == part);
            let above = place.map_or(&[][..], |place| &LAYERS[place + 1..]);
            let mut forbidden = [above, &TOP].concat();
            let mut words = Vec::new();
            for (_, foreign, further) in APART.iter().filter(|(apart, ..)| *apart == part) {
                words.extend_from_slice(foreign);
                forbidden.extend_from_slice(further);
            }
            (part, forbidden, words)
        })
        .collect()
}

/// What a file uses although its part must not.
fn wrong(source: &Source, forbidden: &[&str], foreign: &[&str]) -> Vec<String> {
    let mut wrong: Vec<String> = Vec::new();
    for path in source.paths(true).named {
        let Some(first) = path.names.first() else {
            continue;
        };
        let used = match rooted(&path.module, &path.names) {
            Some(found) => found
                .first()
                .filter(|part| forbidden.contains(&part.as_str()))
                .cloned(),
            None => Some(first.clone()).filter(|name| foreign.contains(&name.as_str())),
        };
        wrong.extend(used.map(|used| format!("{}: `{used}`", source.path)));
    }
    wrong.dedup();
    wrong
}

#[test]
fn parts_use_only_what_is_below_them() {
    let sources = sources();
    let mut found = Vec::new();
    for (part, forbidden, foreign) in rules() {
        let mut of_part = sources
            .iter()
            .filter(|source| source.path.split(['/', '.']).next() == Some(part))
            .peekable();
        assert!(of_part.peek().is_some(), "there is no part `{part}`");
        found.extend(of_part.flat_map(|source| wrong(source, &forbidden, &foreign)));
    }
    assert_eq!(found, Vec::<String>::new(), "uses what it must not");
}

#[test]
fn a_wrong_direction_is_found_in_every_form() {
    let found = |text: &str| {
        let source = Source::new("sync/x.rs", text);
        wrong(&source, &["store", "api"], &["diesel", "http"])
    };
    for (text, used) in [
        ("use crate::store;", "store"),
        ("use crate::{oci::a, store::{Db, b}};", "store"),
        ("fn f() { crate::api::x(); }", "api"),
        ("use super::super::api::x;", "api"),
        ("fn f() { format!(\"{}\", crate::api::x()); }", "api"),
        ("#[cfg(test)] mod tests { use crate::store::Db; }", "store"),
        ("use diesel::prelude::*;", "diesel"),
        ("use diesel as d;", "diesel"),
        ("#[derive(diesel::Queryable)] struct S;", "diesel"),
        ("struct S { method: http::Method }", "http"),
    ] {
        assert_eq!(found(text), [format!("sync/x.rs: `{used}`")], "{text}");
    }
    for text in [
        "// diesel::x\n/// crate::store\nstruct S;",
        "use my_http::x;",
        "use crate::oci::http::x;",
        "const TEXT: &str = \"crate::store::Db\";",
    ] {
        assert_eq!(found(text), Vec::<String>::new(), "{text}");
    }
}
