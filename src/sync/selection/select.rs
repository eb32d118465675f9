//! Selectors over a tag listing. Literal tags, a regex and a version range form a union; without any of
//! them every tag is selected; an exclusion overrides everything except digests. Of what is left, a
//! limit on the age keeps the recent ones; literal tags and digests have no such limit. Every tag gets
//! its reason.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use indexmap::IndexSet;

use super::natural::natural_cmp;
use super::newest::{AgeLimits, Creation, DAYS_LIMIT, NEWEST_LIMIT};
use super::pattern::Pattern;
use super::selector_spec::{SelectError, SelectorSpec, given, literal, pattern, range};
use super::semver::{Range, Version};
use super::verdict::Verdict;
use crate::oci::{Reference, Tag};

/// Valid selectors. A compiled pattern may take a MiB, and a project may have thousands: they are
/// compiled when needed, and not kept.
#[derive(Clone, Debug)]
pub struct Selector {
    tags: IndexSet<String>,
    digests: IndexSet<String>,
    regex: Option<String>,
    exclude: Option<String>,
    semver: Option<Range>,
    age: AgeLimits,
}

/// Selectors with their patterns compiled.
struct Compiled<'a> {
    selector: &'a Selector,
    regex: Option<Pattern>,
    exclude: Option<Pattern>,
}

/// The verdicts on a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// All valid tags of the listing, and all literal tags and digests, once each, in natural
    /// order.
    pub verdicts: Vec<(String, Verdict)>,
    /// Invalid tag names in the listing, in natural order; they must not be used in requests.
    pub dropped: Vec<String>,
    /// Tags that might be selected, but whose creation time can't be read, and why.
    pub unread: Vec<(String, String)>,
}

impl Selection {
    /// The selected tags and digests.
    pub fn selected(&self) -> impl Iterator<Item = &str> {
        self.verdicts
            .iter()
            .filter(|(_, verdict)| verdict.selected)
            .map(|(tag, _)| tag.as_str())
    }

    /// Deselects named tags that the listing lacks, and returns them. Listings contain no digests.
    pub fn missing_deselect(&mut self, listing: &[String]) -> Vec<String> {
        let listed: HashSet<&str> = listing.iter().map(String::as_str).collect();
        let is_missing = |tag: &str| Tag::parse(tag).is_ok() && !listed.contains(tag);
        let selected = self
            .verdicts
            .iter_mut()
            .filter(|(_, verdict)| verdict.selected);
        let missing = selected.filter(|(tag, _)| is_missing(tag));
        let told = missing.map(|(tag, verdict)| {
            verdict.deselect(format!("{}, but not in the repository", verdict.reason));
            tag.clone()
        });
        told.collect()
    }
}

impl Selector {
    /// Parses selectors, or returns the invalid field and the reason.
    pub fn compile(spec: &SelectorSpec) -> Result<Self, SelectError> {
        let (mut tags, mut digests) = (IndexSet::new(), IndexSet::new());
        for entry in &spec.tags {
            match literal(entry)? {
                Reference::Tag(_) => tags.insert(entry.clone()),
                Reference::Digest(_) => digests.insert(entry.clone()),
            };
        }
        let text = |given: Option<&str>| given.map(str::to_owned);
        let selector = Self {
            tags,
            digests,
            regex: text(given(spec.tags_regex.as_ref())),
            exclude: text(given(spec.tags_exclude_regex.as_ref())),
            semver: given(spec.semver.as_ref()).map(range).transpose()?,
            age: AgeLimits {
                newest: spec.newest.map(|count| {
                    let count = usize::try_from(count).unwrap_or(usize::MAX);
                    (count, spec.newest_by.unwrap_or_default())
                }),
                newer_than_days: spec.newer_than_days,
            },
        };
        selector.compiled()?;
        Ok(selector)
    }

