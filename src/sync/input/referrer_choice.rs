//! Which referrers are copied with an image: signatures, SBOMs, attestations.

use crate::oci::NameError;
use crate::oci::types::referrer_tag::ReferrerTag;

/// The word for all of them.
const ALL: &str = "all";

/// Which referrers are copied with an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ReferrerChoice {
    /// None.
    #[default]
    None,
    /// All.
    All,
    /// Those of these artifact types; `signature`, `attestation` and `sbom` stand for the tags that
    /// cosign writes.
    Types(Vec<String>),
}

impl ReferrerChoice {
    /// Parses a list of words: none, `all`, or artifact types.
    pub fn parse<W: AsRef<str>>(words: &[W]) -> Result<Self, NameError> {
        let mut types: Vec<String> = Vec::new();
        for word in words.iter().map(AsRef::as_ref) {
            let is_known = word == ALL || cosign(word).is_some() || is_media_type(word);
            if !is_known {
                return Err(NameError::new(
                    "kind of referrer",
                    word,
                    "expected `all`, `signature`, `attestation`, `sbom`, or an artifact type such as \
                     `application/spdx+json`",
                ));
            }
            types.push(word.to_owned());
        }
        types.sort();
        types.dedup();
        Ok(match types.as_slice() {
            [] => Self::None,
            some if some.iter().any(|word| word == ALL) => Self::All,
            _ => Self::Types(types),
        })
    }

    /// The words that [`ReferrerChoice::parse`] takes.
    pub fn words(&self) -> Vec<String> {
        match self {
            Self::None => Vec::new(),
            Self::All => vec![ALL.to_owned()],
            Self::Types(types) => types.clone(),
        }
    }

    /// Whether nothing is copied.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Whether the artifact type of each referrer matters.
    pub(in crate::sync) fn is_by_type(&self) -> bool {
        matches!(self, Self::Types(_))
    }

    /// Whether referrers of this artifact type are copied.
    pub(in crate::sync) fn wants(&self, artifact_type: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Types(types) => types.iter().any(|word| word == artifact_type),
        }
    }

    /// Whether what is under a tag of this kind is copied; an index only brings its entries.
    pub(in crate::sync) fn wants_tag(&self, kind: ReferrerTag) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Types(types) => {
                kind == ReferrerTag::Index || types.iter().any(|word| cosign(word) == Some(kind))
            }
        }
    }
}

/// The kind of cosign's tags that a word stands for.
fn cosign(word: &str) -> Option<ReferrerTag> {
    match word {
        "signature" => Some(ReferrerTag::Signature),
        "attestation" => Some(ReferrerTag::Attestation),
        "sbom" => Some(ReferrerTag::Sbom),
        _ => None,
    }
}

/// `type/subtype`, each a name as in RFC 6838, section 4.2.
fn is_media_type(text: &str) -> bool {
    let is_name = |name: &str| {
        let mut bytes = name.bytes();
        bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
            && bytes.all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
            && name.len() <= 127
    };
    text.split_once('/')
        .is_some_and(|(kind, subtype)| is_name(kind) && is_name(subtype))
}

#[cfg(test)]
mod tests {
    use super::ReferrerChoice;
    use crate::oci::types::referrer_tag::ReferrerTag;

    #[test]
    fn words() {
        let parse = |words: &[&str]| ReferrerChoice::parse(words).unwrap();
        assert_eq!(parse(&[]), ReferrerChoice::None);
        assert_eq!(parse(&["sbom", "all"]), ReferrerChoice::All);
        let some = parse(&["signature", "application/spdx+json", "signature"]);
        assert_eq!(some.words(), ["application/spdx+json", "signature"]);
        assert!(some.wants("application/spdx+json") && !some.wants("a/b"));
        assert!(some.wants_tag(ReferrerTag::Signature) && !some.wants_tag(ReferrerTag::Sbom));
        for bad in [
            "",
            "sig",
            "a/",
            "/b",
            "a/b/c",
            "a b/c",
            "application/spdx json",
        ] {
            let error = ReferrerChoice::parse(&[bad]).unwrap_err().to_string();
            assert!(error.contains("`signature`"), "{error}");
        }
    }
}
