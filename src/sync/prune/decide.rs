//! What goes and what forbids it. Pure, so that a plan and its run decide alike.

use std::collections::{HashMap, HashSet};

use super::look::SourceLook;
use super::settings::{Prune, PruneKind, WrittenTag};
use crate::oci::Digest;
use crate::sync::selection::natural::natural_cmp;
use crate::text::counted;

/// What is known of one place.
pub(in crate::sync) struct Sight<'a> {
    /// `host/repository` at the target.
    pub(in crate::sync) place: &'a str,
    /// The sources of its items.
    pub(in crate::sync) looks: &'a [SourceLook],
    /// The tags that the run writes or carries along.
    pub(in crate::sync) writes: &'a HashSet<String>,
    /// The tags at the target, with those that the run has added; `None`: not known.
    pub(in crate::sync) present: Option<&'a HashSet<String>>,
    /// Tags that the run has added: they don't count for the limit.
    pub(in crate::sync) adds: &'a HashSet<String>,
    /// How many tags earlier attempts of the run deleted: they count for the limit.
    pub(in crate::sync) deleted: usize,
    /// What the target's tags are now, of those that were looked at; `None`: gone.
    pub(in crate::sync) heads: &'a HashMap<String, Option<Digest>>,
    /// What else forbids all deletes.
    pub(in crate::sync) bar: Option<&'a str>,
}

/// A tag to delete, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sync) struct Doomed {
    pub(in crate::sync) written: WrittenTag,
    pub(in crate::sync) reason: String,
}

impl Doomed {
    /// Whether it goes since the list of its source lacks it.
    pub(in crate::sync) fn has_left(&self) -> bool {
        self.reason == left(&self.written)
    }
}

/// The tags that the rules would delete, before any of them is looked at.
#[derive(Debug, Default)]
pub(in crate::sync) struct Candidates {
    pub(in crate::sync) doomed: Vec<Doomed>,
    /// Not among the target's tags any more.
    pub(in crate::sync) unlisted: Vec<String>,
    pub(in crate::sync) protected: usize,
    /// Another project has it too.
    pub(in crate::sync) shared: usize,
}

/// The decision on one place.
#[derive(Debug, Default)]
pub(in crate::sync) struct Decision {
    /// All of them, or none if `bar` says why.
    pub(in crate::sync) doomed: Vec<Doomed>,
    pub(in crate::sync) bar: Option<String>,
    /// Not at the target any more.
    pub(in crate::sync) forgotten: Vec<String>,
    /// Somebody else has overwritten them.
    pub(in crate::sync) overwritten: Vec<String>,
    pub(in crate::sync) protected: usize,
    pub(in crate::sync) shared: usize,
    pub(in crate::sync) retained: usize,
}

/// What the rules would delete of what the project wrote.
pub(in crate::sync) fn candidates(
    rules: &Prune,
    records: &[WrittenTag],
    sight: &Sight<'_>,
) -> Candidates {
    let mut found = Candidates::default();
    for written in records {
        let Some(reason) = doom(rules, written, sight) else {
            continue;
        };
        if sight
            .present
            .is_some_and(|tags| !tags.contains(&written.tag))
        {
            found.unlisted.push(written.tag.clone());
        } else if rules
            .protect
            .as_ref()
            .is_some_and(|pattern| pattern.is_match(&written.tag))
        {
            found.protected += 1;
        } else if written.is_shared {
            found.shared += 1;
        } else {
            found.doomed.push(Doomed {
                written: written.clone(),
                reason,
            });
        }
    }
    found
}

/// Why a tag would be deleted; `None`: it stays.
fn doom(rules: &Prune, written: &WrittenTag, sight: &Sight<'_>) -> Option<String> {
    if sight.writes.contains(&written.tag) {
        return None;
    }
    let mut looks = sight
        .looks
        .iter()
        .filter(|look| look.source == written.source)
        .peekable();
    let is_known = looks.peek().is_some();
    let has_left = is_known
        && looks.all(|look| {
            look.tags
                .as_ref()
                .is_ok_and(|tags| !tags.contains(&written.source_tag))
        });
    match rules.kind {
        _ if has_left => Some(left(written)),
        // The catalogue may only have lost it for today.
        PruneKind::Selected if rules.by_pattern && !is_known && !rules.force => None,
        PruneKind::Selected => Some("the project doesn't write it any more".to_owned()),
        PruneKind::Gone => None,
    }
}

