//! Platforms (`os/architecture[/variant]`) and the choice among them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::NameError;

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
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// One wanted platform: `arm64`, `linux/arm64` or `linux/arm64/v8`. Parts not given match anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformChoice {
    os: Option<String>,
    architecture: String,
    variant: Option<String>,
}

impl PlatformChoice {
    /// Reads `[os/]architecture[/variant]`. Two parts are `os/architecture`, unless the second one
    /// is a variant (`arm/v7`).
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let fail = || {
            NameError::new(
                "architecture",
                text,
                "expected `arm64`, `linux/arm64` or `linux/arm64/v8`",
            )
        };
        let word = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        };
        let parts: Vec<&str> = text.split('/').collect();
        if !parts.iter().all(word) {
            return Err(fail());
        }
        let (os, architecture, variant) = match parts[..] {
            [architecture] => (None, architecture, None),
            [architecture, variant] if is_variant(variant) => (None, architecture, Some(variant)),
            [os, architecture] => (Some(os), architecture, None),
            [os, architecture, variant] => (Some(os), architecture, Some(variant)),
            _ => return Err(fail()),
        };
        Ok(Self {
            os: os.map(str::to_owned),
            architecture: architecture.to_owned(),
            variant: variant.map(str::to_owned),
        })
    }

    /// Whether `platform` is wanted. `arm64` without variant is the same as `arm64/v8`.
    pub fn matches(&self, platform: &Platform) -> bool {
        let variant_of = |architecture: &str, variant: Option<&str>| match (architecture, variant) {
            ("arm64", None) => Some("v8".to_owned()),
            (_, variant) => variant.map(str::to_owned),
        };
        let variant = variant_of(&platform.architecture, platform.variant.as_deref());
        self.os.as_ref().is_none_or(|os| *os == platform.os)
            && self.architecture == platform.architecture
            && self
                .variant
                .as_ref()
                .is_none_or(|wanted| Some(wanted) == variant.as_ref())
    }
}

fn is_variant(text: &str) -> bool {
    text.strip_prefix('v')
        .is_some_and(|rest| rest.bytes().next().is_some_and(|b| b.is_ascii_digit()))
}

impl fmt::Display for PlatformChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(os) = &self.os {
            write!(f, "{os}/")?;
        }
        f.write_str(&self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices() {
        let platform = |os: &str, architecture: &str, variant: Option<&str>| Platform {
            os: os.into(),
            architecture: architecture.into(),
            variant: variant.map(Into::into),
        };
        for (choice, platform, wanted) in [
            ("arm64", platform("linux", "arm64", None), true),
            ("arm64", platform("linux", "arm64", Some("v8")), true),
            ("linux/arm64/v8", platform("linux", "arm64", None), true),
            ("arm/v7", platform("linux", "arm", Some("v7")), true),
            ("arm/v7", platform("linux", "arm", Some("v6")), false),
            ("arm", platform("linux", "arm", Some("v6")), true),
            ("windows/amd64", platform("linux", "amd64", None), false),
            ("amd64", platform("windows", "amd64", None), true),
        ] {
            assert_eq!(
                PlatformChoice::parse(choice).unwrap().matches(&platform),
                wanted,
                "{choice} {platform}"
            );
        }
        for bad in ["", "/", "a/b/c/d", "a//b", "arm 64"] {
            assert!(PlatformChoice::parse(bad).is_err(), "{bad}");
        }
    }
}