    /// Parses selectors that are new; also refuses those that contradict each other or can never
    /// select anything. Stored ones may be older than these rules.
    pub fn compile_new(spec: &SelectorSpec) -> Result<Self, SelectError> {
        let selector = Self::compile(spec)?;
        selector.check(spec)?;
        Ok(selector)
    }

    fn check(&self, spec: &SelectorSpec) -> Result<(), SelectError> {
        let refused = |field, value: &dyn ToString, message: &str| SelectError {
            field,
            value: value.to_string(),
            message: message.to_owned(),
        };
        let limits = [
            ("newest", spec.newest, NEWEST_LIMIT),
            ("newer_than_days", spec.newer_than_days, DAYS_LIMIT),
        ];
        for (field, number, limit) in limits {
            let Some(number) = number else { continue };
            if !(1..=limit).contains(&number) {
                let expected = format!("expected 1 to {limit}");
                return Err(refused(field, &number, &expected));
            }
            if !self.needs_listing() {
                return Err(refused(
                    field,
                    &number,
                    "it limits what a pattern selects, but only `tags` are given, which are always \
                     selected; use `tags_regex` or `semver`, or leave out one of the two",
                ));
            }
        }
        if let (Some(by), None) = (spec.newest_by, spec.newest) {
            let message = "it says what `newest` means, which isn't given";
            return Err(refused("newest_by", &by, message));
        }
        let compiled = self.compiled()?;
        match (&compiled.exclude, &self.exclude) {
            (Some(exclude), Some(text)) if compiled.is_all_excluded(exclude) => Err(refused(
                "tags_exclude_regex",
                text,
                "it excludes every tag, so nothing would be selected",
            )),
            _ => Ok(()),
        }
    }

    fn compiled(&self) -> Result<Compiled<'_>, SelectError> {
        Ok(Compiled {
            selector: self,
            regex: pattern("tags_regex", self.regex.as_deref())?,
            exclude: pattern("tags_exclude_regex", self.exclude.as_deref())?,
        })
    }

    /// Whether the tags must be listed: not if there are only literal tags and digests.
    pub fn needs_listing(&self) -> bool {
        self.takes_all() || self.regex.is_some() || self.semver.is_some()
    }

    /// The literal tags and digests, including excluded tags.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().chain(&self.digests).map(String::as_str)
    }

    /// The verdicts on a listing, and on literal tags that aren't in it.
    pub fn select(&self, listing: &[String]) -> Selection {
        self.select_while(listing.to_vec(), || true)
    }

    /// The same, for a listing that may be long and selectors that may be slow: stops early when
    /// `goes_on` returns false, and returns the results so far.
    pub fn select_while(&self, listing: Vec<String>, goes_on: impl Fn() -> bool) -> Selection {
        let (mut names, dropped): (Vec<String>, Vec<String>) = listing
            .into_iter()
            .partition(|name| Tag::parse(name).is_ok());
        names.extend(self.literals().map(str::to_owned));
        let compiled = self.compiled();
        let judge = |name: &str| match &compiled {
            Ok(compiled) => compiled.judge(name),
            // They were compiled before, so they still can be.
            Err(error) => Verdict::left_out(error.to_string()),
        };
        let selection = Selection {
            verdicts: naturally_sorted(names)
                .into_iter()
                .take_while(|_| goes_on())
                .map(|name| {
                    let verdict = judge(&name);
                    (name, verdict)
                })
                .collect(),
            dropped: naturally_sorted(dropped),
            unread: Vec::new(),
        };
        if self.needs_creation() {
            return selection;
        }
        self.recent(selection, &HashMap::new(), DateTime::UNIX_EPOCH)
    }

    /// Whether `recent` must be called with the creation times of the selected tags.
    pub fn needs_creation(&self) -> bool {
        self.age.need_creation()
    }

    /// The selected tags whose creation time decides.
    pub fn undecided(&self, selection: &Selection) -> Vec<String> {
        let selected = selection.selected().filter(|tag| !self.is_literal(tag));
        selected.map(str::to_owned).collect()
    }

    /// Deselects tags that aren't recent enough.
    pub fn recent(
        &self,
        mut selection: Selection,
        created: &HashMap<String, Creation>,
        now: DateTime<Utc>,
    ) -> Selection {
        if !self.age.is_none() {
            let tags = selection.verdicts.iter_mut();
            let undecided = tags
                .filter(|(tag, verdict)| verdict.selected && !self.is_literal(tag))
                .map(|(tag, verdict)| (tag.as_str(), verdict));
            selection.unread = self.age.apply(undecided.collect(), created, now);
        }
        selection
    }

    fn is_literal(&self, tag: &str) -> bool {
        self.tags.contains(tag) || self.digests.contains(tag)
    }

    fn takes_all(&self) -> bool {
        self.tags.is_empty()
            && self.digests.is_empty()
            && self.regex.is_none()
            && self.semver.is_none()
    }
}

