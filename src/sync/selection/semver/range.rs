//! Version ranges: `||` between groups, comma or space within one, operators `= != > < >= => <= =< ~ ~> ^`, hyphen
//! ranges, wildcards, missing parts. A version must hold for all constraints of one group.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::Version;
use crate::text::{NAME, readable};

/// An invalid range; names the part, and shows valid forms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RangeError(String);

/// A compiled range.
#[derive(Clone, Debug)]
pub struct Range {
    groups: Vec<Group>,
}

/// Constraints that must all hold.
#[derive(Clone, Debug)]
struct Group {
    constraints: Vec<Constraint>,
    /// Only a group that names a pre-release matches pre-releases.
    names_prerelease: bool,
}

#[derive(Clone, Debug)]
struct Constraint {
    operator: Operator,
    bound: Version,
    precision: Precision,
}

#[derive(Clone, Copy, Debug)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

/// How many of a constraint's three numbers are given; the others are missing or wildcards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Precision {
    Nothing,
    Major,
    Minor,
    Full,
}

/// Maximum bytes of a range: longer ones aren't written by hand, and each hyphen range is rewritten
/// in the whole text.
const TEXT_LIMIT: usize = 4096;
/// White space as the library defines it.
const SPACE: &str = r"[\t\n\f\r ]";
const OPERATOR: &str = r"(?:=|!=|>|<|>=|=>|<=|=<|~|~>|\^|)";
/// A number may contain `|`: the library scans like this, which decides where a hyphen range right
/// after `||` begins.
const VERSION: &str = concat!(
    r"v?[0-9xX*|]+(?:\.[0-9xX*|]+)?(?:\.[0-9xX*|]+)?",
    r"(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?",
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
);

static HYPHEN_RANGE: LazyLock<Regex> = LazyLock::new(|| {
    constant_pattern(&format!(
        "{SPACE}*({VERSION}){SPACE}+-{SPACE}+({VERSION}){SPACE}*"
    ))
});
static GROUP: LazyLock<Regex> = LazyLock::new(|| {
    let one = format!("{OPERATOR}{SPACE}*{VERSION}{SPACE}*");
    constant_pattern(&format!("^{SPACE}*{one}(?:(?:{SPACE}+|,{SPACE}*){one})*$"))
});
static CONSTRAINT: LazyLock<Regex> =
    LazyLock::new(|| constant_pattern(&format!("({OPERATOR}){SPACE}*({VERSION})")));

fn constant_pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is a constant")
}

impl Range {
    /// Parses a range like the library does; one that no version can satisfy is accepted (see
    /// [`Range::matches_nothing_ever`]).
    pub fn parse(text: &str) -> Result<Self, RangeError> {
        if text.len() > TEXT_LIMIT {
            let message = format!("it is longer than {TEXT_LIMIT} bytes");
            return Err(RangeError(message));
        }
        let rewritten = hyphen_ranges_rewritten(text);
        let groups = rewritten
            .split("||")
            .map(|group| Group::parse(group, &rewritten))
            .collect::<Result<_, _>>()
            .map_err(|RangeError(message)| {
                // The message may show a part as rewritten.
                let hint = "; beside a hyphen range `||` needs blanks around it";
                RangeError(message + if rewritten == text { "" } else { hint })
            })?;
        Ok(Self { groups })
    }

    /// Whether `version` is in the range.
    pub fn contains(&self, version: &Version) -> bool {
        self.groups.iter().any(|group| group.contains(version))
    }

    /// Whether any group names a pre-release; other groups never match pre-releases.
    pub fn names_prerelease(&self) -> bool {
        self.groups.iter().any(|group| group.names_prerelease)
    }

    /// Whether no version can be in the range (`>2 <1`).
    pub fn matches_nothing_ever(&self) -> bool {
        self.groups.iter().all(Group::is_empty)
    }
}

/// `1.2 - 3` becomes `>= 1.2, <= 3`.
fn hyphen_ranges_rewritten(text: &str) -> String {
    let mut rewritten = text.to_owned();
    for found in HYPHEN_RANGE.captures_iter(text) {
        let comparison = format!(">= {}, <= {} ", capture(&found, 1), capture(&found, 2));
        rewritten = rewritten.replacen(capture(&found, 0), &comparison, 1);
    }
    rewritten
}

