//! Items none of whose tags has a chosen platform: they fail, which is only known once the last of
//! their tags was checked.

use std::collections::{HashMap, HashSet};

use crate::sync::outcome::{Status, TagOutcome};

/// Reports about tags without any of the chosen platforms, held back until the result of their item
/// is known.
#[derive(Default)]
pub(in crate::sync) struct MissingPlatformItems {
    /// Items with a tag that had another result.
    met: HashSet<usize>,
    /// Tags with their items, by the first of these, as long as that had no other result.
    held: HashMap<usize, Vec<(Vec<usize>, TagOutcome)>>,
}

impl MissingPlatformItems {
    /// Records the result of a tag of these items; returns all reports that can be made now.
    pub(in crate::sync) fn take(
        &mut self,
        items: &[usize],
        outcome: TagOutcome,
    ) -> Vec<TagOutcome> {
        let lacks_all = outcome
            .missing
            .as_ref()
            .is_some_and(|missing| missing.is_all);
        let Some(item) = items.first().filter(|_| lacks_all) else {
            self.met.extend(items);
            let held = items.iter().filter_map(|item| self.held.remove(item));
            let mut told: Vec<_> = held.flatten().map(|(_, outcome)| outcome).collect();
            told.push(outcome);
            return told;
        };
        if items.iter().any(|item| self.met.contains(item)) {
            return vec![outcome];
        }
        let held = self.held.entry(*item).or_default();
        held.push((items.to_vec(), outcome));
        Vec::new()
    }

    /// The rest after all tags were recorded: those have failed that no item with another result has.
    pub(in crate::sync) fn end(self) -> impl Iterator<Item = TagOutcome> {
        let met = self.met;
        let held = self.held.into_values().flatten();
        held.map(move |(items, outcome)| {
            if items.iter().any(|item| met.contains(item)) {
                return outcome;
            }
            let words = outcome.missing.as_ref().map(|missing| &missing.words);
            TagOutcome {
                status: Status::Failed,
                error: words.cloned(),
                ..outcome
            }
        })
    }
}
