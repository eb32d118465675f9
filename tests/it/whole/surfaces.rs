//! The same selection on every surface: preview, plan, run and command line, for random tags and
//! selectors.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{TimeDelta, Utc};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use registrysync::sync::selection::newest::NewestBy;
use registrysync::sync::{Selector, SelectorSpec};

use super::commands::Person;
use super::server::{Server, Session};
use crate::support::images::Image;
use crate::support::registry::Registry;

/// Repositories, each with tags and a selector of its own.
const CASES: usize = 40;

/// Tags with the ages of their images in days.
fn tags() -> impl Strategy<Value = BTreeMap<String, u32>> {
    let tag = "v?[0-9]{1,2}(\\.[0-9]{1,2}){0,2}(-rc\\.[0-9])?|[a-e]{1,3}";
    prop::collection::btree_map(tag, 0u32..30, 1..12)
}

fn maybe(texts: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    prop::option::of(prop::sample::select(texts).prop_map(str::to_owned))
}

fn selector() -> impl Strategy<Value = (SelectorSpec, bool)> {
    let texts = (
        maybe(&["^v", "[0-5]", "a|b", r"\.1"]),
        maybe(&["rc", "^v?1", "c$", "[02468]$"]),
        maybe(&["*", ">=2", "<10 || >20", "~1.2"]),
    );
    let by = prop::sample::select(&[NewestBy::Version, NewestBy::Created]);
    let limits = (prop::option::of(1u32..5), by, prop::option::of(1u32..40));
    (texts, limits, any::<bool>()).prop_map(|(texts, (newest, by, days), has_names)| {
        let spec = SelectorSpec {
            tags: Vec::new(),
            tags_regex: texts.0,
            tags_exclude_regex: texts.1,
            semver: texts.2,
            newest,
            newest_by: newest.map(|_| by),
            newer_than_days: days,
        };
        (spec, has_names)
    })
}

/// Random cases, the same in each run of this test, whose selectors are accepted.
fn cases() -> Vec<(BTreeMap<String, u32>, SelectorSpec)> {
    let mut runner = TestRunner::deterministic();
    let mut cases = Vec::new();
    while cases.len() < CASES {
        let drawn = (tags(), selector())
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let (tags, (mut spec, has_names)) = drawn;
        if has_names {
            spec.tags = tags.keys().step_by(3).cloned().collect();
        }
        if Selector::compile_new(&spec).is_ok() {
            cases.push((tags, spec));
        }
    }
    cases
}

fn flags(spec: &SelectorSpec) -> Vec<String> {
    let mut flags: Vec<String> = spec.tags.iter().map(|tag| format!("--tag={tag}")).collect();
    let texts = [
        ("tag-regex", spec.tags_regex.clone()),
        ("tag-exclude-regex", spec.tags_exclude_regex.clone()),
        ("semver", spec.semver.clone()),
        ("newest", spec.newest.map(|count| count.to_string())),
        ("newest-by", spec.newest_by.map(|by| by.to_string())),
        (
            "newer-than-days",
            spec.newer_than_days.map(|days| days.to_string()),
        ),
    ];
    for (flag, text) in texts {
        flags.extend(text.map(|text| format!("--{flag}={text}")));
    }
    flags
}

/// The tags of those that are selected.
fn selected<'a>(verdicts: impl IntoIterator<Item = &'a Value>) -> BTreeMap<String, String> {
    let selected = verdicts
        .into_iter()
        .filter(|verdict| verdict["selected"] == true);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    selected
        .map(|verdict| (text(&verdict["tag"]), text(&verdict["reason"])))
        .collect()
}

async fn previewed(
    session: &Session,
    repository: &str,
    spec: &SelectorSpec,
) -> BTreeMap<String, String> {
    let selector = json!(spec).to_string();
    let query = [
        ("storeLabel", "from"),
        ("repository", repository),
        ("selector", &selector),
    ];
    let preview = session
        .get("registrysync/previewTags", &query)
        .await
        .unwrap();
    selected(preview.as_array().unwrap())
}

fn listed(person: &Person, place: &str, spec: &SelectorSpec) -> BTreeMap<String, String> {
    let mut words = vec![
        "list-tags".to_owned(),
        place.to_owned(),
        "--json".to_owned(),
    ];
    words.extend(flags(spec));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let lines = person.hears(&words, 0);
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    selected(&lines)
}

/// The tags of each repository in a list of actions or results.
fn by_repository(entries: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in entries.as_array().unwrap() {
        let text = |name: &str| entry[name].as_str().unwrap().to_owned();
        assert!(
            found
                .entry(text("repository"))
                .or_default()
                .insert(text("tag")),
            "{entry}"
        );
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_tags_are_selected_on_every_surface() {
    let (source, target) = (Registry::start().await, Registry::start().await);
    let server = Server::start(None);
    let (session, person) = (server.login().await, Person::at(&server));
    session
        .project(source.address(), target.address(), &[])
        .await;
    let mut expected = BTreeMap::new();
    for (number, (tags, spec)) in cases().into_iter().enumerate() {
        let repository = format!("case{number}");
        for (seed, (tag, age)) in (1..).zip(&tags) {
            let created = Utc::now() - TimeDelta::days((*age).into()) - TimeDelta::hours(12);
            let image = Image::dated(number as u64 * 100 + seed, &created.to_rfc3339());
            image.store(&source, &repository, Some(tag));
        }
        let mut options = json!(spec);
        let named = options
            .as_object_mut()
            .unwrap()
            .remove("tags")
            .unwrap_or(json!([]));
        let item =
            json!({"label": "web", "repository": repository, "tags": named, "options": options});
        session.post("registrysync/addImage", item).await.unwrap();
        let previewed = previewed(&session, &repository, &spec).await;
        let place = format!("http://{}/{repository}", source.address());
        assert_eq!(previewed, listed(&person, &place, &spec), "{spec:?}");
        let chosen: BTreeSet<String> = previewed.into_keys().collect();
        if !chosen.is_empty() {
            expected.insert(repository, chosen);
        }
    }
    assert!(
        expected.len() > CASES / 2,
        "most selectors select something"
    );
    let plan = session
        .get("registrysync/plan", &[("label", "web")])
        .await
        .unwrap();
    assert_eq!(by_repository(&plan["actions"]), expected);
    let kept = session.post("registrysync/createPlan", json!({"label": "web"}));
    let kept = kept.await.unwrap();
    assert_eq!(kept["actions"], plan["actions"]);
    let body = json!({"label": "web", "options": {"plan": kept["id"]}});
    let id = session.post("registrysync/run", body).await.unwrap();
    let id = id.as_i64().unwrap();
    session.run_ended(id).await;
    assert_eq!(by_repository(&json!(session.results(id).await)), expected);
    let run = session.run_ended(session.run().await).await;
    let results = json!(session.results(run["id"].as_i64().unwrap()).await);
    assert_eq!(by_repository(&results), expected);
    for (repository, tags) in expected {
        let found: BTreeSet<String> = target.tags(&repository).into_keys().collect();
        assert_eq!(found, tags, "{repository}");
    }
}
