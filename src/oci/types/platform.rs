//! Platforms (`os/architecture[/variant]`) and the choice among them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::name_error::NameError;
use super::platform_names as words;

/// Maximum bytes of a platform's name: far more than any known one has.
const LONGEST: usize = 64;

/// A platform as an index names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// Such as `linux`; `unknown` for attestations.
    #[serde(default)]
    pub os: String,
    /// Such as `amd64`; the API calls the whole platform `architecture`.
    #[serde(default)]
    pub architecture: String,
    /// Such as `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Such as `10.0.17763.1234`, of Windows.
    #[serde(
        default,
        rename = "os.version",
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
}

impl Platform {
    /// Whether it names neither operating system nor architecture.
    pub fn is_unnamed(&self) -> bool {
        self.os.is_empty() && self.architecture.is_empty()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.os)?;
        if let Some(version) = self
            .os_version
            .as_ref()
            .filter(|version| !version.is_empty())
        {
            write!(f, "({version})")?;
        }
        write!(f, "/{}", self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// One chosen platform: `arm64`, `linux/arm64`, `linux/arm64/v8`, `windows` or
/// `windows(10.0.17763)/amd64`. Missing parts match anything. The names are Go's; those of other
/// tools (`x86_64`, `aarch64`, `armhf`) are accepted. The version is written as containerd does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformChoice {
    os: Option<String>,
    os_version: Option<String>,
    architecture: Option<String>,
    variant: Option<String>,
}

impl PlatformChoice {
    /// Parses `[os[(version)]/]architecture[/variant]`, or an `os[(version)]` alone. Two parts are
    /// `os/architecture`, unless the second one is a variant (`arm/v7`). Err: the form is wrong, or a name is unknown, with the one that was
    /// probably meant.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::read(text, true)
    }

    /// Parses what was once accepted, perhaps by another version: unknown names are kept.
    pub fn parse_stored(text: &str) -> Result<Self, NameError> {
        Self::read(text, false)
    }

