//! The action for a candidate: checks both ends with HEADs, and reads a manifest only if platforms are
//! chosen.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use futures_util::StreamExt;

use crate::oci::types::large::offload_if_large;
use crate::oci::types::manifest::Content;
use crate::oci::{Descriptor, Digest, Endpoint, Manifest, Platform, PlatformChoice, Reference};
use crate::text::{NAME, readable};

use super::ladder::CHILDREN;
use crate::sync::error::SyncError;
use crate::sync::input::spec::{KnownTag, KnownTags, LostTags, platforms_text};
use crate::sync::outcome::{Action, MissingPlatforms};
use crate::sync::selection::candidate::Candidate;

/// The result of checking both ends.
#[derive(Debug)]
pub(in crate::sync) struct Comparison {
    pub(in crate::sync) action: Action,
    pub(in crate::sync) reason: String,
    /// The source's digest.
    pub(in crate::sync) source_digest: Option<Digest>,
    /// The target's current digest.
    pub(in crate::sync) present: Option<Digest>,
    /// The target's intended digest; for a reduced index it differs from the source's.
    pub(in crate::sync) wanted: Option<Wanted>,
    /// Chosen platforms that the image lacks.
    pub(in crate::sync) lack: Option<MissingPlatforms>,
    /// Whether the target's content is known to be damaged.
    pub(in crate::sync) is_lost: bool,
}

/// The manifest to write, as far as it is known already.
#[derive(Debug)]
pub(in crate::sync) struct Wanted {
    pub(in crate::sync) digest: Digest,
    /// Set where the manifest had to be read for the comparison.
    pub(in crate::sync) manifest: Option<Manifest>,
    /// The children to copy; `None`: all.
    pub(in crate::sync) children: Option<HashSet<Digest>>,
}

/// The target of a comparison, and what is known from earlier runs.
pub(in crate::sync) struct Ends<'a> {
    pub(in crate::sync) target: &'a Endpoint,
    pub(in crate::sync) known: &'a KnownTags,
    pub(in crate::sync) lost: &'a LostTags,
}

