//! Output for people: members and tables.

use serde_json::{Map, Value as Json};

use crate::cli::output::{data_line, talk_line};
use crate::text::readable;

/// Prints rows below their headers, in columns as wide as necessary; without rows only the message
/// `none`, on standard error.
pub(in crate::cli) fn print<const N: usize>(heads: [&str; N], rows: &[[String; N]], none: &str) {
    if rows.is_empty() {
        talk_line(none);
        return;
    }
    let heads = heads.map(str::to_owned);
    let width = |column: usize| {
        let cells = std::iter::once(&heads).chain(rows);
        cells
            .filter_map(|row| row.get(column))
            .map(|cell| console::measure_text_width(cell))
            .max()
            .unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    for row in std::iter::once(&heads).chain(rows) {
        let cells = row.iter().zip(widths).map(|(cell, width)| {
            let gap = width.saturating_sub(console::measure_text_width(cell));
            format!("{cell}{}", " ".repeat(gap))
        });
        data_line(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// A member in readable form: text unchanged, lists with commas, nothing for null.
pub(super) fn cell(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => printable(text),
        Json::Bool(true) => "yes".to_owned(),
        Json::Bool(false) => "no".to_owned(),
        Json::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Names from registries and images must not control the terminal.
pub(super) fn printable(text: &str) -> String {
    readable(text, usize::MAX)
}

/// The members of an object.
pub(super) fn members(value: Json) -> Map<String, Json> {
    match value {
        Json::Object(members) => members,
        _ => Map::new(),
    }
}

/// The entries of a list.
pub(super) fn rows(value: Json) -> Vec<Json> {
    match value {
        Json::Array(rows) => rows,
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{cell, printable};
    use serde_json::json;

    #[test]
    fn members_are_readable() {
        assert_eq!(cell(&json!(null)), "");
        assert_eq!(cell(&json!(["a", 1, true])), "a, 1, yes");
        assert_eq!(printable("a\u{1b}[2J\nb"), "a\u{FFFD}[2J b");
    }
}
