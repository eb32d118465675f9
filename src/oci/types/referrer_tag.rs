//! Tags that belong to the manifest whose digest they name: the fallback tag of its referrers, and
//! the tags that cosign writes.
//!
//! Source: OCI distribution specification 1.1, "Referrers Tag Schema"; cosign's signature
//! specification, "Discovery".

use super::digest::Digest;
use super::reference::Tag;

/// The longest part of a digest's hex in such a tag.
const HEX: usize = 64;

/// What a tag of this kind holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReferrerTag {
    /// An index of all referrers.
    Index,
    /// cosign's signatures: `.sig`.
    Signature,
    /// cosign's attestations: `.att`.
    Attestation,
    /// cosign's SBOM: `.sbom`.
    Sbom,
}

impl ReferrerTag {
    /// The tags that cosign writes.
    pub const COSIGN: [Self; 3] = [Self::Signature, Self::Attestation, Self::Sbom];

    fn end(self) -> &'static str {
        match self {
            Self::Index => "",
            Self::Signature => ".sig",
            Self::Attestation => ".att",
            Self::Sbom => ".sbom",
        }
    }

    /// The tag of this kind for `subject`.
    pub fn of(self, subject: &Digest) -> Tag {
        let (algorithm, hex) = subject.as_str().split_once(':').unwrap_or_default();
        Tag::built(&format!("{algorithm}-{hex:.HEX$}{}", self.end()))
    }

    /// The kind of a tag; `None` for an ordinary tag.
    pub fn parse(tag: &str) -> Option<Self> {
        let (algorithm, rest) = tag.split_once('-')?;
        let (hex, end) = rest.split_at_checked(HEX)?;
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if !matches!(algorithm, "sha256" | "sha512") || !hex.bytes().all(is_hex) {
            return None;
        }
        let all = [Self::Index].into_iter().chain(Self::COSIGN);
        all.into_iter().find(|kind| kind.end() == end)
    }
}

/// The tag under which the index of the subject's referrers is.
pub fn fallback_tag(subject: &Digest) -> Tag {
    ReferrerTag::Index.of(subject)
}

#[cfg(test)]
mod tests {
    use super::{ReferrerTag, fallback_tag};
    use crate::oci::Digest;

    #[test]
    fn a_tag_names_its_kind_and_an_ordinary_one_none() {
        let subject = Digest::of(b"x");
        let hex = &subject.as_str()["sha256:".len()..];
        assert_eq!(fallback_tag(&subject).as_str(), format!("sha256-{hex}"));
        assert_eq!(
            ReferrerTag::Sbom.of(&subject).as_str(),
            format!("sha256-{hex}.sbom")
        );
        for kind in [
            ReferrerTag::Index,
            ReferrerTag::Signature,
            ReferrerTag::Attestation,
        ] {
            assert_eq!(ReferrerTag::parse(kind.of(&subject).as_str()), Some(kind));
        }
        let long = Digest::parse(&format!("sha512:{}", "a".repeat(128))).unwrap();
        assert_eq!(
            fallback_tag(&long).as_str(),
            format!("sha512-{}", "a".repeat(64))
        );
        for ordinary in [
            "1.0",
            "sha256-abc",
            &format!("sha256-{hex}.other"),
            &format!("sha256-{}", hex.to_uppercase()),
            &format!("md5-{hex}"),
        ] {
            assert_eq!(ReferrerTag::parse(ordinary), None, "{ordinary}");
        }
    }
}
