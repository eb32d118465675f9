//! Which part may use which: read from the sources, so that a wrong direction fails a test and not a review.

use std::path::{Path, PathBuf};

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

/// Words that a part must not name, and further parts that it must not use.
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

/// What stands on top of all others.
const TOP: [&str; 1] = ["cli"];

/// For each part: the parts that it must not use, and the words that it must not name.
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

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a part of the sources") {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The parts that a file names after `crate::`, also those in braces.
fn parts_used(text: &str) -> Vec<&str> {
    let mut used = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let Some(inside) = rest.strip_prefix('{') else {
            used.push(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut start = true;
        for (at, c) in inside.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if start && depth == 0 && !c.is_whitespace() => {
                    used.push(word(&inside[at..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    used
}

/// Whether a line of code (not of a comment) names something of this crate.
fn names(text: &str, name: &str) -> bool {
    let path = format!("{name}::");
    let lines = text
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with("//"));
    lines
        .flat_map(|line| line.match_indices(&path).map(move |(at, _)| &line[..at]))
        .any(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
}

#[test]
fn parts_use_only_what_is_below_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (part, forbidden, foreign) in rules() {
        for path in sources(&root.join(part)) {
            let text = std::fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(&root).unwrap().display().to_string();
            let used = parts_used(&text)
                .into_iter()
                .filter(|used| forbidden.contains(used));
            wrong.extend(used.map(|used| format!("{path}: `{used}`")));
            let named = foreign.iter().filter(|name| names(&text, name));
            wrong.extend(named.map(|name| format!("{path}: `{name}`")));
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "uses what it must not");
}

/// The modules that a file declares, apart from its tests.
fn modules(text: &str) -> Vec<&str> {
    let declared = text.lines().filter_map(|line| {
        let line = line.strip_suffix(';')?;
        let (before, name) = line.split_once("mod ")?;
        let is_declaration = before.is_empty() || before.starts_with("pub");
        (is_declaration && name != "tests").then_some(name)
    });
    declared.collect()
}

/// Whoever opens a folder finds in its first comment what each of its modules is for.
#[test]
fn every_module_stands_in_the_map_of_its_folder() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut lacking = Vec::new();
    let mut seen = 0;
    for path in sources(&root) {
        let text = std::fs::read_to_string(&path).unwrap();
        let map: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("//!"))
            .collect();
        let map = map.join("\n");
        for module in modules(&text) {
            seen += 1;
            let quoted = map.split('`').skip(1).step_by(2);
            let mut named = quoted.flat_map(|quoted| quoted.split("::"));
            if !named.any(|name| name == module) {
                let path = path.strip_prefix(&root).unwrap().display();
                lacking.push(format!("{path}: `{module}`"));
            }
        }
    }
    assert!(seen > 200, "{seen}");
    assert_eq!(lacking, Vec::<String>::new(), "not in the map");
}

#[test]
fn the_reader_sees_every_form() {
    let declared = "mod a;\npub mod b;\npub(super) mod c;\nmod tests;\n// mod d;\nmod e {}\n";
    assert_eq!(modules(declared), ["a", "b", "c"]);
    let text = "use crate::oci;\nuse crate::{store::{Db, a}, sync};\nfn f() { crate::api::x(); }";
    assert_eq!(parts_used(text), ["oci", "store", "sync", "api"]);
    assert!(names("use diesel::prelude;", "diesel") && names("let x: http::Method;", "http"));
    assert!(!names("// diesel::x", "diesel") && !names("my_http::x", "http"));
}
