//! Whether a tag is selected, and why.

/// The verdict on one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the tag is selected.
    pub selected: bool,
    /// Which selector selected it, or why each didn't. Names the selectors without their texts,
    /// which may be long and would be repeated for many tags.
    pub reason: String,
}

impl Verdict {
    pub(super) fn selected(reason: String) -> Self {
        Self {
            selected: true,
            reason,
        }
    }

    pub(super) fn left_out(reason: String) -> Self {
        Self {
            selected: false,
            reason,
        }
    }

    /// Always false, for `retain`.
    pub(super) fn deselect(&mut self, reason: String) -> bool {
        *self = Self::left_out(reason);
        false
    }
}
