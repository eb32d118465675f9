//! Which of an image is to be copied: all of it, or the chosen platforms of an index.

use std::collections::{BTreeSet, HashSet};

use crate::oci::{Descriptor, Digest, Manifest, Platform, PlatformChoice};
use crate::sync::input::index_mode::platforms_text;
use crate::text::{NAME, counted, readable};

/// The manifest to write, as far as it is known already.
#[derive(Debug)]
pub(in crate::sync) struct TargetManifest {
    pub(in crate::sync) digest: Digest,
    /// Set where the manifest had to be read for the comparison.
    pub(in crate::sync) body: Option<Manifest>,
    /// The children to copy; `None`: all.
    pub(in crate::sync) children: Option<HashSet<Digest>>,
    /// Whether it was made here, so that the source has no such digest.
    pub(in crate::sync) is_made: bool,
}

impl TargetManifest {
    /// As the source has it, unread.
    pub(super) fn whole(digest: Digest) -> Self {
        Self {
            digest,
            body: None,
            children: None,
            is_made: false,
        }
    }

    /// As the source has it.
    pub(super) fn read(manifest: Manifest) -> Self {
        let digest = manifest.digest.clone();
        Self {
            body: Some(manifest),
            ..Self::whole(digest)
        }
    }
}

/// How an index is made smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reduction {
    /// It stays as it is, without some of its children.
    Sparse,
    /// A smaller one is written.
    Rewrite,
    /// The same, or a single image without an index.
    RewriteSingle,
    /// Not at all, since its digest was asked for, and a smaller one.
    Contradiction,
}

/// What of an image is to be copied.
pub(super) enum Chosen {
    /// This.
    Some {
        manifest: Box<TargetManifest>,
        notes: Notes,
    },
    /// This image of the index, without the index.
    Single { image: Descriptor, notes: Notes },
    /// Nothing, and why.
    None(String),
}

/// Words about what is chosen.
pub(super) struct Notes {
    /// Which of the chosen platforms the image doesn't have.
    pub(super) missing: Option<String>,
    /// What is written instead of the whole.
    pub(super) form: Option<String>,
}

/// Takes the chosen platforms out of an index. Its time grows with the number of children, no
/// faster. Err: in words, why it can't be made smaller.
pub(super) fn index_chosen(
    index: Manifest,
    choice: &[PlatformChoice],
    reduction: Reduction,
) -> Result<Chosen, String> {
    let children = index.children();
    let images = images_chosen(children, choice);
    let missing = missing(children, choice, images.is_empty());
    if images.is_empty() {
        return Ok(Chosen::None(missing.unwrap_or_default()));
    }
    let keep = with_attestations(children, &images);
    let platforms = platforms_text(&present(children, choice));
    let some = |manifest, form| Chosen::Some {
        manifest: Box::new(manifest),
        notes: Notes {
            missing: missing.clone(),
            form,
        },
    };
    if reduction == Reduction::RewriteSingle
        && let Some(image) = only_one(children, &images)
    {
        let attestations = keep.len() - images.len();
        let form = single_form(image, attestations as u64);
        let (image, form) = (image.clone(), Some(form));
        return Ok(Chosen::Single {
            image,
            notes: Notes { missing, form },
        });
    }
    if children.iter().all(|child| keep.contains(&child.digest)) {
        return Ok(some(TargetManifest::read(index), None));
    }
    match reduction {
        Reduction::Sparse => {
            let sparse = TargetManifest {
                children: Some(keep),
                ..TargetManifest::read(index)
            };
            let form = format!("the same index with only `{platforms}`");
            Ok(some(sparse, Some(form)))
        }
        Reduction::Rewrite | Reduction::RewriteSingle => {
            let smaller = TargetManifest {
                is_made: true,
                ..TargetManifest::read(index.with_children(&keep)?)
            };
            Ok(some(
                smaller,
                Some(format!("a smaller index with `{platforms}`")),
            ))
        }
        Reduction::Contradiction => Err(format!(
            "the item names this digest, and `index` asks for another one, with only `{platforms}`: \
             use `sparse` for `index`, or name a tag"
        )),
    }
}

fn single_form(image: &Descriptor, attestations: u64) -> String {
    let platform = image.platform.as_ref().map(ToString::to_string);
    let platform = readable(&platform.unwrap_or_default(), NAME);
    let without = match attestations {
        0 => String::new(),
        some => format!(
            ", without {}, which only an index can have",
            counted(some, "attestation")
        ),
    };
    format!("the image for `{platform}` alone{without}")
}

/// The child of the only chosen image.
fn only_one<'a>(children: &'a [Descriptor], images: &HashSet<Digest>) -> Option<&'a Descriptor> {
    if images.len() != 1 {
        return None;
    }
    children.iter().find(|child| images.contains(&child.digest))
}

fn is_there(children: &[Descriptor], choice: &PlatformChoice) -> bool {
    images_of(children).any(|(_, platform)| choice.matches(platform))
}

/// The chosen platforms that the index has.
fn present(children: &[Descriptor], choice: &[PlatformChoice]) -> Vec<PlatformChoice> {
    let there = choice.iter().filter(|one| is_there(children, one));
    there.cloned().collect()
}

/// Which chosen platforms the index doesn't have, and what it has, in words.
fn missing(children: &[Descriptor], choice: &[PlatformChoice], has_none: bool) -> Option<String> {
    let absent = choice.iter().filter(|one| !is_there(children, one));
    let absent: Vec<PlatformChoice> = absent.cloned().collect();
    let has = if has_none { "has none" } else { "lacks some" };
    (!absent.is_empty()).then(|| {
        format!(
            "the index {has} of the chosen platforms (`{}`); it has {}",
            platforms_text(&absent),
            platforms_of(children),
        )
    })
}

/// The children that are images with a named platform; attestations left out.
fn images_of(children: &[Descriptor]) -> impl Iterator<Item = (&Digest, &Platform)> {
    children
        .iter()
        .filter(|child| child.attested().is_none())
        .filter_map(|child| Some((&child.digest, child.platform.as_ref()?)))
}

/// The chosen platforms' children.
fn images_chosen(children: &[Descriptor], choice: &[PlatformChoice]) -> HashSet<Digest> {
    images_of(children)
        .filter(|(_, platform)| choice.iter().any(|choice| choice.matches(platform)))
        .map(|(digest, _)| digest.clone())
        .collect()
}

/// The same with the attestations that belong to them.
fn with_attestations(children: &[Descriptor], images: &HashSet<Digest>) -> HashSet<Digest> {
    let follows = |child: &&Descriptor| {
        let image = child.attested().and_then(|text| Digest::parse(text).ok());
        image.is_some_and(|image| images.contains(&image))
    };
    let following = children.iter().filter(follows);
    let following = following.map(|child| child.digest.clone());
    images.iter().cloned().chain(following).collect()
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
    use super::{Chosen, Reduction, index_chosen};
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
            let Ok(Chosen::Some { manifest, .. }) = index_chosen(all, &choice, Reduction::Rewrite)
            else {
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
