//! The results of a run as CSV (RFC 4180): a line of names, then a line for each tag.
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, which may run
//! programs, and in many languages a cell begins after each `;` too. Such a character gets a `'` in
//! front, and so does a `'` there, so that removing one `'` always gives the text back. Blanks and
//! quotation marks before it don't count: spreadsheets drop them.

use super::record::TagRecord;
use crate::text::readable;

/// The line of names.
pub const HEADER: &str = "run_id,project,source,target,repository,tag,action,status,source_digest,\
    target_digest,previous_digest,bytes,blobs_copied,blobs_mounted,duration_ms,platforms,reason,error\r\n";

/// What is the same in all lines of a run; empty for one without a server.
#[derive(Clone, Debug, Default)]
pub struct CsvRun {
    /// The run's id.
    pub id: Option<i64>,
    /// Its project's label.
    pub project: String,
}

impl CsvRun {
    /// The line of a tag.
    pub fn line(&self, record: &TagRecord) -> String {
        let id = self.id.map_or(String::new(), |id| id.to_string());
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let cells = [
            id,
            self.project.clone(),
            text(&record.source),
            record.target.clone(),
            record.repository.clone(),
            record.tag.clone(),
            record.action.clone(),
            record.status.clone(),
            text(&record.source_digest),
            text(&record.target_digest),
            text(&record.previous_digest),
            record.bytes.to_string(),
            record.blobs_copied.to_string(),
            record.blobs_mounted.to_string(),
            record.duration_ms.to_string(),
            record.platforms.join(" "),
            text(&record.reason),
            text(&record.error),
        ];
        let mut line = cells.map(|text| cell(&text)).join(",");
        line.push_str("\r\n");
        line
    }
}

/// A cell: on one line, no formula, quoted if it must be.
fn cell(text: &str) -> String {
    let mut text = guarded(&readable(text, usize::MAX));
    if text.contains([',', '"']) {
        text = format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

/// The text with a `'` before whatever would begin a formula.
fn guarded(text: &str) -> String {
    let mut guarded = String::with_capacity(text.len());
    let mut is_begin = true;
    for c in text.chars() {
        if is_begin && matches!(c, '=' | '+' | '-' | '@' | '\'') {
            guarded.push('\'');
        }
        guarded.push(c);
        is_begin = c == ';' || (is_begin && matches!(c, ' ' | '"'));
    }
    guarded
}

#[cfg(test)]
mod tests {
    use super::{CsvRun, HEADER, cell};
    use crate::sync::evidence::TagRecord;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        for (text, expected) in [
            ("", ""),
            ("sha256:00", "sha256:00"),
            ("a, b", "\"a, b\""),
            ("a \"tag\"", "\"a \"\"tag\"\"\""),
            // One tag is one line, also for programs that split at line breaks.
            ("two\r\nlines\tand a tab", "two  lines and a tab"),
            ("\u{1b}[31mred", "\u{fffd}[31mred"),
        ] {
            assert_eq!(cell(text), expected);
        }
    }

    #[test]
    fn no_cell_is_a_formula() {
        for (text, expected) in [
            ("=1+2", "'=1+2"),
            ("=cmd|' /C calc'!A0,", "\"'=cmd|' /C calc'!A0,\""),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            // What comes before it is removed first.
            ("\t=1", "'=1"),
            ("\r\n=1", "'=1"),
            (" =1", "'=1"),
            ("'=1", "''=1"),
            ("a=1", "a=1"),
            ("\"=1", "\"\"\"'=1\""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }

    /// Where numbers have a decimal comma, spreadsheets separate cells by `;`.
    #[test]
    fn no_part_of_a_cell_is_a_formula() {
        for (text, expected) in [
            (
                "x;=HYPERLINK(A1);+cmd|' /C calc'!A0",
                "x;'=HYPERLINK(A1);'+cmd|' /C calc'!A0",
            ),
            (";-1;@a", ";'-1;'@a"),
            ("x;;=1", "x;;'=1"),
            ("x; =1", "x; '=1"),
            ("x;\t\r\n=1", "x;   '=1"),
            ("x;\"=1\"", "\"x;\"\"'=1\"\"\""),
            ("x; \" \"=1", "\"x; \"\" \"\"'=1\""),
            ("x;'=1", "x;''=1"),
            ("tag `1`; not there", "tag `1`; not there"),
            ("x;a=1", "x;a=1"),
        ] {
            assert_eq!(cell(text), expected);
        }
    }

    #[test]
    fn a_line_has_a_cell_for_each_name() {
        let record = TagRecord {
            tag: "1.0".to_owned(),
            platforms: vec!["linux/amd64".to_owned(), "linux/arm64".to_owned()],
            bytes: 5_000_000_000,
            ..TagRecord::default()
        };
        let run = CsvRun {
            id: Some(7),
            project: "web".to_owned(),
        };
        let expected = "7,web,,,,1.0,,,,,,5000000000,0,0,0,linux/amd64 linux/arm64,,\r\n";
        assert_eq!(run.line(&record), expected);
        assert_eq!(HEADER.matches(',').count(), expected.matches(',').count());
    }
}
