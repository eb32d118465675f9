//! Items none of whose tags has a chosen platform: they have failed, which is known only when the
//! last of their tags is looked at.

use std::collections::{HashMap, HashSet};

use crate::sync::outcome::{Status, TagOutcome};

/// What is told of tags without any of the chosen platforms, once it is known what their item came
/// to.
#[derive(Default)]
pub(in crate::sync) struct Lacking {
    /// Items with a tag that came to something else.
    met: HashSet<usize>,
    /// Tags by the first of their items, as long as none of it came to something else.
    held: HashMap<usize, Vec<TagOutcome>>,
}

impl Lacking {
    /// Takes in what became of a tag of these items; gives all that can be told now.
    pub(in crate::sync) fn take(
        &mut self,
        items: &[usize],
        outcome: TagOutcome,
    ) -> Vec<TagOutcome> {
        let lacks_all = outcome.lack.as_ref().is_some_and(|lack| lack.is_all);
        let Some(item) = items.first().filter(|_| lacks_all) else {
            self.met.extend(items);
            let held = items.iter().filter_map(|item| self.held.remove(item));
            let mut told: Vec<_> = held.flatten().collect();
            told.push(outcome);
            return told;
        };
        if items.iter().any(|item| self.met.contains(item)) {
            return vec![outcome];
        }
        self.held.entry(*item).or_default().push(outcome);
        Vec::new()
    }

    /// What is left when all tags were taken in: they have failed.
    pub(in crate::sync) fn end(self) -> impl Iterator<Item = TagOutcome> {
        self.held.into_values().flatten().map(|outcome| TagOutcome {
            status: Status::Failed,
            error: outcome.lack.as_ref().map(|lack| lack.words.clone()),
            ..outcome
        })
    }
}
