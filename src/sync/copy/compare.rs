//! The action for a candidate: checks both ends with HEADs, and reads a manifest only if platforms are
//! chosen.

use std::sync::Arc;

use futures_util::StreamExt;

use crate::oci::types::large::{Room, offload_if_large};
use crate::oci::types::manifest::Content;
use crate::oci::{Descriptor, Digest, Endpoint, Manifest, PlatformChoice, Reference};
use crate::text::{NAME, readable};

use super::chosen::{Chosen, Notes, Reduction, TargetManifest, index_chosen};
use super::ladder::CHILDREN;
use super::target_tags::TargetTags;
use crate::sync::error::SyncError;
use crate::sync::input::index_mode::{IndexMode, choice_text, platforms_text};
use crate::sync::input::spec::{KnownTag, KnownTags, LostTags};
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
    pub(in crate::sync) manifest: Option<TargetManifest>,
    /// Chosen platforms that the image lacks.
    pub(in crate::sync) missing: Option<MissingPlatforms>,
    /// Whether the target's content is known to be damaged.
    pub(in crate::sync) is_lost: bool,
}

/// The target of a comparison, and what is known from earlier runs.
pub(in crate::sync) struct Ends<'a> {
    pub(in crate::sync) target: &'a Endpoint,
    pub(in crate::sync) known: &'a KnownTags,
    pub(in crate::sync) lost: &'a LostTags,
    pub(in crate::sync) tags: &'a TargetTags,
}

