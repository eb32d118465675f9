//! Tag selection and the `skopeo sync` file, over the cases in `tests/cases/`; `newest`: the limits on
//! the age of tags.

mod newest;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use registrysync::sync::input::skopeo_yaml::SkopeoSource;
use registrysync::sync::selection::pattern::Pattern;
use registrysync::sync::selection::semver::{Range, Version};
use registrysync::sync::{Selector, SelectorSpec};
use secrecy::ExposeSecret as _;
use serde::Deserialize;

fn cases(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cases")
        .join(folder)
}

fn rows<const N: usize>(file: &str) -> Vec<[String; N]> {
    let text = fs::read_to_string(cases(file)).unwrap();
    let rows: Vec<[String; N]> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let cells: Vec<String> = line.split('\t').map(str::to_owned).collect();
            cells
                .try_into()
                .unwrap_or_else(|cells| panic!("{file}: not {N} cells: {cells:?}"))
        })
        .collect();
    assert!(!rows.is_empty(), "{file} has no rows");
    rows
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(cases(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} has no cases");
    files
}

/// Fails with all differences at once.
fn report(differences: &[String]) {
    assert!(
        differences.is_empty(),
        "{} cases differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

fn picked(tags: &str, matches: impl Fn(&str) -> bool) -> String {
    let picked: Vec<&str> = tags.split(' ').filter(|tag| matches(tag)).collect();
    if picked.is_empty() {
        "-".to_owned()
    } else {
        picked.join(" ")
    }
}

#[test]
fn semver_ranges_pick_what_the_library_picks() {
    let mut differences = Vec::new();
    for [range, tags, expected] in rows("semver/masterminds.tsv") {
        let parsed = Range::parse(&range);
        let found = match &parsed {
            Err(_) => "refused".to_owned(),
            Ok(range) => picked(&tags, |tag| {
                Version::from_tag(tag).is_some_and(|version| range.contains(&version))
            }),
        };
        if found != expected {
            differences.push(format!(
                "`{range}` over {tags}\n  expected {expected}\n  found    {found}"
            ));
        }
        if found != "-" && parsed.is_ok_and(|range| range.matches_nothing_ever()) {
            differences.push(format!(
                "`{range}` picks {found}, yet is said to match nothing ever"
            ));
        }
    }
    report(&differences);
}

#[test]
fn patterns_match_or_are_refused_with_the_position() {
    let mut differences = Vec::new();
    for [pattern, tags, expected] in rows("regex/ours.tsv") {
        let found = match Pattern::new(&pattern) {
            Err(error) => format!("refused: {error}"),
            Ok(pattern) => picked(&tags, |tag| pattern.is_match(tag)),
        };
        if found != expected {
            differences.push(format!(
                "`{pattern}`\n  expected {expected}\n  found    {found}"
            ));
        }
    }
    report(&differences);
}

#[test]
fn patterns_for_go_are_translated() {
    let mut differences = Vec::new();
    for [pattern, translation, tags, expected] in rows("regex/go.tsv") {
        let found = match Pattern::from_go(&pattern) {
            Err(error) => (format!("refused: {error}"), "-".to_owned()),
            Ok(pattern) => (
                pattern.as_str().to_owned(),
                picked(&tags, |tag| pattern.is_match(tag)),
            ),
        };
        if found != (translation.clone(), expected.clone()) {
            differences.push(format!(
                "`{pattern}`\n  expected {translation} {expected}\n  found    {} {}",
                found.0, found.1
            ));
        }
    }
    report(&differences);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SelectionCase {
    selector: SelectorSpec,
    listing: Vec<String>,
    #[serde(default)]
    dropped: Vec<String>,
    needs_listing: bool,
    /// Tag to `+` or `-`, and the reason.
    verdicts: BTreeMap<String, String>,
}

#[test]
fn selections_give_each_tag_its_reason() {
    for file in files("selection", "toml") {
        let name = file.display();
        let case: SelectionCase = toml::from_str(&fs::read_to_string(&file).unwrap())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let selector = Selector::compile(&case.selector).unwrap();
        let selection = selector.select(&case.listing);
        assert_eq!(selection.dropped, case.dropped, "{name}");
        assert_eq!(selector.needs_listing(), case.needs_listing, "{name}");
        let found: BTreeMap<String, String> = selection
            .verdicts
            .iter()
            .map(|(tag, verdict)| {
                let sign = if verdict.selected { '+' } else { '-' };
                (tag.clone(), format!("{sign} {}", verdict.reason))
            })
            .collect();
        assert_eq!(found, case.verdicts, "{name}");
        assert_eq!(
            found.len(),
            selection.verdicts.len(),
            "{name}: each tag once"
        );
    }
}

#[test]
fn selection_is_in_natural_order() {
    let listing = ["v1.10", "v1.9", "10", "9", "v1.10"].map(str::to_owned);
    let selection = Selector::compile(&SelectorSpec::default())
        .unwrap()
        .select(&listing);
    assert_eq!(
        selection.selected().collect::<Vec<_>>(),
        ["9", "10", "v1.9", "v1.10"]
    );
}

#[test]
fn unusable_selectors_name_their_field() {
    for [field, value, expected] in rows("selection/refused.tsv") {
        let mut spec = SelectorSpec::default();
        match field.as_str() {
            "tags" => spec.tags = vec!["ok".to_owned(), value.clone()],
            "tags_regex" => spec.tags_regex = Some(value.clone()),
            "tags_exclude_regex" => {
                spec.tags_exclude_regex = Some(value.clone());
                spec.tags_regex = Some("^v".to_owned());
                spec.tags.clear();
            }
            "newest" => {
                spec.newest = Some(value.parse().unwrap());
                spec.tags = vec!["ok".to_owned()];
            }
            "newest_by" => spec.newest_by = Some(value.parse().unwrap()),
            "newer_than_days" => {
                spec.newer_than_days = Some(value.parse().unwrap());
                spec.tags = vec!["ok".to_owned()];
            }
            _ => spec.semver = Some(value.clone()),
        }
        let error = Selector::compile_new(&spec).expect_err(&value);
        assert_eq!((error.field, &error.value), (field.as_str(), &value));
        assert!(
            error.message.contains(&expected),
            "{value}: {}",
            error.message
        );
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    let longest = "x".repeat(128);
    let spec = |tag: String| SelectorSpec {
        tags: vec![tag],
        ..SelectorSpec::default()
    };
    assert!(Selector::compile(&spec(longest.clone())).is_ok());
    assert!(Selector::compile(&spec(longest + "x")).is_err());
}

#[test]
fn unset_selectors_are_left_out_when_stored() {
    let spec = SelectorSpec {
        semver: Some(String::new()),
        ..SelectorSpec::default()
    };
    assert_eq!(serde_json::to_string(&spec).unwrap(), "{}");
    assert_eq!(
        serde_json::from_str::<SelectorSpec>("{}").unwrap(),
        SelectorSpec::default()
    );
}

#[test]
fn skopeo_files_are_read_or_refused_with_the_line() {
    let mut differences = Vec::new();
    for file in files("skopeo-yaml", "yaml") {
        let expected = fs::read_to_string(file.with_extension("out")).unwrap();
        let found = match SkopeoSource::parse(&fs::read_to_string(&file).unwrap()) {
            Ok(source) => rendered(&source),
            Err(error) => format!("{error}\n"),
        };
        if found != expected {
            let name = file.display();
            differences.push(format!("{name}\n  expected {expected}\n  found    {found}"));
        }
    }
    report(&differences);
}

fn rendered(source: &SkopeoSource) -> String {
    let mut out = String::new();
    for registry in &source.registries {
        write!(out, "{} {}", registry.line, registry.host).unwrap();
        if let Some((user, password)) = &registry.credentials {
            write!(out, " credentials={user}:{}", password.expose_secret()).unwrap();
        }
        if let Some(verify) = registry.tls_verify {
            write!(out, " tls-verify={verify}").unwrap();
        }
        out.push('\n');
        for item in &registry.items {
            let selector = serde_json::to_string(&item.selector).unwrap();
            writeln!(out, "  {} {} {selector}", item.line, item.repository).unwrap();
        }
    }
    out
}

proptest! {
    #[test]
    fn no_range_breaks_the_parser(text in "[0-9xv.*|<>=~^!, +a-]{0,24}|\\PC{0,12}", tag in "[0-9v._a-]{0,12}") {
        if let Ok(range) = Range::parse(&text) {
            let picks = Version::from_tag(&tag).is_some_and(|version| range.contains(&version));
            prop_assert!(!(picks && range.matches_nothing_ever()), "{} picks {}", text, tag);
        }
    }

    #[test]
    fn no_tag_breaks_a_verdict(tag in "\\PC{0,20}|[0-9v._-]{0,12}|[0-9]{1,30}") {
        let selector = Selector::compile(&SelectorSpec {
            tags: vec!["latest".to_owned()],
            tags_regex: Some("^v\\d".to_owned()),
            tags_exclude_regex: Some("9$".to_owned()),
            semver: Some(">=1 || ^2.0.0-0".to_owned()),
            ..SelectorSpec::default()
        }).unwrap();
        for (name, verdict) in selector.select(std::slice::from_ref(&tag)).verdicts {
            prop_assert!(!verdict.reason.is_empty());
            prop_assert!(!(verdict.selected && name.ends_with('9')));
        }
    }

    #[test]
    fn no_pattern_for_go_breaks_the_translator(text in "[\\[\\]\\\\{}(),^$.|*+?:&~a0QECpPx-]{0,16}|\\PC{0,12}") {
        if let Err(error) = Pattern::from_go(&text) {
            prop_assert!(!error.to_string().contains('\n'));
        }
    }

    #[test]
    fn no_text_breaks_the_file_reader(text in "[a-c:\\n \\[\\]{}&*!|>,.-]{0,60}") {
        if let Ok(source) = SkopeoSource::parse(&text) {
            prop_assert!(source.registries.iter().any(|registry| !registry.items.is_empty()));
        }
    }
}
