//! Regular expressions for tags and repositories: an unanchored search, in the syntax of the `regex` crate, which runs in linear time.
//!
//! [`Pattern::new`] takes a pattern written for us; [`Pattern::from_go`] one written for skopeo or
//! regsync (`go` rewrites what Go reads differently). Both limit the text (`classes` counts its
//! classes) and the compiled size.

mod classes;
mod go;

use regex::{Regex, RegexBuilder};
use regex_syntax::ast::{self, ErrorKind};

/// Maximum bytes of a compiled pattern: enough for an alternation as long as [`TEXT_LIMIT`], too
/// little to harm a server.
const SIZE_LIMIT: usize = 1 << 20;
/// Maximum bytes of a pattern's text.
const TEXT_LIMIT: usize = 4096;
/// Maximum number of large classes, such as `\w` and `\pL`: each is a table of some hundred ranges,
/// built before [`SIZE_LIMIT`] is checked.
const CLASS_LIMIT: usize = 100;
/// Groups within groups.
const NEST_LIMIT: u32 = 50;

/// An invalid pattern: the error and its position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

/// What a pattern selects, for its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// Tags of a repository.
    Tags,
    /// Repositories of a registry.
    Repositories,
}

impl Named {
    /// What to do instead of one long pattern.
    fn instead_of_long(self) -> &'static str {
        match self {
            Self::Tags => "list single tags in `tags`",
            Self::Repositories => "give single repositories items of their own",
        }
    }

    /// What to do instead of looking around.
    fn instead_of_look_around(self) -> &'static str {
        match self {
            Self::Tags => "to exclude tags, use `tags_exclude_regex`",
            Self::Repositories => "to exclude repositories, use `repositories_exclude_regex`",
        }
    }
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles a pattern of tags.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        Self::of(Named::Tags, text)
    }

    /// Compiles a pattern.
    pub fn of(named: Named, text: &str) -> Result<Self, PatternError> {
        if text.len() > TEXT_LIMIT {
            return Err(PatternError(format!(
                "the pattern is longer than {TEXT_LIMIT} bytes; {}",
                named.instead_of_long()
            )));
        }
        classes::check(text)?;
        RegexBuilder::new(text)
            .size_limit(SIZE_LIMIT)
            .nest_limit(NEST_LIMIT)
            .build()
            .map(Self)
            .map_err(|error| build_error(named, text, &error))
    }

    /// Compiles a pattern written for Go's `regexp` so that it matches the same tags; Go's
    /// unsupported features are refused by name. [`Pattern::as_str`] is the translated text.
    pub fn from_go(text: &str) -> Result<Self, PatternError> {
        let translated = go::translated(text)?;
        Self::new(&translated).map_err(|PatternError(message)| {
            PatternError(if translated == text {
                message
            } else {
                format!("{message} (read as `{translated}`)")
            })
        })
    }

    /// The pattern's text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether the pattern matches anywhere in `tag`.
    pub fn is_match(&self, tag: &str) -> bool {
        self.0.is_match(tag)
    }
}

fn syntax_error(named: Named, text: &str, error: &ast::Error) -> PatternError {
    let what = match error.kind() {
        ErrorKind::UnsupportedLookAround => {
            let instead = named.instead_of_look_around();
            format!("look-around is not supported; {instead}")
        }
        kind => kind.to_string(),
    };
    at(text, error.span().start.offset, &what)
}

fn build_error(named: Named, text: &str, error: &regex::Error) -> PatternError {
    if matches!(error, regex::Error::CompiledTooBig(_)) {
        return PatternError(format!(
            "the pattern is too large once its repetitions are expanded (over {SIZE_LIMIT} bytes)"
        ));
    }
    // The same parser again, for an error with a position.
    let parsed = regex_syntax::ParserBuilder::new()
        .nest_limit(NEST_LIMIT)
        .build()
        .parse(text);
    match parsed {
        Err(regex_syntax::Error::Translate(error)) => {
            at(text, error.span().start.offset, &error.kind().to_string())
        }
        Err(regex_syntax::Error::Parse(error)) => syntax_error(named, text, &error),
        _ => PatternError(error.to_string().replace('\n', " ")),
    }
}

/// `offset` is in bytes; users count characters, from 1.
fn at(text: &str, offset: usize, what: &str) -> PatternError {
    let position = text
        .char_indices()
        .take_while(|(start, _)| *start < offset)
        .count()
        + 1;
    PatternError(format!("at character {position}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::{Pattern, TEXT_LIMIT};

    #[test]
    fn a_pattern_of_megabytes_is_refused_unread() {
        let text = "a{0}".repeat(TEXT_LIMIT);
        for read in [Pattern::new, Pattern::from_go] {
            let error = read(&text).expect_err("too long");
            assert!(error.to_string().contains("longer than"), "{error}");
        }
    }

    #[test]
    fn a_pattern_that_grows_beyond_any_use_is_refused() {
        let many = |part: &str| part.repeat(TEXT_LIMIT / part.len() - 1);
        let large = [
            format!("(?i){}", many(r"\pL")),
            many(r"\w"),
            many(r"[\W]"),
            many(r"[^\p{Greek}]"),
            many("[\u{0}-\u{10FFFF}]"),
            many(r"[a&&\w]"),
            format!("({})?", many(r"\PN")),
            r"x[t-x]{80000}[!-,]".to_owned(),
            "((a{100}){100}){100}".to_owned(),
        ];
        for text in large {
            let short: String = text.chars().take(20).collect();
            let error = Pattern::new(&text).expect_err(&short).to_string();
            assert!(
                error.contains("too large") || error.contains("at most"),
                "{short}: {error}"
            );
            assert!(error.len() < 300, "{short}: {error}");
        }
    }

    #[test]
    fn an_alternation_as_long_as_a_text_may_be_is_taken() {
        let tags: Vec<String> = (0..400).map(|n| format!(r"1\.{n}\.0")).collect();
        let text = format!("^({})$", tags.join("|"));
        assert!(
            (TEXT_LIMIT - 600..TEXT_LIMIT).contains(&text.len()),
            "{}",
            text.len()
        );
        let pattern = Pattern::new(&text).expect("a pattern");
        assert!(pattern.is_match("1.399.0") && !pattern.is_match("1.400.0"));
        assert!(Pattern::new(r"^\w+-\w+\.\w+$").is_ok());
    }
}
