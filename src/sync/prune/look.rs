//! What a run or a plan saw of the source of an item.

use std::collections::HashSet;

/// One item's source repository, for the question whether tags have left it.
#[derive(Clone, Debug)]
pub(in crate::sync) struct SourceLook {
    /// As the item names it.
    pub(in crate::sync) repository: String,
    /// `host/repository` at the source.
    pub(in crate::sync) source: String,
    /// The full path at the target.
    pub(in crate::sync) target: String,
    /// Its tags. Err: why they aren't known, as text.
    pub(in crate::sync) tags: Result<HashSet<String>, String>,
    /// Names in the listing that aren't valid tags.
    pub(in crate::sync) dropped: usize,
    /// How many tags the item selects.
    pub(in crate::sync) selected: usize,
}