impl Ends<'_> {
    pub(in crate::sync) async fn compare(
        &self,
        candidate: &Candidate,
    ) -> Result<Comparison, SyncError> {
        let comparison = self.compare_digests(candidate).await?;
        if let Some(planned) = &candidate.planned
            && comparison.action != Action::Blocked
            && let Some(reason) = planned.difference(
                &candidate.place(self.target),
                comparison
                    .manifest
                    .as_ref()
                    .map(|manifest| &manifest.digest),
            )
        {
            return Ok(Comparison {
                source_digest: comparison.source_digest,
                present: comparison.present,
                ..Comparison::stop(Action::Blocked, reason)
            });
        }
        let is_lost = comparison.manifest.is_some() && self.lost.contains(&place(candidate));
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
        let (target, tag) = (&candidate.target, &candidate.target_reference);
        if candidate.rivals.is_empty() && self.tags.lacks(target, tag).await {
            return self.compare_new(candidate).await;
        }
        let (source, present) = tokio::join!(candidate.source_digest(), self.present(candidate));
        if let Ok(present) = &present {
            self.tags.found(present.is_some());
        }
        let source = source?;
        if let Some(planned) = &candidate.planned {
            let (origin, place) = (candidate.origin(), candidate.place(self.target));
            let present = present.clone()?;
            let ends = [(origin, source.as_ref()), (place, present.as_ref())];
            if let Some(reason) = planned.objection(ends) {
                return Ok(Comparison {
                    source_digest: source,
                    present,
                    ..Comparison::stop(Action::Blocked, reason)
                });
            }
        }
        let Some(source) = source else {
            return match candidate.rivals.first() {
                // Copying the other one would hide that this one is missing.
                Some(rival) => Ok(Comparison::stop(
                    Action::Blocked,
                    is_missing(candidate, rival, candidate),
                )),
                None => Err(candidate.not_found()),
            };
        };
        let present = present?;
        if let Some(reason) = self.rival(candidate, &source).await? {
            return Ok(Comparison {
                source_digest: Some(source),
                ..Comparison::stop(Action::Blocked, reason)
            });
        }
        if candidate.is_whole() {
            let manifest = TargetManifest::whole(source.clone());
            return Ok(Comparison::of(source, present, manifest));
        }
        if let Some(known) = self.known(candidate, &source, present.as_ref()) {
            let manifest = present.clone().unwrap_or_else(|| source.clone());
            let manifest = TargetManifest {
                // A single image is the source's, if it is one.
                is_made: manifest != source && candidate.index != Some(IndexMode::RewriteSingle),
                ..TargetManifest::whole(manifest)
            };
            let missing = Some(known.missing.clone()).filter(|words| !words.is_empty());
            return Ok(Comparison {
                missing: missing.map(|words| MissingPlatforms {
                    is_all: false,
                    words,
                }),
                ..Comparison::of(source, present, manifest)
            });
        }
        let manifest = candidate.manifest_get(&source).await?;
        self.compare_chosen(candidate, (source, manifest), present)
            .await
    }

    /// A tag that the target lacks: the source is asked for all of it at once.
    async fn compare_new(&self, candidate: &Candidate) -> Result<Comparison, SyncError> {
        let manifest = candidate.manifest_now().await?;
        let source = manifest.as_ref().map(|manifest| manifest.digest.clone());
        if let Some(planned) = &candidate.planned
            && let Some(reason) = planned.objection([
                (candidate.origin(), source.as_ref()),
                (candidate.place(self.target), None),
            ])
        {
            return Ok(Comparison {
                source_digest: source,
                ..Comparison::stop(Action::Blocked, reason)
            });
        }
        let (Some(source), Some(manifest)) = (source, manifest) else {
            return Err(candidate.not_found());
        };
        if candidate.is_whole() {
            let manifest = TargetManifest::read(manifest);
            return Ok(Comparison::of(source, None, manifest));
        }
        self.compare_chosen(candidate, (source, manifest), None)
            .await
    }

    /// The same where platforms are chosen.
    async fn compare_chosen(
        &self,
        candidate: &Candidate,
        (source, manifest): (Digest, Manifest),
        present: Option<Digest>,
    ) -> Result<Comparison, SyncError> {
        let (manifest, notes) = match self.chosen(candidate, manifest).await? {
            Chosen::Some { manifest, notes } => (*manifest, notes),
            Chosen::Single { image, notes } => {
                let manifest = single(candidate, &image, present.as_ref()).await?;
                (manifest, notes)
            }
            Chosen::None(words) => {
                return Ok(Comparison {
                    source_digest: Some(source),
                    present,
                    missing: Some(MissingPlatforms {
                        is_all: true,
                        words: words.clone(),
                    }),
                    ..Comparison::stop(Action::Skip, words)
                });
            }
        };
        let lacks_child = self.lacks_child(candidate, &manifest, present.as_ref());
        let lacks_child = lacks_child.await?;
        let mut comparison = Comparison::of(source, present, manifest);
        if lacks_child {
            comparison.action = Action::Update;
            comparison.reason = "the target has this index without some of the platforms".into();
        }
        if let (Action::Copy | Action::Update, Some(form)) = (comparison.action, notes.form) {
            comparison.reason = format!("{}; written as {form}", comparison.reason);
        }
        comparison.missing = notes.missing.map(|words| MissingPlatforms {
            is_all: false,
            words,
        });
        Ok(comparison)
    }

    /// The target's digest under the tag. One that looks damaged for a moment, because of another
    /// tag's write, is requested again.
    async fn present(&self, candidate: &Candidate) -> Result<Option<Digest>, SyncError> {
        let (repository, reference) = (&candidate.target, &candidate.target_reference);
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
            match rival.source_digest().await? {
                None => return Ok(Some(is_missing(candidate, rival, rival))),
                Some(other) if other != *digest => {
                    return Ok(Some(format!("{}, and differ", both_go(candidate, rival))));
                }
                Some(_) if !candidate.has_same_platforms(rival) => {
                    let both = both_go(candidate, rival);
                    return Ok(Some(format!("{both}, with different platforms")));
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
        manifest: &TargetManifest,
        present: Option<&Digest>,
    ) -> Result<bool, SyncError> {
        let Some(children) = &manifest.children else {
            return Ok(false);
        };
        if present != Some(&manifest.digest) {
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
                && known.platforms == choice_text(&candidate.architectures, candidate.index)
                && !self.lost.contains(&place)
        })
    }

    /// The manifest for the chosen platforms, or why there is nothing to copy.
    async fn chosen(&self, candidate: &Candidate, manifest: Manifest) -> Result<Chosen, SyncError> {
        if !matches!(manifest.content, Content::Index(_)) {
            return self.chosen_single(candidate, manifest).await;
        }
        let (choice, size) = (Arc::clone(&candidate.architectures), manifest.bytes.len());
        let reduction = reduction(candidate);
        let choose = move || index_chosen(manifest, &choice, reduction);
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
        let mut missing = None;
        if manifest.has_image_config() {
            let config = candidate
                .from
                .image_config(&candidate.source, &manifest)
                .await
                .map_err(SyncError::Source)?;
            // Cosign's signatures have an image's configuration, without a platform.
            let is_artifact = config.platform.is_unnamed();
            let is_missing =
                |choice: &&PlatformChoice| !is_artifact && !choice.matches(&config.platform);
            let choice = &candidate.architectures;
            let absent: Vec<_> = choice.iter().filter(is_missing).cloned().collect();
            if !absent.is_empty() {
                let words = format!(
                    "the image is for `{}`, not for `{}`",
                    readable(&config.platform.to_string(), NAME),
                    platforms_text(&absent)
                );
                if absent.len() == choice.len() {
                    return Ok(Chosen::None(words));
                }
                missing = Some(words);
            }
        }
        Ok(Chosen::Some {
            manifest: Box::new(TargetManifest::read(manifest)),
            notes: Notes {
                missing,
                form: None,
            },
        })
    }
}