fn capture<'t>(found: &Captures<'t>, index: usize) -> &'t str {
    found.get(index).map_or("", |part| part.as_str())
}

impl Group {
    fn parse(text: &str, whole: &str) -> Result<Self, RangeError> {
        if !GROUP.is_match(text) {
            return Err(unreadable(text, whole));
        }
        let constraints = CONSTRAINT
            .captures_iter(text)
            .map(|found| {
                Constraint::parse(capture(&found, 1), capture(&found, 2))
                    .ok_or_else(|| unreadable(capture(&found, 0), whole))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            names_prerelease: constraints.iter().any(|one| one.bound.is_prerelease()),
            constraints,
        })
    }

    fn contains(&self, version: &Version) -> bool {
        (self.names_prerelease || !version.is_prerelease())
            && self.constraints.iter().all(|one| one.holds(version))
    }

    /// A group matches a union of intervals, each of which starts at 0 or at, or right after, a
    /// bound: so a group that matches none of these starts matches nothing.
    fn is_empty(&self) -> bool {
        let least = [
            pre_release_of(&Version::release(0, 0, 0)),
            Version::release(0, 0, 0),
        ];
        let starts = self
            .constraints
            .iter()
            .flat_map(|one| interval_starts(&one.bound));
        !least
            .into_iter()
            .chain(starts)
            .any(|start| self.contains(&start))
    }
}

/// `whole` is the range that `part` is from.
fn unreadable(part: &str, whole: &str) -> RangeError {
    const SUCH: &str =
        "such as `>=1.2 <2`, `~1.4`, `^2`, `1.2 - 2.3` or `1.x`, with `||` between alternatives";
    let part = part.trim();
    RangeError(if part.is_empty() {
        "one of its groups is empty; write `*` for every release".to_owned()
    } else if part == whole.trim() {
        format!("expected comparisons {SUCH}")
    } else {
        let part = readable(part, NAME);
        format!("`{part}` is not a list of comparisons {SUCH}")
    })
}

/// The bound and the first versions after it, after its minor and after its major version.
fn interval_starts(bound: &Version) -> Vec<Version> {
    let next = |number: u64| number.checked_add(1);
    let releases = [
        next(bound.patch).map(|patch| Version::release(bound.major, bound.minor, patch)),
        next(bound.minor).map(|minor| Version::release(bound.major, minor, 0)),
        next(bound.major).map(|major| Version::release(major, 0, 0)),
        Some(Version::release(bound.major, bound.minor, bound.patch)),
    ];
    let mut starts = vec![bound.clone()];
    if bound.is_prerelease() {
        starts.push(Version {
            pre: format!("{}.0", bound.pre),
            ..bound.clone()
        });
    }
    for release in releases.into_iter().flatten() {
        starts.push(pre_release_of(&release));
        starts.push(release);
    }
    starts
}

/// The smallest version before a release.
fn pre_release_of(release: &Version) -> Version {
    Version {
        pre: "0".to_owned(),
        ..*release
    }
}

impl Constraint {
    fn parse(operator: &str, version: &str) -> Option<Self> {
        let operator = match operator {
            "" | "=" => Operator::Equal,
            "!=" => Operator::NotEqual,
            ">" => Operator::Greater,
            "<" => Operator::Less,
            ">=" | "=>" => Operator::GreaterEqual,
            "<=" | "=<" => Operator::LessEqual,
            "~" | "~>" => Operator::Tilde,
            "^" => Operator::Caret,
            _ => return None,
        };
        let unbuilt = version.split('+').next()?;
        let (numbers, pre) = match unbuilt.split_once('-') {
            Some((numbers, pre)) => (numbers, format!("-{pre}")),
            None => (unbuilt, String::new()),
        };
        let numbers = numbers.strip_prefix('v').unwrap_or(numbers);
        let given: Vec<&str> = numbers
            .split('.')
            .take_while(|part| !matches!(*part, "x" | "X" | "*"))
            .collect();
        let (precision, numbers) = match *given.as_slice() {
            [] => (Precision::Nothing, "0".to_owned()),
            [major] => (Precision::Major, major.to_owned()),
            [major, minor] => (Precision::Minor, format!("{major}.{minor}")),
            _ => (Precision::Full, given.join(".")),
        };
        Some(Self {
            operator,
            bound: Version::parse(&format!("{numbers}{pre}"))?,
            precision,
        })
    }