impl Ends<'_> {
    pub(in crate::sync) async fn compare(
        &self,
        candidate: &Candidate,
    ) -> Result<Comparison, SyncError> {
        let comparison = self.compare_digests(candidate).await?;
        let is_lost = comparison.wanted.is_some() && self.lost.contains(&place(candidate));
        if !is_lost || !matches!(comparison.action, Action::Skip) {
            return Ok(Comparison {
                is_lost,
                ..comparison
            });
        }
        Ok(Comparison {
            action: Action::Update,
            reason: "the target has the same digest, but a check found something of it missing"
                .into(),
            is_lost,
            ..comparison
        })
    }

    async fn compare_digests(&self, candidate: &Candidate) -> Result<Comparison, SyncError> {
        if let Some(reason) = &candidate.blocked {
            return Ok(Comparison::stop(Action::Blocked, reason.clone()));
        }
        let (source, present) = tokio::join!(
            candidate
                .from
                .manifest_head(&candidate.source, &candidate.reference),
            self.present(candidate),
        );
        let Some(head) = source.map_err(SyncError::Source)? else {
            return match candidate.rivals.first() {
                // Copying the other one would hide that this one is missing.
                Some(rival) => Ok(Comparison::stop(
                    Action::Blocked,
                    is_missing(candidate, rival, candidate),
                )),
                None => Err(SyncError::NotFound {
                    host: candidate.from.host().to_owned(),
                    reference: candidate.reference.on(&candidate.source),
                }),
            };
        };
        let source = head.digest;
        let present = present?;
        if let Some(reason) = self.rival(candidate, &source).await? {
            return Ok(Comparison {
                source_digest: Some(source),
                ..Comparison::stop(Action::Blocked, reason)
            });
        }
        if candidate.architectures.is_empty() {
            let wanted = Wanted::whole(source.clone());
            return Ok(Comparison::of(source, present, wanted));
        }
        if let Some(known) = self.known(candidate, &source, present.as_ref()) {
            let wanted = present.clone().unwrap_or_else(|| source.clone());
            let lack = Some(known.lack.clone()).filter(|words| !words.is_empty());
            return Ok(Comparison {
                lack: lack.map(|words| MissingPlatforms {
                    is_all: false,
                    words,
                }),
                ..Comparison::of(source, present, Wanted::whole(wanted))
            });
        }
        match self.chosen(candidate, &source).await? {
            Chosen::Some {
                wanted,
                lack: words,
            } => {
                let lacks_child = self
                    .lacks_child(candidate, &wanted, present.as_ref())
                    .await?;
                let mut comparison = Comparison::of(source, present, *wanted);
                if lacks_child {
                    comparison.action = Action::Update;
                    comparison.reason =
                        "the target has this index without some of the platforms".into();
                }
                comparison.lack = words.map(|words| MissingPlatforms {
                    is_all: false,
                    words,
                });
                Ok(comparison)
            }
            Chosen::None(words) => Ok(Comparison {
                source_digest: Some(source),
                present,
                lack: Some(MissingPlatforms {
                    is_all: true,
                    words: words.clone(),
                }),
                ..Comparison::stop(Action::Skip, words)
            }),
        }
    }

    /// The target's digest under the tag. One that looks damaged for a moment, because of another
    /// tag's write, is requested again.
    async fn present(&self, candidate: &Candidate) -> Result<Option<Digest>, SyncError> {
        let (repository, reference) = (&candidate.target, &candidate.reference);
        let mut head = self.target.manifest_head(repository, reference).await;
        if head
            .as_ref()
            .is_err_and(|error| error.status() == Some(400))
        {
            head = self.target.manifest_head(repository, reference).await;
        }
        Ok(head.map_err(SyncError::Target)?.map(|head| head.digest))
    }

    /// Why a candidate that shares its target with others must not be copied.
    async fn rival(
        &self,
        candidate: &Candidate,
        digest: &Digest,
    ) -> Result<Option<String>, SyncError> {
        for rival in &candidate.rivals {
            let head = rival
                .from
                .manifest_head(&rival.source, &rival.reference)
                .await
                .map_err(SyncError::Source)?;
            match head {
                None => return Ok(Some(is_missing(candidate, rival, rival))),
                Some(head) if head.digest != *digest => {
                    return Ok(Some(format!("{}, and differ", both_go(candidate, rival))));
                }
                Some(_) => {}
            }
        }
        Ok(None)
    }

    /// Whether the index with some of its children is there already, but not with all of these.
    async fn lacks_child(
        &self,
        candidate: &Candidate,
        wanted: &Wanted,
        present: Option<&Digest>,
    ) -> Result<bool, SyncError> {
        let Some(children) = &wanted.children else {
            return Ok(false);
        };
        if present != Some(&wanted.digest) {
            return Ok(false);
        }
        let looks: Vec<_> = children
            .iter()
            .map(|child| {
                let (target, repository) = (self.target.clone(), candidate.target.clone());
                let child = Reference::Digest(child.clone());
                async move { target.manifest_head(&repository, &child).await }
            })
            .collect();
        let mut looks = futures_util::stream::iter(looks).buffer_unordered(CHILDREN);
        while let Some(head) = looks.next().await {
            if head.map_err(SyncError::Target)?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What an earlier run wrote there, if nothing has changed since.
    fn known(
        &self,
        candidate: &Candidate,
        source: &Digest,
        present: Option<&Digest>,
    ) -> Option<&KnownTag> {
        let place = place(candidate);
        self.known.get(&place).filter(|known| {
            known.source_digest == *source
                && Some(&known.target_digest) == present
                && known.platforms == platforms_text(&candidate.architectures)
                && !self.lost.contains(&place)
        })
    }

    /// The manifest for the chosen platforms, or why there is nothing to copy.
    async fn chosen(&self, candidate: &Candidate, digest: &Digest) -> Result<Chosen, SyncError> {
        let manifest = candidate.manifest_get(digest).await?;
        if !matches!(manifest.content, Content::Index(_)) {
            return self.chosen_single(candidate, manifest).await;
        }
        let (choice, size) = (Arc::clone(&candidate.architectures), manifest.bytes.len());
        // A digest can't refer to a smaller index: the same one is written, with some children.
        let is_rewritten = !matches!(candidate.reference, Reference::Digest(_));
        let choose = move || index_chosen(manifest, &choice, is_rewritten);
        offload_if_large(size, choose)
            .await
            .map_err(|detail| SyncError::Index {
                reference: candidate.reference.on(&candidate.source),
                detail,
            })
    }

    /// A single-platform image is copied when its platform is chosen; an artifact always.
    async fn chosen_single(
        &self,
        candidate: &Candidate,
        manifest: Manifest,
    ) -> Result<Chosen, SyncError> {
        let mut lack = None;
        if manifest.has_image_config() {
            let config = candidate
                .from
                .image_config(&candidate.source, &manifest)
                .await
                .map_err(SyncError::Source)?;
            let is_missing = |choice: &&PlatformChoice| !choice.matches(&config.platform);
            let choice = &candidate.architectures;
            let missing: Vec<_> = choice.iter().filter(is_missing).cloned().collect();
            if !missing.is_empty() {
                let words = format!(
                    "the image is for `{}`, not for `{}`",
                    readable(&config.platform.to_string(), NAME),
                    platforms_text(&missing)
                );
                if missing.len() == choice.len() {
                    return Ok(Chosen::None(words));
                }
                lack = Some(words);
            }
        }
        Ok(Chosen::Some {
            wanted: Box::new(Wanted::read(manifest, None)),
            lack,
        })
    }
}

/// Target repository and tag, by which is known what was done there.
fn place(candidate: &Candidate) -> (String, String) {
    let tag = candidate.reference.as_str().to_owned();
    (candidate.target.to_string(), tag)
}

impl Wanted {
    fn whole(digest: Digest) -> Self {
        Self {
            digest,
            manifest: None,
            children: None,
        }
    }

    fn read(manifest: Manifest, children: Option<HashSet<Digest>>) -> Self {
        Self {
            digest: manifest.digest.clone(),
            manifest: Some(manifest),
            children,
        }
    }
}

impl Comparison {
    pub(in crate::sync) fn stop(action: Action, reason: String) -> Self {
        Self {
            action,
            reason,
            source_digest: None,
            present: None,
            wanted: None,
            lack: None,
            is_lost: false,
        }
    }

    fn of(source: Digest, present: Option<Digest>, wanted: Wanted) -> Self {
        let (action, reason) = match &present {
            None => (Action::Copy, "not at the target yet".to_owned()),
            Some(present) if *present == wanted.digest => {
                (Action::Skip, "the target has the same digest".to_owned())
            }
            Some(present) => (
                Action::Update,
                format!("the target has another digest, {}", present.short()),
            ),
        };
        Self {
            action,
            reason,
            source_digest: Some(source),
            present,
            wanted: Some(wanted),
            lack: None,
            is_lost: false,
        }
    }
}

/// What of an image is to be copied.
enum Chosen {
    /// This; and which of the chosen platforms it doesn't have, in words.
    Some {
        wanted: Box<Wanted>,
        lack: Option<String>,
    },
    /// Nothing, and why.
    None(String),
}

/// Takes the chosen platforms out of an index. Its time grows with the number of children, no
/// faster. Err: in words, why it can't be made smaller.
fn index_chosen(
    index: Manifest,
    choice: &[PlatformChoice],
    is_rewritten: bool,
) -> Result<Chosen, String> {
    let children = index.children();
    let keep = children_chosen(children, choice);
    let missing: Vec<PlatformChoice> = choice
        .iter()
        .filter(|choice| !images_of(children).any(|(_, platform)| choice.matches(platform)))
        .cloned()
        .collect();
    let lack = (!missing.is_empty()).then(|| {
        let which = if keep.is_empty() { "none" } else { "not all" };
        format!(
            "the index has {which} of the chosen platforms: no `{}`, but {}",
            platforms_text(&missing),
            platforms_of(children),
        )
    });
    if keep.is_empty() {
        return Ok(Chosen::None(lack.unwrap_or_default()));
    }
    let is_whole = children.iter().all(|child| keep.contains(&child.digest));
    let wanted = if is_whole {
        Wanted::read(index, None)
    } else if is_rewritten {
        Wanted::read(index.with_children(&keep)?, None)
    } else {
        Wanted::read(index, Some(keep))
    };
    Ok(Chosen::Some {
        wanted: Box::new(wanted),
        lack,
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

/// Two candidates at odds over a tag of the target.
fn both_go(first: &Candidate, second: &Candidate) -> String {
    let (first, second) = (first.origin(), second.origin());
    format!("`{first}` and `{second}` both go to this tag")
}

fn is_missing(first: &Candidate, second: &Candidate, missing: &Candidate) -> String {
    let both = both_go(first, second);
    format!("{both}, and `{}` is not found", missing.origin())
}

#[cfg(test)]
mod tests {
    use super::{Chosen, index_chosen};
    use crate::oci::{Digest, Manifest, PlatformChoice};
    use std::fmt::Write as _;
    use std::time::{Duration, Instant};

    /// An index of so many children: images for two platforms, each with its attestation.
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
            let Ok(Chosen::Some { wanted, .. }) = index_chosen(all, &choice, true) else {
                panic!("half of them are wanted");
            };
            let kept = wanted.manifest.expect("it was read");
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
