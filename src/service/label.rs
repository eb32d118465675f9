//! The rules for labels of projects, image stores and schedules, and for names of organisations.

use super::error::Error;
use crate::text::is_treacherous;

/// The longest label of a project, an image store or an organisation, in characters.
pub(super) const LABEL_LIMIT: usize = 128;

/// Why a text can't be a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LabelProblem {
    /// It is empty.
    Empty,
    /// It is longer than the limit.
    TooLong,
    /// It has control characters, or ones that hide or reorder their neighbours.
    Control,
    /// It begins or ends with white space.
    Space,
}

/// What is wrong with `label`, which may have `limit` characters.
pub(super) fn label_problem(label: &str, limit: usize) -> Option<LabelProblem> {
    if label.is_empty() {
        Some(LabelProblem::Empty)
    } else if label.chars().count() > limit {
        Some(LabelProblem::TooLong)
    } else if label.chars().any(is_treacherous) {
        Some(LabelProblem::Control)
    } else if label.trim() != label {
        Some(LabelProblem::Space)
    } else {
        None
    }
}

/// Refuses a value of `field` that isn't a valid label of at most `limit` characters.
pub(super) fn label_check(field: &str, label: &str, limit: usize) -> Result<(), Error> {
    let reason = match label_problem(label, limit) {
        None => return Ok(()),
        Some(LabelProblem::Empty) => "it is empty".to_owned(),
        Some(LabelProblem::TooLong) => format!("it is longer than {limit} characters"),
        Some(LabelProblem::Control) => "it has control or invisible characters".to_owned(),
        Some(LabelProblem::Space) => "it begins or ends with white space".to_owned(),
    };
    Err(Error::invalid(field, reason))
}

#[cfg(test)]
mod tests {
    use super::{LabelProblem, label_problem};

    #[test]
    fn a_label_is_short_printable_and_trimmed() {
        let problems = [
            ("web", None),
            ("über 2", None),
            ("äöüß", None),
            ("", Some(LabelProblem::Empty)),
            ("five5", Some(LabelProblem::TooLong)),
            ("a\u{7f}", Some(LabelProblem::Control)),
            ("a\u{202e}b", Some(LabelProblem::Control)),
            ("\u{200b}", Some(LabelProblem::Control)),
            (" a", Some(LabelProblem::Space)),
            ("a\u{a0}", Some(LabelProblem::Space)),
        ];
        for (label, problem) in problems {
            let limit = if label == "über 2" { 6 } else { 4 };
            assert_eq!(label_problem(label, limit), problem, "{label:?}");
        }
    }
}