    fn holds(&self, version: &Version) -> bool {
        let bound = &self.bound;
        let same_major = version.major == bound.major;
        let same_minor = same_major && version.minor == bound.minor;
        match (self.operator, self.precision) {
            (Operator::Equal, Precision::Full) => version == bound,
            (Operator::Equal | Operator::Tilde, _) => self.tilde_holds(version),
            (Operator::NotEqual, Precision::Major) => !same_major,
            (Operator::NotEqual, Precision::Minor) => !same_minor || version.pre != bound.pre,
            (Operator::NotEqual, _) => version != bound,
            (Operator::Greater, Precision::Major) => version.major > bound.major,
            (Operator::Greater, Precision::Minor) => {
                (version.major, version.minor) > (bound.major, bound.minor)
            }
            (Operator::Greater, _) => version > bound,
            (Operator::Less, _) => version < bound,
            (Operator::GreaterEqual, _) => version >= bound,
            (Operator::LessEqual, Precision::Full) => version <= bound,
            (Operator::LessEqual, Precision::Major) => version.major <= bound.major,
            (Operator::LessEqual, _) => {
                (version.major, version.minor) <= (bound.major, bound.minor)
            }
            (Operator::Caret, _) => self.caret_holds(version),
        }
    }

    /// From the bound on, within its minor version (or its major, if only that is given); `~0.0.0`
    /// and `~*` are open.
    fn tilde_holds(&self, version: &Version) -> bool {
        let bound = &self.bound;
        let is_open = (bound.major, bound.minor, bound.patch) == (0, 0, 0)
            && matches!(self.precision, Precision::Nothing | Precision::Full);
        let in_minor = self.precision == Precision::Major || version.minor == bound.minor;
        version >= bound && (is_open || (version.major == bound.major && in_minor))
    }

    /// From the bound on, as long as its first non-zero number is unchanged.
    fn caret_holds(&self, version: &Version) -> bool {
        let bound = &self.bound;
        if version < bound || version.major != bound.major {
            return false;
        }
        if bound.major > 0 || self.precision == Precision::Major {
            return true;
        }
        if version.minor != bound.minor {
            return false;
        }
        bound.minor > 0 || self.precision == Precision::Minor || version.patch == bound.patch
    }
}

#[cfg(test)]
mod tests {
    use super::Range;

    #[test]
    fn ranges_that_match_nothing_ever() {
        for text in [
            ">2 <1",
            ">1.2.3 <1.2.4",
            ">1 <2",
            "<0.0.0",
            "=1, =2",
            "^1 ^2",
            "2 - 1",
            ">2 <1 || ^3 <3",
            "!=0.x <1",
            "<0.0.0-0",
            ">1.0.0-a <1.0.0-a.0",
        ] {
            assert!(Range::parse(text).unwrap().matches_nothing_ever(), "{text}");
        }
    }

    #[test]
    fn ranges_that_match_something() {
        for text in [
            "*",
            "<0.0.1",
            "!=0",
            ">2 <1 || 3",
            ">1.2.3 <1.2.5",
            ">1.0.0-a <1.0.0-a.1",
            "> 1.2 <1.4",
            "=1.0.0-rc1",
            "^0.0",
            "!=1.2 <1.3 >=1",
            "<1.0.0-0 >=1.0.0-0 || 0",
            ">1.2.3-0 <1.2.4",
        ] {
            assert!(
                !Range::parse(text).unwrap().matches_nothing_ever(),
                "{text}"
            );
        }
    }

    #[test]
    fn long_ranges_are_refused_with_a_short_error() {
        let long = Range::parse(&"1 - 2 || ".repeat(500)).unwrap_err();
        assert!(long.to_string().contains("longer than 4096"), "{long}");
        let wrong = Range::parse(&"x".repeat(4000)).unwrap_err();
        assert!(wrong.to_string().len() < 500, "{wrong}");
    }

    #[test]
    fn unreadable_range_names_its_part() {
        let message = Range::parse(">=1 || 1..2").unwrap_err().to_string();
        assert!(message.starts_with("`1..2` is not a list"), "{message}");
        let hyphen = Range::parse("1.0.1||0.10.2 - 2").unwrap_err().to_string();
        assert!(hyphen.ends_with("blanks around it"), "{hyphen}");
        assert!(
            Range::parse(">=1 ||")
                .unwrap_err()
                .to_string()
                .contains("empty")
        );
    }
}