/// Tags of every kind: a pattern that excludes all of them is taken to exclude every tag.
const PROBES: [&str; 12] = [
    "latest",
    "1",
    "1.27",
    "v1.2.3",
    "1.0.0-rc.1",
    "_",
    "A",
    "z-9",
    "2024-01-02",
    "sha-0f1e2d",
    "9_1",
    "Xx.yY",
];

impl Compiled<'_> {
    /// Whether nothing that is included is left.
    fn is_all_excluded(&self, exclude: &Pattern) -> bool {
        let selector = self.selector;
        if selector.needs_listing() {
            let is_same = selector.regex == selector.exclude;
            let has_others = !selector.tags.is_empty() || selector.semver.is_some();
            return is_same && !has_others || PROBES.iter().all(|tag| exclude.is_match(tag));
        }
        selector.digests.is_empty() && selector.tags.iter().all(|tag| exclude.is_match(tag))
    }

    /// The verdict on one tag (or digest), which may be invalid.
    fn judge(&self, tag: &str) -> Verdict {
        if self.selector.digests.contains(tag) {
            return Verdict::selected("digest named in `tags`".to_owned());
        }
        if let Err(error) = Tag::parse(tag) {
            return Verdict::left_out(format!("not a legal tag: {}", error.reason));
        }
        let is_excluded = |exclude: &Pattern| exclude.is_match(tag);
        if self.exclude.as_ref().is_some_and(is_excluded) {
            return Verdict::left_out("excluded by `tags_exclude_regex`".to_owned());
        }
        self.judge_included(tag)
    }

    fn judge_included(&self, tag: &str) -> Verdict {
        if self.selector.takes_all() {
            return Verdict::selected("all tags are selected".to_owned());
        }
        let mut reasons = Vec::new();
        if self.selector.tags.contains(tag) {
            return Verdict::selected("named in `tags`".to_owned());
        } else if !(self.selector.tags.is_empty() && self.selector.digests.is_empty()) {
            reasons.push("not named in `tags`".to_owned());
        }
        if let Some(regex) = &self.regex {
            if regex.is_match(tag) {
                return Verdict::selected("matches `tags_regex`".to_owned());
            }
            reasons.push("doesn't match `tags_regex`".to_owned());
        }
        if let Some(range) = &self.selector.semver {
            match outside(range, tag) {
                None => return Verdict::selected("version in `semver`".to_owned()),
                Some(why) => reasons.push(format!("{why} `semver`")),
            }
        }
        Verdict::left_out(reasons.join("; "))
    }
}

/// In natural order, each once.
fn naturally_sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable_by(|left, right| natural_cmp(left, right).then_with(|| left.cmp(right)));
    names.dedup();
    names
}

/// Why a tag isn't in the range; words that precede the range's name.
fn outside(range: &Range, tag: &str) -> Option<&'static str> {
    let Some(version) = Version::from_tag(tag) else {
        return Some("not a version, so not in");
    };
    if range.contains(&version) {
        None
    } else if version.is_prerelease() && !range.names_prerelease() {
        Some("a pre-release, and none is named in")
    } else {
        Some("version outside")
    }
}