    fn read(text: &str, is_checked: bool) -> Result<Self, NameError> {
        let fail = |reason: String| NameError::new("architecture", text, reason);
        let word = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        };
        let shape = || {
            fail(
                "expected a form such as `arm64`, `linux/arm64/v8` or `windows(10.0.17763)/amd64`"
                    .into(),
            )
        };
        let mut parts: Vec<&str> = text.split('/').collect();
        let version = parts.first_mut().and_then(version_take);
        if !parts.iter().chain(&version).all(word) || (is_checked && text.len() > LONGEST) {
            return Err(shape());
        }
        let (os, architecture, variant) = match parts[..] {
            [os] if version.is_some() || is_system(os) => (Some(os), None, None),
            [architecture] => (None, Some(architecture), None),
            [architecture, variant] if version.is_none() && is_variant(architecture, variant) => {
                (None, Some(architecture), Some(variant))
            }
            [os, architecture] => (Some(os), Some(architecture), None),
            [os, architecture, variant] => (Some(os), Some(architecture), Some(variant)),
            _ => return Err(shape()),
        };
        let choice = Self {
            os_version: version.map(str::to_owned),
            ..Self::named(os, architecture, variant)
        };
        if is_checked {
            choice.check(text).map_err(fail)?;
        }
        Ok(choice)
    }

    /// The same with the names that images use, if known.
    fn named(os: Option<&str>, architecture: Option<&str>, variant: Option<&str>) -> Self {
        let own = |text: &str| text.to_owned();
        let known = |name| words::architecture(name).unwrap_or((name, None));
        let (architecture, implied) = architecture.map(known).unzip();
        let implied = implied.flatten();
        Self {
            os: os.map(|os| own(words::system(os).unwrap_or(os))),
            os_version: None,
            architecture: architecture.map(own),
            variant: match variant {
                Some(variant) => Some(words::variant(variant).unwrap_or_else(|| own(variant))),
                None => implied.map(own),
            },
        }
    }

    /// Err: which name of `text` is unknown, and which one was probably meant.
    fn check(&self, text: &str) -> Result<(), String> {
        let unknown = |name: &str, kind: &str, meant: String| {
            if name == text {
                meant
            } else {
                format!("`{name}` is not a known {kind}; {meant}")
            }
        };
        let meant = |near: Option<&'static str>, others: &str| match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("expected a name such as {others}"),
        };
        if let Some(os) = self.os.as_deref().filter(|os| words::system(os).is_none()) {
            let meant = meant(words::system_near(os), "`linux` or `windows`");
            return Err(unknown(os, "operating system", meant));
        }
        let Some(architecture) = &self.architecture else {
            return Ok(());
        };
        if matches!(architecture.as_str(), "all" | "any" | "noarch") {
            return Err("omit it to copy all platforms".into());
        }
        if words::architecture(architecture).is_none() {
            let system = || self.os.is_none().then(|| words::system_near(architecture));
            let near = words::architecture_near(architecture).or_else(|| system().flatten());
            let meant = meant(near, "`amd64`, `arm64` or `arm/v7`");
            return Err(unknown(architecture, "architecture", meant));
        }
        match &self.variant {
            Some(variant) if words::variant(variant).is_none() => {
                Err(unknown(variant, "variant", meant(None, "`v7` or `v8`")))
            }
            _ => Ok(()),
        }
    }

    /// Whether `platform` matches. The only or usual variant can be omitted: `arm64` is `arm64/v8`,
    /// `arm` is `arm/v7`, `amd64` is `amd64/v1`.
    pub fn matches(&self, platform: &Platform) -> bool {
        let (architecture, implied) =
            words::architecture(&platform.architecture).unwrap_or((&platform.architecture, None));
        self.architecture
            .as_ref()
            .is_none_or(|wanted| wanted == architecture)
            && self.matches_os(platform)
            && self.variant.as_ref().is_none_or(|wanted| {
                let usual = match architecture {
                    "arm64" => Some("v8"),
                    "arm" => Some("v7"),
                    "amd64" => Some("v1"),
                    _ => None,
                };
                let given = platform
                    .variant
                    .as_deref()
                    .filter(|given| !given.is_empty());
                let variant = given.or(implied).or(usual);
                variant.is_some_and(|variant| {
                    variant == wanted || words::variant(variant).as_ref() == Some(wanted)
                })
            })
    }

    /// A version matches those that continue it: `10.0.17763` is `10.0.17763.1234` too.
    fn matches_os(&self, platform: &Platform) -> bool {
        let os = &platform.os;
        let is_os = |wanted: &String| wanted == os || words::system(os) == Some(wanted);
        let is_version = |wanted: &String| {
            let given = platform.os_version.as_deref().unwrap_or_default();
            let rest = given.strip_prefix(wanted.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.os.as_ref().is_none_or(is_os) && self.os_version.as_ref().is_none_or(is_version)
    }
}

/// Takes the `(version)` off the end.
fn version_take<'t>(part: &mut &'t str) -> Option<&'t str> {
    let (os, version) = part.strip_suffix(')')?.split_once('(')?;
    *part = os;
    Some(version)
}

/// Whether a word alone is an operating system.
fn is_system(word: &str) -> bool {
    words::system(word).is_some() && words::architecture(word).is_none()
}

/// Whether the second of two parts is a variant rather than an architecture: `arm/v7`, `arm64/8`.
fn is_variant(first: &str, second: &str) -> bool {
    let has_v = second
        .strip_prefix(['v', 'V'])
        .is_some_and(|rest| rest.bytes().next().is_some_and(|b| b.is_ascii_digit()));
    has_v
        || (words::system(first).is_none()
            && words::architecture(first).is_some()
            && words::variant(second).is_some()
            && words::architecture(second).is_none())
}