/// The reason for a tag that has left the source.
pub(in crate::sync) fn left(written: &WrittenTag) -> String {
    format!(
        "`{}` has left the source `{}`",
        written.source_tag, written.source
    )
}

/// The words for a list of `host/repository` that lacks a tag.
pub(in crate::sync) fn damaged(place: &str, tag: &str) -> String {
    format!("the list of tags of `{place}` lacks `{tag}`, which is there, so it may be damaged")
}

/// What happens to the candidates that were looked at.
pub(in crate::sync) fn decide(rules: &Prune, found: Candidates, sight: &Sight<'_>) -> Decision {
    let mut decision = Decision {
        bar: bar(rules, sight),
        protected: found.protected,
        shared: found.shared,
        ..Decision::default()
    };
    for tag in found.unlisted {
        match sight.heads.get(&tag) {
            Some(None) => decision.forgotten.push(tag),
            Some(Some(_)) => {
                let place = sight.place;
                decision.bar.get_or_insert_with(|| damaged(place, &tag));
            }
            None => {}
        }
    }
    for doomed in found.doomed {
        match sight.heads.get(&doomed.written.tag) {
            Some(Some(digest)) if *digest == doomed.written.digest => decision.doomed.push(doomed),
            Some(Some(_)) => decision.overwritten.push(doomed.written.tag),
            Some(None) => decision.forgotten.push(doomed.written.tag),
            // Nothing is looked at where nothing may be deleted.
            None => decision.doomed.push(doomed),
        }
    }
    let newest_first = |one: &Doomed, other: &Doomed| {
        let (one, other) = (&one.written, &other.written);
        let by_time = other.written_at.cmp(&one.written_at);
        by_time.then_with(|| natural_cmp(&other.tag, &one.tag))
    };
    decision.doomed.sort_by(newest_first);
    decision.retained = rules.retain.min(decision.doomed.len());
    decision.doomed.drain(..decision.retained);
    if decision.bar.is_none() {
        decision.bar = over_limit(rules, decision.doomed.len(), sight);
    }
    decision
}

/// What forbids all deletes of a place.
pub(in crate::sync) fn bar(rules: &Prune, sight: &Sight<'_>) -> Option<String> {
    const FORCE: &str = "if that is right, run the project once with `force`";
    if let Some(bar) = sight.bar {
        return Some(bar.to_owned());
    }
    for look in sight.looks {
        let source = &look.source;
        match &look.tags {
            Err(error) => {
                return Some(format!("the tags of `{source}` aren't known: {error}"));
            }
            Ok(_) if look.dropped > 0 => {
                return Some(format!(
                    "the list of tags of `{source}` has names that are not valid tags, so it may be damaged"
                ));
            }
            Ok(tags) if tags.is_empty() && !rules.force => {
                return Some(format!("`{source}` has no tags; {FORCE}"));
            }
            Ok(_) if look.selected == 0 && !rules.force => {
                return Some(format!("nothing of `{source}` is selected; {FORCE}"));
            }
            Ok(_) => {}
        }
    }
    let place = sight.place;
    let unknown = || format!("the tags of the target `{place}` aren't known");
    sight.present.is_none().then(unknown)
}

