//! The hand-written pages: all links are valid.

use std::path::{Path, PathBuf};

use regex::Regex;
use registrysync::config::{KEYS, OTHER_VARIABLES, PREFIX, Settings};

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let inside = |folder: &str| {
        let entries = std::fs::read_dir(root.join(folder)).unwrap();
        entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "md"))
    };
    ["", "docs", "bench"].into_iter().flat_map(inside).collect()
}

/// The anchor of a heading: `## JSON lines` is `#json-lines`.
fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings
        .map(|line| {
            let words: String = line
                .trim_start_matches('#')
                .trim()
                .chars()
                .filter(kept)
                .collect();
            words.to_lowercase().replace(' ', "-")
        })
        .collect()
}

#[test]
fn every_relative_link_of_the_pages_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let pages = pages();
    assert!(
        pages.iter().any(|page| page.ends_with("docs/README.md")),
        "{pages:?}"
    );
    let mut dead = Vec::new();
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for found in link.captures_iter(&text) {
            let target = &found[1];
            if target.contains("://") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if path.is_empty() {
                page.clone()
            } else {
                page.parent().unwrap().join(path)
            };
            let there = file.exists()
                && (anchor.is_empty()
                    || anchors(&std::fs::read_to_string(&file).unwrap())
                        .contains(&anchor.to_owned()));
            if !there {
                dead.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert_eq!(dead, Vec::<String>::new());
}

/// Pages name sources from `src/` on, with or without it, or from the root.
#[test]
fn every_source_that_the_pages_name_is_there() {
    let source = Regex::new(r"`([a-z_]+(?:/[a-z_]+)+\.rs)`").unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut seen, mut dead) = (0, Vec::new());
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for found in source.captures_iter(&text) {
            seen += 1;
            let places = ["", "src", "src/store"].map(|folder| root.join(folder).join(&found[1]));
            if !places.iter().any(|place| place.exists()) {
                dead.push(format!("{}: {}", page.display(), &found[1]));
            }
        }
    }
    assert_eq!(dead, Vec::<String>::new());
    assert!(seen > 15, "{seen}");
}

/// Each key has its row, in the order of the code, with its text and default.
#[test]
fn the_page_of_the_configuration_has_every_key() {
    let page = include_str!("../../docs/configuration.md");
    let none = std::collections::BTreeMap::new();
    let settings = Settings::collect(&none, |_| None, None).unwrap();
    let rows: Vec<String> = settings
        .all()
        .into_iter()
        .map(|key| {
            let default = match (key.name, key.default) {
                ("time_zone", _) => "the system's".to_owned(),
                (_, None) => "none".to_owned(),
                (_, Some(text)) => {
                    format!("`{}`", text.replace("./registrysync-data/", "<data_dir>/"))
                }
            };
            format!("| `{}` | {default} | {} |\n", key.name, key.about)
        })
        .collect();
    let expected = rows.concat();
    assert_eq!(settings.all().len(), KEYS.len());
    assert!(
        page.contains(&expected),
        "docs/configuration.md: the rows of the table are to be\n{expected}"
    );
    for name in OTHER_VARIABLES {
        assert!(page.contains(&format!("`{PREFIX}{name}`")), "{name}");
    }
}