/// How the candidate's index is made smaller. A digest can't refer to a smaller index: unless that is
/// asked for, the same one is written, with some children.
fn reduction(candidate: &Candidate) -> Reduction {
    let is_digest = matches!(candidate.reference, Reference::Digest(_));
    match candidate.index {
        Some(IndexMode::Sparse) => Reduction::Sparse,
        None if is_digest => Reduction::Sparse,
        Some(_) if is_digest => Reduction::Contradiction,
        Some(IndexMode::RewriteSingle) => Reduction::RewriteSingle,
        None | Some(IndexMode::Rewrite | IndexMode::Keep) => Reduction::Rewrite,
    }
}

/// An image of an index, which is read unless the target has it.
async fn single(
    candidate: &Candidate,
    image: &Descriptor,
    present: Option<&Digest>,
) -> Result<TargetManifest, SyncError> {
    if present == Some(&image.digest) {
        return Ok(TargetManifest::whole(image.digest.clone()));
    }
    let room = Room::take(image.size, 1).await;
    let child = candidate.from.child_get(&candidate.source, image, room);
    Ok(TargetManifest::read(
        child.await.map_err(SyncError::Source)?,
    ))
}

/// Target repository and tag, by which is known what was done there.
fn place(candidate: &Candidate) -> (String, String) {
    let tag = candidate.target_reference.as_str().to_owned();
    (candidate.target.to_string(), tag)
}

impl Comparison {
    pub(in crate::sync) fn stop(action: Action, reason: String) -> Self {
        Self {
            action,
            reason,
            source_digest: None,
            present: None,
            manifest: None,
            missing: None,
            is_lost: false,
        }
    }

    fn of(source: Digest, present: Option<Digest>, manifest: TargetManifest) -> Self {
        let (action, reason) = match &present {
            None => (Action::Copy, "not at the target yet".to_owned()),
            Some(present) if *present == manifest.digest => {
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
            manifest: Some(manifest),
            missing: None,
            is_lost: false,
        }
    }
}

/// Two candidates conflict over a tag of the target.
fn both_go(first: &Candidate, second: &Candidate) -> String {
    let (first, second) = (first.origin(), second.origin());
    format!("`{first}` and `{second}` both go to this tag")
}

fn is_missing(first: &Candidate, second: &Candidate, missing: &Candidate) -> String {
    let both = both_go(first, second);
    format!("{both}, and `{}` was not found", missing.origin())
}
