//! Which of an image is to be copied: all of it, or the chosen platforms of an index.

use std::collections::{BTreeSet, HashSet};

use crate::oci::{Descriptor, Digest, Manifest, Platform, PlatformChoice};
use crate::sync::input::spec::platforms_text;
use crate::text::{NAME, readable};

/// The manifest to write, as far as it is known already.
#[derive(Debug)]
pub(in crate::sync) struct TargetManifest {
    pub(in crate::sync) digest: Digest,
    /// Set where the manifest had to be read for the comparison.
    pub(in crate::sync) body: Option<Manifest>,
    /// The children to copy; `None`: all.
    pub(in crate::sync) children: Option<HashSet<Digest>>,
}

impl TargetManifest {
    /// As the source has it, unread.
    pub(super) fn whole(digest: Digest) -> Self {
        Self {
            digest,
            body: None,
            children: None,
        }
    }

    /// This one; of an index perhaps only some children.
    pub(super) fn read(manifest: Manifest, children: Option<HashSet<Digest>>) -> Self {
        Self {
            digest: manifest.digest.clone(),
            body: Some(manifest),
            children,
        }
    }
}

/// What of an image is to be copied.
pub(super) enum Chosen {
    /// This; and which of the chosen platforms it doesn't have, in words.
    Some {
        manifest: Box<TargetManifest>,
        missing: Option<String>,
    },
    /// Nothing, and why.
    None(String),
}

/// Takes the chosen platforms out of an index. Its time grows with the number of children, no
/// faster. Err: in words, why it can't be made smaller.
pub(super) fn index_chosen(
    index: Manifest,
    choice: &[PlatformChoice],
    is_rewritten: bool,
) -> Result<Chosen, String> {
    let children = index.children();
    let keep = children_chosen(children, choice);
    let absent: Vec<PlatformChoice> = choice
        .iter()
        .filter(|choice| !images_of(children).any(|(_, platform)| choice.matches(platform)))
        .cloned()
        .collect();
    let missing = (!absent.is_empty()).then(|| {
        let has = if keep.is_empty() {
            "has none"
        } else {
            "lacks some"
        };
        format!(
            "the index {has} of the chosen platforms (`{}`); it has {}",
            platforms_text(&absent),
            platforms_of(children),
        )
    });
    if keep.is_empty() {
        return Ok(Chosen::None(missing.unwrap_or_default()));
    }
    let is_whole = children.iter().all(|child| keep.contains(&child.digest));
    let manifest = if is_whole {
        TargetManifest::read(index, None)
    } else if is_rewritten {
        TargetManifest::read(index.with_children(&keep)?, None)
    } else {
        TargetManifest::read(index, Some(keep))
    };
    Ok(Chosen::Some {
        manifest: Box::new(manifest),
        missing,
    })
}

/// The children that are images with a named platform; attestations left out.
fn images_of(children: &[Descriptor]) -> impl Iterator<Item = (&Digest, &Platform)> {
    children
        .iter()
        .filter(|child| child.attested().is_none())
        .filter_map(|child| Some((&child.digest, child.platform.as_ref()?)))
}

/// The chosen platforms' children, with the attestations that belong to them.
fn children_chosen(children: &[Descriptor], choice: &[PlatformChoice]) -> HashSet<Digest> {
    let images: HashSet<Digest> = images_of(children)
        .filter(|(_, platform)| choice.iter().any(|choice| choice.matches(platform)))
        .map(|(digest, _)| digest.clone())
        .collect();
    let follows = |child: &&Descriptor| {
        let image = child.attested().and_then(|text| Digest::parse(text).ok());
        image.is_some_and(|image| images.contains(&image))
    };
    let following: Vec<Digest> = children
        .iter()
        .filter(follows)
        .map(|child| child.digest.clone())
        .collect();
    let mut keep = images;
    keep.extend(following);
    keep
}

/// Platforms of an index that a sentence names.
const PLATFORMS_NAMED: usize = 20;

fn platforms_of(children: &[Descriptor]) -> String {
    let names: BTreeSet<String> = images_of(children)
        .map(|(_, platform)| readable(&platform.to_string(), NAME))
        .collect();
    if names.is_empty() {
        return "no named platform at all".into();
    }
    let more = match names.len().saturating_sub(PLATFORMS_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let shown: Vec<String> = names
        .iter()
        .take(PLATFORMS_NAMED)
        .map(|name| format!("`{name}`"))
        .collect();
    shown.join(", ") + &more
}

#[cfg(test)]
mod tests {
    use super::{Chosen, index_chosen};
    use crate::oci::{Digest, Manifest, PlatformChoice};
    use std::fmt::Write as _;
    use std::time::{Duration, Instant};

    /// An index with `children` entries: images for two platforms, each with its attestation.
    fn index(children: usize) -> Manifest {
        let mut text = String::from("{\"schemaVersion\":2,\"manifests\":[");
        for number in 0..children / 2 {
            let image = Digest::of(format!("image {number}").as_bytes());
            let attestation = Digest::of(format!("attestation {number}").as_bytes());
            let platform = ["amd64", "arm64"][number % 2];
            let comma = if number == 0 { "" } else { "," };
            let _ = write!(
                text,
                "{comma}{{\"digest\":\"{image}\",\"size\":1,\"platform\":{{\"os\":\"linux\",\"architecture\":\"{platform}\"}}}},\
                 {{\"digest\":\"{attestation}\",\"size\":1,\"annotations\":{{\"vnd.docker.reference.digest\":\"{image}\"}}}}"
            );
        }
        text.push_str("]}");
        Manifest::parse(text.into(), None).expect("an index")
    }

    /// The least of some tries, so that nothing else on the machine counts.
    fn time_of(children: usize) -> Duration {
        let choice = [PlatformChoice::parse("amd64").expect("a platform")];
        let all = index(children);
        let time = || {
            let (all, began) = (all.clone(), Instant::now());
            let Ok(Chosen::Some { manifest, .. }) = index_chosen(all, &choice, true) else {
                panic!("half of them are wanted");
            };
            let kept = manifest.body.expect("it was read");
            assert_eq!(kept.children().len(), children / 2);
            began.elapsed()
        };
        (0..3).map(|_| time()).min().unwrap_or_default()
    }

    #[test]
    fn choosing_platforms_takes_time_by_the_number_of_children_only() {
        let (few, many) = (time_of(10_000), time_of(80_000));
        // Eight times as long where it grows with the number, 64 times with its square.
        assert!(many < few * 24, "{few:?} and {many:?}");
    }
}