fn over_limit(rules: &Prune, deletes: usize, sight: &Sight<'_>) -> Option<String> {
    let before = |tags: &HashSet<String>| tags.difference(sight.adds).count();
    let tags = sight.present.map_or(0, before) + sight.deleted;
    let limit = rules.limit;
    let most = tags.saturating_mul(usize::from(limit)) / 100;
    let deletes = deletes + sight.deleted;
    if rules.force || deletes <= most || deletes == sight.deleted {
        return None;
    }
    let (place, all) = (sight.place, counted(tags as u64, "tag"));
    Some(format!(
        "{deletes} of the {all} of `{place}` would be deleted, but `prune_limit` is {limit} % ({most}); \
         if that is right, run the project once with `force`, or raise `prune_limit`"
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sync::selection::pattern::Pattern;

    fn digest(of: u8) -> Digest {
        Digest::of(&[of])
    }

    prop_compose! {
        /// A tag of twelve, from one of two sources.
        fn record()(
            number in 0..12_u8, origin in 0..12_u8, source in 0..2_u8, image in 0..3_u8, day in 1..5_u32, shared in 0..4_u8,
        ) -> WrittenTag {
            WrittenTag {
                tag: format!("t{number}"),
                source: format!("s{source}"),
                source_tag: format!("t{origin}"),
                digest: digest(image),
                written_at: chrono::NaiveDate::from_ymd_opt(2026, 3, day).unwrap().into(),
                is_shared: shared == 0,
            }
        }
    }

    fn names() -> impl Strategy<Value = HashSet<String>> {
        proptest::collection::hash_set((0..14_u8).prop_map(|n| format!("t{n}")), 0..14)
    }

    prop_compose! {
        fn look()(
            source in 0..2_u8, tags in names(), fails in 0..6_u8, dropped in 0..6_usize, selected in 0..4_usize,
        ) -> SourceLook {
            SourceLook {
                repository: "app".to_owned(),
                source: format!("s{source}"),
                target: "app".to_owned(),
                tags: if fails == 0 { Err("lost".to_owned()) } else { Ok(tags) },
                dropped: usize::from(dropped == 0),
                selected,
            }
        }
    }

    prop_compose! {
        fn rules()(
            is_gone: bool, limit in 1..=100_u8, protects: bool, retain in 0..4_usize, force: bool,
        ) -> Prune {
            Prune {
                kind: if is_gone { PruneKind::Gone } else { PruneKind::Selected },
                limit,
                protect: protects.then(|| Pattern::new("^t1$").unwrap()),
                retain,
                force,
                by_pattern: false,
                written: HashMap::new(),
            }
        }
    }

    proptest! {
        /// Whatever is recorded, seen and written: what may not go never goes.
        #[test]
        fn no_tag_goes_that_may_not(
            rules in rules(),
            records in proptest::collection::vec(record(), 0..12),
            looks in proptest::collection::vec(look(), 1..3),
            writes in names(),
            present in proptest::option::of(names()),
            heads in proptest::collection::hash_map(
                (0..12_u8).prop_map(|n| format!("t{n}")),
                proptest::option::of((0..3_u8).prop_map(digest)),
                0..12,
            ),
            has_bar: bool,
        ) {
            let mut records = records;
            records.sort_by(|one, other| one.tag.cmp(&other.tag));
            records.dedup_by(|one, other| one.tag == other.tag);
            let sight = Sight {
                place: "target/app",
                looks: &looks,
                writes: &writes,
                present: present.as_ref(),
                adds: &HashSet::new(),
                deleted: 0,
                heads: &heads,
                bar: has_bar.then_some("a tag failed"),
            };
            let found = candidates(&rules, &records, &sight);
            let decision = decide(&rules, found, &sight);
            for doomed in &decision.doomed {
                let written = &doomed.written;
                prop_assert!(records.contains(written) && !written.is_shared);
                prop_assert!(!writes.contains(&written.tag));
                prop_assert!(present.as_ref().is_none_or(|tags| tags.contains(&written.tag)));
                prop_assert!(!(rules.protect.is_some() && written.tag == "t1"));
                prop_assert!(heads.get(&written.tag).is_none_or(|head| *head == Some(written.digest.clone())));
                if rules.kind == PruneKind::Gone {
                    let of_source = looks.iter().filter(|look| look.source == written.source);
                    let known: Vec<_> = of_source.map(|look| look.tags.as_ref()).collect();
                    prop_assert!(!known.is_empty());
                    prop_assert!(known.iter().all(|tags| tags.is_ok_and(|tags| !tags.contains(&written.source_tag))));
                }
            }
            // The newest stay.
            prop_assert!(decision.retained == rules.retain || decision.doomed.is_empty());
            if decision.bar.is_none() {
                let tags = present.as_ref().expect("the target's tags are known").len();
                prop_assert!(!has_bar && looks.iter().all(|look| look.tags.is_ok() && look.dropped == 0));
                prop_assert!(rules.force || decision.doomed.len() * 100 <= tags * usize::from(rules.limit));
                let is_empty = |look: &SourceLook| look.selected == 0 || look.tags.as_ref().is_ok_and(HashSet::is_empty);
                prop_assert!(rules.force || !looks.iter().any(is_empty));
            }
        }
    }
}
