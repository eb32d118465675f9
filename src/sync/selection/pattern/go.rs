//! Rewrites a pattern of Go's `regexp` where our syntax reads the same characters differently: `\Q…\E`,
//! a `{` that starts no repetition, escaped punctuation, and in a class `[`, `&&`, `--`, `~~` and a `-`
//! after a class.

use super::{PatternError, at};

/// The pattern in our syntax. A syntax error remains and is reported when it is compiled.
pub(super) fn translated(text: &str) -> Result<String, PatternError> {
    let mut scanner = Scanner { text, offset: 0 };
    let mut out = String::with_capacity(text.len() + 8);
    while let Some(next) = scanner.next() {
        match next {
            '\\' if scanner.take("Q") => out.push_str(&regex_syntax::escape(scanner.quoted())),
            '\\' => out.push_str(&scanner.escape(next)?.text),
            '[' => scanner.class(&mut out)?,
            '{' if !opens_repetition(scanner.rest()) => out.push_str(r"\{"),
            other => out.push(other),
        }
    }
    Ok(out)
}

/// Whether `{` followed by `rest` is `{n}`, `{n,}` or `{n,m}`: Go takes every other `{` as itself.
fn opens_repetition(rest: &str) -> bool {
    let Some((inside, _)) = rest.split_once('}') else {
        return false;
    };
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !least.is_empty() && is_digits(least) && is_digits(most)
}

struct Scanner<'t> {
    text: &'t str,
    offset: usize,
}

/// One member of a class, or one escape.
struct Atom {
    text: String,
    /// A single character can be an end of a range, a class such as `\d` can't.
    is_char: bool,
}

impl<'t> Scanner<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.offset += next.len_utf8();
        Some(next)
    }

    fn take(&mut self, expected: &str) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.offset += expected.len();
        }
        found
    }

    /// The text up to and without `\E`, which may be missing.
    fn quoted(&mut self) -> &'t str {
        let rest = self.rest();
        let (inside, length) = match rest.split_once(r"\E") {
            Some((inside, _)) => (inside, inside.len() + 2),
            None => (rest, rest.len()),
        };
        self.offset += length;
        inside
    }

    /// The rest of an escape after its backslash.
    fn escape(&mut self, backslash: char) -> Result<Atom, PatternError> {
        let start = self.offset - 1;
        let Some(next) = self.next() else {
            return Ok(atom(backslash.to_string(), true));
        };
        Ok(match next {
            'C' => {
                let what = r"`\C` (any byte) is not supported; write `.`";
                return Err(at(self.text, start, what));
            }
            'p' | 'P' => {
                let name = self.argument(1);
                atom(format!("\\{next}{name}"), false)
            }
            'x' => {
                let code = self.argument(2);
                atom(format!("\\x{code}"), true)
            }
            'd' | 'D' | 's' | 'S' | 'w' | 'W' => atom(format!("\\{next}"), false),
            other if other.is_ascii_punctuation() => atom(literal(other), true),
            other => atom(format!("\\{other}"), true),
        })
    }

    /// `{…}`, or else `length` characters.
    fn argument(&mut self, length: usize) -> &'t str {
        let rest = self.rest();
        let end = if rest.starts_with('{') {
            rest.find('}').map_or(rest.len(), |end| end + 1)
        } else {
            rest.char_indices()
                .nth(length)
                .map_or(rest.len(), |(end, _)| end)
        };
        self.offset += end;
        rest.get(..end).unwrap_or_default()
    }

    /// A class, whose `[` has just been read.
    fn class(&mut self, out: &mut String) -> Result<(), PatternError> {
        out.push('[');
        if self.take("^") {
            out.push('^');
        }
        let mut is_first = true;
        while !self.rest().is_empty() {
            if !is_first && self.take("]") {
                out.push(']');
                return Ok(());
            }
            is_first = false;
            let low = self.member()?;
            out.push_str(&low.text);
            let rest = self.rest();
            if low.is_char && rest.starts_with('-') && rest.len() > 1 && !rest.starts_with("-]") {
                self.take("-");
                out.push('-');
                out.push_str(&self.member()?.text);
            }
        }
        // Unclosed: the compiler reports it.
        Ok(())
    }

    fn member(&mut self) -> Result<Atom, PatternError> {
        if let Some(end) = self
            .rest()
            .strip_prefix("[:")
            .and_then(|inside| inside.find(":]"))
        {
            let name = self.rest().get(..end + 4).unwrap_or_default();
            self.offset += name.len();
            return Ok(atom(name.to_owned(), false));
        }
        match self.next() {
            Some('\\') => self.escape('\\'),
            Some(other) => Ok(atom(literal(other), true)),
            None => Ok(atom(String::new(), true)),
        }
    }
}

fn atom(text: String, is_char: bool) -> Atom {
    Atom { text, is_char }
}

fn literal(character: char) -> String {
    regex_syntax::escape(character.encode_utf8(&mut [0; 4]))
}