impl fmt::Display for PlatformChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(os) = &self.os {
            f.write_str(os)?;
        }
        if let Some(version) = &self.os_version {
            write!(f, "({version})")?;
        }
        let has_os = self.os.is_some();
        for (at, part) in [&self.architecture, &self.variant]
            .into_iter()
            .flatten()
            .enumerate()
        {
            let slash = if has_os || at > 0 { "/" } else { "" };
            write!(f, "{slash}{part}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        let mut parts = text.split('/');
        let mut os = parts.next().unwrap_or_default();
        let os_version = version_take(&mut os).map(str::to_owned);
        Platform {
            os: os.to_owned(),
            architecture: parts.next().unwrap_or_default().to_owned(),
            variant: parts.next().map(str::to_owned),
            os_version,
        }
    }

    #[test]
    fn choices() {
        for (choice, of, wanted) in [
            ("arm64", "linux/arm64", true),
            ("arm64", "linux/arm64/v8", true),
            ("linux/arm64/v8", "linux/arm64", true),
            ("arm/v7", "linux/arm/v7", true),
            ("arm/v7", "linux/arm", true),
            ("arm/v7", "linux/arm/v6", false),
            ("arm", "linux/arm/v6", true),
            ("windows/amd64", "linux/amd64", false),
            ("amd64", "windows/amd64", true),
            ("amd64/v1", "linux/amd64", true),
            ("amd64/v3", "linux/amd64", false),
            ("linux/arm/7", "linux/arm/v7", true),
            // Images are written by people too.
            ("amd64", "linux/x86_64", true),
            ("arm64", "Linux/aarch64", true),
            ("linux/arm/v7", "linux/armv7l", true),
            ("linux", "linux/s390x", true),
            ("linux", "windows/amd64", false),
            (
                "windows(10.0.17763)",
                "windows(10.0.17763.1234)/amd64",
                true,
            ),
            (
                "windows(10.0.17763)/amd64",
                "windows(10.0.17763)/amd64",
                true,
            ),
            ("windows(10.0.1)/amd64", "windows(10.0.17763)/amd64", false),
            ("windows(10.0.17763)/amd64", "windows/amd64", false),
            (
                "windows(10.0.17763)/arm64",
                "windows(10.0.17763.1)/amd64",
                false,
            ),
            ("windows/amd64", "windows(10.0.17763)/amd64", true),
        ] {
            let found = PlatformChoice::parse(choice)
                .unwrap()
                .matches(&platform(of));
            assert_eq!(found, wanted, "{choice} {of}");
        }
        for bad in [
            "",
            "/",
            "a/b/c/d",
            "a//b",
            "arm 64",
            "linux/",
            "windows()",
            "(1)/amd64",
            "windows(1",
            "linux/(1)",
        ] {
            assert!(PlatformChoice::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn words_of_other_tools_mean_the_same() {
        for (word, name) in [
            ("x86_64", "amd64"),
            ("X86_64", "amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("Linux/AMD64", "linux/amd64"),
            ("x86_64_v3", "amd64/v3"),
            ("aarch64", "arm64"),
            ("arm64v8", "arm64/v8"),
            ("linux/aarch64/v8", "linux/arm64/v8"),
            ("armhf", "arm/v7"),
            ("armv7l", "arm/v7"),
            ("armv6hl", "arm/v6"),
            ("armv5tel", "arm/v5"),
            ("linux/arm32v6", "linux/arm/v6"),
            ("i386", "386"),
            ("i686", "386"),
            ("x86", "386"),
            ("ppc64el", "ppc64le"),
            ("mips64el", "mips64le"),
            ("loongarch64", "loong64"),
            ("amd64-deb", "amd64"),
            ("armhf-deb", "arm/v7"),
            ("ia32-deb", "386"),
            ("channel-x86_64", "amd64"),
            ("channel-arm64-deb", "arm64"),
            ("x86_64-redhat-linux", "amd64"),
            ("ppc64le-redhat-linux", "ppc64le"),
            ("amd64-debian-linux", "amd64"),
            ("macos/arm64", "darwin/arm64"),
            ("arm/7", "arm/v7"),
            ("Windows(10.0.17763)/x86_64", "windows(10.0.17763)/amd64"),
            ("Linux", "linux"),
        ] {
            let choice = PlatformChoice::parse(word).unwrap();
            assert_eq!(choice.to_string(), name, "{word}");
            assert_eq!(PlatformChoice::parse(name).unwrap(), choice, "{name}");
        }
    }

    #[test]
    fn an_unknown_word_is_refused_with_the_nearest() {
        let long = PlatformChoice::parse(&"x".repeat(1_000_000)).unwrap_err();
        assert!(long.to_string().len() < 1000);
        for (word, said) in [
            (
                "amd46",
                "`amd46` is not a valid architecture: did you mean `amd64`?",
            ),
            ("arm46", "did you mean `arm64`?"),
            ("aarch46", "did you mean `aarch64`?"),
            ("linux/s309x", "did you mean `s390x`?"),
            (
                "lunix/amd64",
                "`lunix` is not a known operating system; did you mean `linux`?",
            ),
            ("windwos/amd64", "did you mean `windows`?"),
            ("windwos", "did you mean `windows`?"),
            ("zzz", "expected a name such as `amd64`"),
            ("all", "omit it to copy all platforms"),
            ("linux/arm/vv7", "`vv7` is not a known variant"),
        ] {
            let error = PlatformChoice::parse(word).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
            // What an earlier version stored is still accepted.
            assert!(PlatformChoice::parse_stored(word).is_ok(), "{word}");
        }
    }
}
