//! Properties of the limits on the age of tags.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use registrysync::sync::selection::natural::natural_cmp;
use registrysync::sync::selection::newest::{Creation, NewestBy};
use registrysync::sync::selection::select::Selection;
use registrysync::sync::selection::semver::Version;
use registrysync::sync::{Selector, SelectorSpec};

const TAG: &str = "v?[0-9]{1,2}(\\.[0-9]{1,2}){0,2}(-(rc|alpine)(\\.[0-9])?)?|[a-z]{1,4}|latest";

fn now() -> DateTime<Utc> {
    "2026-11-01T12:00:00Z".parse().unwrap()
}

/// The selection where the image of each tag is as many days old as `days` says; one without an
/// entry has no creation time.
fn selection(spec: &SelectorSpec, listing: &[String], days: &HashMap<String, u32>) -> Selection {
    let selector = Selector::compile(spec).unwrap();
    let selection = selector.select(listing);
    if !selector.needs_creation() {
        return selection;
    }
    let created = |tag: &String| match days.get(tag) {
        Some(days) => Creation::At(now() - TimeDelta::days((*days).into())),
        None => Creation::Unknown,
    };
    let undecided = selector.undecided(&selection);
    let created = undecided.iter().map(|tag| (tag.clone(), created(tag)));
    let created: HashMap<_, _> = created.collect();
    selector.recent(selection, &created, now())
}

fn chosen(selection: &Selection) -> BTreeSet<&str> {
    selection.selected().collect()
}

fn limited() -> SelectorSpec {
    SelectorSpec {
        tags: vec!["latest".to_owned()],
        tags_regex: Some("[0-9a-m]".to_owned()),
        tags_exclude_regex: Some("rc|^b".to_owned()),
        ..SelectorSpec::default()
    }
}

proptest! {
    #[test]
    fn newest_by_version_keeps_the_highest(
        listing in prop::collection::vec(TAG, 0..30), count in 1u32..6
    ) {
        let all = selection(&limited(), &listing, &HashMap::new());
        let mut versions: Vec<(Version, &str)> = all
            .selected()
            .filter(|tag| *tag != "latest")
            .filter_map(|tag| Some((Version::from_tag(tag)?, tag)))
            .collect();
        versions.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| natural_cmp(b.1, a.1)));
        let mut expected: BTreeSet<&str> =
            versions.iter().take(count as usize).map(|(_, tag)| *tag).collect();
        expected.insert("latest");
        let spec = SelectorSpec { newest: Some(count), ..limited() };
        let found = selection(&spec, &listing, &HashMap::new());
        prop_assert_eq!(chosen(&found), expected);
        prop_assert!(found.verdicts.iter().all(|(_, verdict)| !verdict.reason.is_empty()));
    }

    #[test]
    fn newest_by_creation_keeps_the_youngest(
        ages in prop::collection::hash_map(TAG, 0u32..20, 0..30), count in 1u32..6, limit in 1u32..15
    ) {
        let listing: Vec<String> = ages.keys().cloned().collect();
        let all = selection(&limited(), &listing, &ages);
        let mut young: Vec<(u32, &str)> = all
            .selected()
            .filter(|tag| *tag != "latest" && ages[*tag] < limit)
            .map(|tag| (ages[tag], tag))
            .collect();
        young.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| natural_cmp(b.1, a.1)));
        let mut expected: BTreeSet<&str> =
            young.iter().take(count as usize).map(|(_, tag)| *tag).collect();
        expected.insert("latest");
        let spec = SelectorSpec {
            newest: Some(count),
            newest_by: Some(NewestBy::Created),
            newer_than_days: Some(limit),
            ..limited()
        };
        let found = selection(&spec, &listing, &ages);
        prop_assert_eq!(chosen(&found), expected);
    }

    #[test]
    fn union_comes_first_and_exclusion_wins(
        listing in prop::collection::vec(TAG, 0..30),
        (named, pattern, range) in (any::<bool>(), any::<bool>(), any::<bool>()),
    ) {
        let spec = SelectorSpec {
            tags: if named { vec!["7".to_owned(), "bb".to_owned()] } else { Vec::new() },
            tags_regex: pattern.then(|| "^v".to_owned()),
            semver: range.then(|| "<10".to_owned()),
            tags_exclude_regex: Some("^b|1$".to_owned()),
            ..SelectorSpec::default()
        };
        let alone = |spec: SelectorSpec| -> BTreeSet<String> {
            selection(&spec, &listing, &HashMap::new()).selected().map(str::to_owned).collect()
        };
        let mut expected = BTreeSet::new();
        if named {
            expected.extend(spec.tags.iter().cloned());
        }
        if pattern {
            expected.extend(alone(SelectorSpec { tags_regex: spec.tags_regex.clone(), ..SelectorSpec::default() }));
        }
        if range {
            expected.extend(alone(SelectorSpec { semver: spec.semver.clone(), ..SelectorSpec::default() }));
        }
        if !named && !pattern && !range {
            expected = alone(SelectorSpec::default());
        }
        expected.retain(|tag| !tag.starts_with('b') && !tag.ends_with('1'));
        prop_assert_eq!(alone(spec), expected);
    }
}

#[test]
fn unknown_and_unread_creation_times_leave_out_their_tags() {
    let spec = SelectorSpec {
        newer_than_days: Some(7),
        ..SelectorSpec::default()
    };
    let selector = Selector::compile(&spec).unwrap();
    let signature = format!("sha256-{}.sig", "0".repeat(64));
    let listing = ["new", "old", "undated", "broken", "future", &signature].map(str::to_owned);
    let created = [
        ("new", Creation::At(now() + TimeDelta::hours(23))),
        ("future", Creation::At(now() + TimeDelta::hours(25))),
        ("old", Creation::At(now() - TimeDelta::days(7))),
        ("undated", Creation::Unknown),
        ("broken", Creation::Unread("`r.example`: 500".to_owned())),
    ];
    let created = created.map(|(tag, creation)| (tag.to_owned(), creation));
    let found = selector.recent(selector.select(&listing), &HashMap::from(created), now());
    let reasons: Vec<(&str, bool, &str)> = found
        .verdicts
        .iter()
        .map(|(tag, verdict)| (tag.as_str(), verdict.selected, verdict.reason.as_str()))
        .collect();
    assert_eq!(
        reasons,
        [
            (
                "broken",
                false,
                "its creation time can't be read: `r.example`: 500"
            ),
            (
                "future",
                false,
                "created on 2026-11-02, which lies in the future"
            ),
            ("new", true, "all tags are selected"),
            (
                "old",
                false,
                "created on 2026-10-25, too old for `newer_than_days`"
            ),
            (
                signature.as_str(),
                false,
                "belongs to another image, so it has no age"
            ),
            ("undated", false, "its image has no valid creation time"),
        ]
    );
    assert_eq!(
        found.unread,
        [("broken".to_owned(), "`r.example`: 500".to_owned())]
    );
}
