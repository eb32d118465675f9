//! Items that name their repositories by pattern: the catalogue of the source, and an item for each
//! repository that matches.

use indexmap::IndexSet;

use crate::blocking::spawn_blocking;
use crate::oci::{Client, Repository};
use crate::service::Error;
use crate::store::projects::catalogue::RunCatalogue;
use crate::store::projects::item::BY_PATTERN;
use crate::sync::OnEmpty;
use crate::sync::input::spec::{NoRepositories, OnlyTags, Unmatched};

use super::item_spec::ItemSpec;
use super::places::Places;
use super::repositories::Repositories;

/// The most repositories that the patterns of a project may match: each is a part of a run.
const MATCHES: usize = 20_000;

/// An item and its id.
pub(in crate::service) type NumberedItem = (i64, ItemSpec);

/// The items of a project, each with one repository.
#[derive(Clone, Debug, Default)]
pub(in crate::service) struct Expanded {
    /// The items. Those of a pattern stand where it stood.
    pub(in crate::service) items: Vec<ItemSpec>,
    /// The items without a repository, and why.
    pub(in crate::service) unmatched: Vec<NoMatch>,
    /// The pattern in words, and the place in `items` of one that it matches.
    of_patterns: Vec<(String, usize)>,
    /// Whether the catalogue had names that aren't valid, so it may be damaged.
    is_damaged: bool,
}

/// An item without a repository.
#[derive(Clone, Debug)]
pub(in crate::service) struct NoMatch {
    /// Its pattern in words, under which it is reported.
    pub(in crate::service) pattern: String,
    why: NoRepositories,
    on_empty: Option<OnEmpty>,
}

impl NoMatch {
    /// For the engine; `on_empty` holds for items without a setting of their own.
    pub(in crate::service) fn unmatched(
        self,
        source: &Client,
        on_empty: Option<OnEmpty>,
    ) -> Unmatched {
        Unmatched {
            pattern: self.pattern,
            source: source.address().to_string(),
            why: self.why,
            on_empty: self.on_empty.or(on_empty).unwrap_or_default(),
        }
    }
}

/// Whether the source's catalogue is needed.
pub(in crate::service) fn is_by_pattern(items: &[NumberedItem]) -> bool {
    let is_pattern = |(_, item): &NumberedItem| item.repositories.pattern().is_some();
    items.iter().any(is_pattern)
}

/// Reads the source's catalogue, and which of its repositories each item has.
pub(in crate::service) async fn catalogue_read(
    client: &Client,
    items: Vec<NumberedItem>,
) -> Result<RunCatalogue, Error> {
    let listing = match client.repository_listing().await {
        Ok(listing) => listing,
        Err(error) => {
            let error = if error.is_no_catalogue() {
                format!(
                    "the registry offers this account no catalogue (`_catalog`): {error}; give its \
                     repositories items of their own"
                )
            } else {
                error.to_string()
            };
            return Ok(RunCatalogue {
                error: Some(error),
                ..RunCatalogue::default()
            });
        }
    };
    let warning = listing.dropped.repositories_warning();
    let matched = spawn_blocking(move || matched(&listing.entries, &items)).await;
    Ok(RunCatalogue {
        warning: warning.map(|warning| format!("`{}`: {warning}", client.address())),
        ..matched.map_err(Error::unexpected)??
    })
}

fn matched(catalogue: &[String], items: &[NumberedItem]) -> Result<RunCatalogue, Error> {
    // Pages may overlap.
    let catalogue: IndexSet<&str> = catalogue.iter().map(String::as_str).collect();
    let mut found = RunCatalogue {
        listed: i64::try_from(catalogue.len()).unwrap_or(i64::MAX),
        ..RunCatalogue::default()
    };
    // What other items name exists, whether or not the catalogue has it.
    let named = items.iter().map(|(_, item)| item.repositories.path());
    let named: IndexSet<&str> = named
        .filter(|path| *path != BY_PATTERN && !catalogue.contains(path))
        .collect();
    for (id, item) in items {
        let Some(spec) = item.repositories.pattern() else {
            continue;
        };
        let pattern = spec.compile().map_err(Error::unexpected)?;
        let all = catalogue.iter().chain(&named).copied();
        for name in all.filter(|name| pattern.is_match(name)) {
            if found.repositories.len() == MATCHES {
                found.error = Some(format!(
                    "the project's patterns match more than {MATCHES} repositories: use narrower \
                     patterns, or several projects"
                ));
                found.repositories.clear();
                return Ok(found);
            }
            found.repositories.push((*id, name.to_owned()));
        }
    }
    Ok(found)
}

/// An item for each repository that `catalogue` has of it.
pub(in crate::service) fn items_expand(
    items: Vec<NumberedItem>,
    catalogue: &RunCatalogue,
) -> Result<Expanded, Error> {
    let mut expanded = Expanded {
        is_damaged: catalogue.warning.is_some(),
        ..Expanded::default()
    };
    for (id, item) in items {
        let pattern = match &item.repositories {
            Repositories::One(_) => {
                expanded.items.push(item);
                continue;
            }
            Repositories::Matching(spec) => spec.to_string(),
        };
        let before = expanded.items.len();
        let own = catalogue.repositories.iter().filter(|(of, _)| *of == id);
        for (_, name) in own {
            let repository = Repository::parse(name).map_err(Error::unexpected)?;
            let at = expanded.items.len();
            expanded.of_patterns.push((pattern.clone(), at));
            expanded.items.push(item.of_repository(repository));
        }
        if expanded.items.len() == before {
            let why = match &catalogue.error {
                Some(error) => NoRepositories::NotListed(error.clone()),
                None => NoRepositories::NoMatch(usize::try_from(catalogue.listed).unwrap_or(0)),
            };
            expanded.unmatched.push(NoMatch {
                pattern,
                why,
                on_empty: item.on_empty,
            });
        }
    }
    Ok(expanded)
}

impl Expanded {
    /// Whether the repositories of all patterns are known.
    pub(in crate::service) fn is_listed(&self) -> bool {
        let is_known = |item: &NoMatch| !matches!(item.why, NoRepositories::NotListed(_));
        !self.is_damaged && self.unmatched.iter().all(is_known)
    }

    /// Whether an item names its repositories by pattern.
    pub(in crate::service) fn has_patterns(&self) -> bool {
        !self.of_patterns.is_empty() || !self.unmatched.is_empty()
    }

    /// Adds to a retry what the earlier run couldn't list: all of the repositories that match now.
    pub(in crate::service) fn retry_widen(&self, tags: &mut OnlyTags, ends: &Places) {
        for (pattern, at) in &self.of_patterns {
            if let (true, Some(item)) = (tags.touches(pattern), self.items.get(*at)) {
                tags.add(ends.place(item), String::new());
            }
        }
    }
}
