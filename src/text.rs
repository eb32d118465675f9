//! Sanitises text from others: registries, token servers, databases, callers.
//!
//! Before such text is stored, logged or shown it passes [`readable`]. Afterwards it has no characters
//! that a database refuses (NUL), that control a terminal (escape sequences) or that reorder what a
//! person reads (bidirectional controls), it is one line, and its length is bounded.

use std::fmt::{self, Write as _};

/// The longest name shown completely, in characters: as long as a tag may be, and some more.
pub(crate) const NAME: usize = 140;
/// The longest message of a registry or a library shown completely, in characters.
pub(crate) const SENTENCE: usize = 300;

/// `text` on one line, without control characters, at most `limit` characters; followed by `…` if
/// it was cut.
pub(crate) fn readable(text: &str, limit: usize) -> String {
    cut(text.trim(), limit, printable)
}

/// The same with its spaces and line breaks as they are.
pub(crate) fn harmless(text: &str, limit: usize) -> String {
    cut(text, limit, replaced)
}

fn cut(text: &str, limit: usize, shown: impl Fn(char) -> char) -> String {
    let mut chars = text.chars();
    let mut out: String = chars.by_ref().take(limit).map(shown).collect();
    if chars.next().is_some() {
        out.push('…');
    }
    out
}

/// `1 tag`, `2 tags`
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// A number of bytes as people read it: `512 B`, `1.50 KiB`.
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    #[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut value = self.0 as f64;
        let mut unit = "B";
        for larger in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
            if value < 1024.0 {
                break;
            }
            value /= 1024.0;
            unit = larger;
        }
        let decimals = if unit == "B" { 0 } else { 2 };
        write!(f, "{value:.decimals$} {unit}")
    }
}

/// The replacement for `c` in a line for people.
fn printable(c: char) -> char {
    match c {
        c if c.is_whitespace() => ' ',
        c => replaced(c),
    }
}

/// U+FFFD for a character that [`is_treacherous`].
fn replaced(c: char) -> char {
    if is_treacherous(c) {
        char::REPLACEMENT_CHARACTER
    } else {
        c
    }
}

/// Equivalent JSON without characters that control a terminal or reorder a line: what `serde_json`
/// doesn't escape (`DEL`, C1, bidirectional controls, …) is escaped as well. They can only occur in
/// strings, so the structure is unchanged.
pub(crate) fn json_escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_harmless_in_json(c) {
            out.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // Writing to a `String` can't fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

/// Line breaks are those of indented JSON: in a string they are escaped already.
fn is_harmless_in_json(c: char) -> bool {
    c == '\n' || !is_treacherous(c)
}

/// Whether `c` controls a terminal, or hides or reorders its neighbours.
pub(crate) fn is_treacherous(c: char) -> bool {
    c.is_control() || is_invisible(c) || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Format characters that hide or reorder their neighbours: zero width, bidirectional, tags.
/// Unicode calls them `Cf` and `Default_Ignorable`; source: UAX #9 and UTR #36.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{00AD}'
            | '\u{061C}'
            | '\u{180E}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E007F}'
    )
}

#[cfg(test)]
mod tests {
    use super::{Bytes, json_escaped, readable};

    #[test]
    fn bytes_are_shown_in_the_largest_unit_that_fits() {
        let cases = [
            (0, "0 B"),
            (1, "1 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (1536, "1.50 KiB"),
            (1024 * 1024 - 1, "1024.00 KiB"),
            (1024 * 1024, "1.00 MiB"),
            (5_000_000_000, "4.66 GiB"),
            (1 << 40, "1.00 TiB"),
            (1 << 50, "1.00 PiB"),
            (u64::MAX, "16.00 EiB"),
        ];
        for (count, expected) in cases {
            assert_eq!(Bytes(count).to_string(), expected);
            // The bars of the command line write it in the same way.
            assert_eq!(indicatif::HumanBytes(count).to_string(), expected);
        }
    }

    #[test]
    fn text_of_others_is_one_printable_bounded_line() {
        let cases = [
            (
                "plain `text` with ümläuts, 漢字 and 🙂",
                "plain `text` with ümläuts, 漢字 and 🙂",
            ),
            ("  spaces around \n", "spaces around"),
            ("two\r\nlines\tand\u{2028}more", "two  lines and more"),
            (
                "nul\0 esc\u{1b}[31m bel\u{7} c1\u{9b}",
                "nul\u{fffd} esc\u{fffd}[31m bel\u{fffd} c1\u{fffd}",
            ),
            (
                "bidi\u{202e}\u{2066} zero\u{200b}\u{feff}width",
                "bidi\u{fffd}\u{fffd} zero\u{fffd}\u{fffd}width",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(readable(text, 100), expected, "{text:?}");
        }
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        assert_eq!(readable("abcdef", 6), "abcdef");
        assert_eq!(readable("abcdefg", 6), "abcdef…");
        assert_eq!(readable(&"ä".repeat(1_000_000), 3), "äää…");
    }

    #[test]
    fn json_stays_what_it_is_without_what_steers_a_terminal() {
        let value = serde_json::json!({
            "a\u{9b}\u{202e}": ["\u{1b}[2J\u{7}\0\r\n", "\u{7f}\u{e0001}\u{2028}", "ä 漢 🙂"],
        });
        for json in [value.to_string(), format!("{value:#}")] {
            let escaped = json_escaped(&json);
            let lines = escaped.lines().map(|line| readable(line, usize::MAX));
            let kept: Vec<String> = escaped.lines().map(|line| line.trim().to_owned()).collect();
            assert_eq!(lines.collect::<Vec<_>>(), kept);
            assert_eq!(escaped.lines().count(), json.split('\n').count());
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&escaped).unwrap(),
                value
            );
        }
    }
}
