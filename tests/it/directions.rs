//! Which part may use which: read from the sources, so that a wrong direction fails a test and not a review.

use std::path::{Path, PathBuf};

/// A part, the parts that it must not use, and words that it must not name.
const RULES: [(&str, &[&str], &[&str]); 9] = [
    (
        "oci",
        &[
            "sync",
            "taskomatic",
            "store",
            "service",
            "api",
            "surface",
            "cli",
        ],
        &["diesel", "axum", "dxr"],
    ),
    (
        "taskomatic/quartz",
        &[
            "oci",
            "sync",
            "taskomatic",
            "store",
            "service",
            "api",
            "surface",
            "cli",
        ],
        &["diesel", "axum", "dxr", "reqwest"],
    ),
    (
        "client",
        &[
            "oci",
            "sync",
            "taskomatic",
            "store",
            "service",
            "surface",
            "cli",
        ],
        &["diesel", "axum"],
    ),
    (
        "sync",
        &["taskomatic", "store", "service", "api", "surface", "cli"],
        &["diesel", "axum", "dxr", "reqwest"],
    ),
    (
        "taskomatic",
        &["api", "surface", "cli"],
        &["axum", "dxr", "reqwest"],
    ),
    (
        "store",
        &["sync", "taskomatic", "service", "api", "surface", "cli"],
        &["axum", "dxr", "reqwest"],
    ),
    (
        "service",
        &["taskomatic", "api", "surface", "cli"],
        &["axum", "dxr", "http", "diesel", "reqwest"],
    ),
    ("api", &["surface", "cli"], &["axum", "diesel", "reqwest"]),
    ("surface", &["store", "cli"], &["diesel", "reqwest"]),
];

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
    for (part, forbidden, foreign) in RULES {
        for path in sources(&root.join(part)) {
            let text = std::fs::read_to_string(&path).unwrap();
            // What a cron line means is a leaf, below all of them.
            let text = text.replace("crate::taskomatic::quartz", "crate::quartz");
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

#[test]
fn the_reader_sees_every_form() {
    let text = "use crate::oci;\nuse crate::{store::{Db, a}, sync};\nfn f() { crate::api::x(); }";
    assert_eq!(parts_used(text), ["oci", "store", "sync", "api"]);
    assert!(names("use diesel::prelude;", "diesel") && names("let x: http::Method;", "http"));
    assert!(!names("// diesel::x", "diesel") && !names("my_http::x", "http"));
}
