//! A tag read as a version: `[v]N[.N[.N]][-pre][+build]`.

use std::cmp::Ordering;

/// A version as written in a tag; missing parts are 0.
///
/// Comparison follows semver 2.0: numbers as numbers, a pre-release before its release, build metadata ignored.
#[derive(Clone, Debug)]
pub struct Version {
    /// First number.
    pub major: u64,
    /// Second number.
    pub minor: u64,
    /// Third number.
    pub patch: u64,
    /// The dot-separated pre-release, without its `-`; empty for a release.
    pub pre: String,
}

impl Version {
    /// A release.
    pub fn release(major: u64, minor: u64, patch: u64) -> Self {
        Self {
            major,
            minor,
            patch,
            pre: String::new(),
        }
    }

    /// Parses a tag as a version; `None` if it isn't one.
    ///
    /// Leading zeros in the numbers are allowed (`24.04`), in a numeric part of the pre-release
    /// they aren't. A `_` may replace the `+`, which tags can't contain, as in Helm.
    pub fn from_tag(tag: &str) -> Option<Self> {
        Self::parse(&tag.replacen('_', "+", 1))
    }

    /// Parses `[v]N[.N[.N]][-pre][+build]`; `None` if `text` is something else or a number exceeds
    /// 64 bits.
    pub fn parse(text: &str) -> Option<Self> {
        let (text, build) = split_at_sign(text.strip_prefix('v').unwrap_or(text), '+');
        let (numbers, pre) = split_at_sign(text, '-');
        if !build.is_none_or(|build| identifiers_valid(build, false))
            || !pre.is_none_or(|pre| identifiers_valid(pre, true))
        {
            return None;
        }
        let mut parts = numbers.split('.');
        let version = Self {
            major: number(parts.next()?)?,
            minor: parts.next().map_or(Some(0), number)?,
            patch: parts.next().map_or(Some(0), number)?,
            pre: pre.unwrap_or_default().to_owned(),
        };
        parts.next().is_none().then_some(version)
    }

    /// Whether the version has a pre-release part.
    pub fn is_prerelease(&self) -> bool {
        !self.pre.is_empty()
    }
}

fn split_at_sign(text: &str, sign: char) -> (&str, Option<&str>) {
    match text.split_once(sign) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn number(digits: &str) -> Option<u64> {
    is_numeric(digits).then(|| digits.parse().ok()).flatten()
}

fn is_numeric(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn identifiers_valid(list: &str, is_pre: bool) -> bool {
    list.split('.').all(|part| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !(is_pre && is_numeric(part) && part.len() > 1 && part.starts_with('0'))
    })
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.major, self.minor, self.patch)
            .cmp(&(other.major, other.minor, other.patch))
            .then_with(|| prerelease_cmp(&self.pre, &other.pre))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

/// An empty pre-release (a release) comes after every other.
fn prerelease_cmp(left: &str, right: &str) -> Ordering {
    match (left.is_empty(), right.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(left), Some(right)) => identifier_cmp(left, right),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Numbers before words; numbers have no leading zeros, so the longer one is the larger.
fn identifier_cmp(left: &str, right: &str) -> Ordering {
    match (is_numeric(left), is_numeric(right)) {
        (true, true) => left.len().cmp(&right.len()).then_with(|| left.cmp(right)),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => left.cmp(right),
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn tags_that_are_versions() {
        for (tag, numbers, pre) in [
            ("1", (1, 0, 0), ""),
            ("v1.2", (1, 2, 0), ""),
            ("24.04", (24, 4, 0), ""),
            ("01.02.03", (1, 2, 3), ""),
            ("1.2.3-rc.1", (1, 2, 3), "rc.1"),
            ("1.2.3-rc.1_b2.x", (1, 2, 3), "rc.1"),
            ("1.2_build-7", (1, 2, 0), ""),
            ("1-a--", (1, 0, 0), "a--"),
            ("20240102", (20_240_102, 0, 0), ""),
        ] {
            let version = Version::from_tag(tag).unwrap_or_else(|| panic!("`{tag}` is a version"));
            assert_eq!(
                (version.major, version.minor, version.patch),
                numbers,
                "{tag}"
            );
            assert_eq!(version.pre, pre, "{tag}");
        }
    }

    #[test]
    fn tags_that_are_none() {
        for tag in [
            "",
            "v",
            "latest",
            "1.2.3.4",
            "1.",
            ".1",
            "1.x",
            "1.2.3-",
            "1_",
            "1_a_b",
            "1-01",
            "1-a..b",
            "V1",
            "1.2-é",
            "18446744073709551616",
            "vv1",
            "1+a+b",
        ] {
            assert!(Version::from_tag(tag).is_none(), "{tag}");
        }
    }

    #[test]
    fn order_is_semvers() {
        let ascending = [
            "0.9",
            "1.0.0-1",
            "1.0.0-9",
            "1.0.0-10",
            "1.0.0-20240102030405060708091011",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.9.0",
            "1.10.0",
            "2",
            "10",
        ];
        for pair in ascending.windows(2) {
            let [low, high] = [pair[0], pair[1]].map(|tag| Version::from_tag(tag).unwrap());
            assert!(low < high, "{pair:?}");
            assert!(high > low, "{pair:?}");
        }
        assert_eq!(Version::from_tag("1.0.0_a"), Version::from_tag("v1_b"));
    }
}
