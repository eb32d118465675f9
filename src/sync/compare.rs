//! What is to be done with a candidate: looks at both ends with HEADs, and reads a manifest only
//! where platforms are chosen.

use crate::oci::manifest::Content;
use crate::oci::{Client, Descriptor, Digest, Manifest, Reference};

use super::candidate::Candidate;
use super::error::SyncError;
use super::outcome::Action;
use super::spec::{KnownTags, platforms_text};

/// What a look at both ends found.
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) action: Action,
    pub(super) reason: String,
    /// What the source has under the tag.
    pub(super) source_digest: Option<Digest>,
    /// What the target has under it now.
    pub(super) present: Option<Digest>,
    /// What the target should have; for an index made smaller it differs from the source's.
    pub(super) wanted: Option<Wanted>,
}

/// The manifest to write, as far as it is known already.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) digest: Digest,
    /// Set where the manifest had to be read for the comparison.
    pub(super) manifest: Option<Manifest>,
    /// The children to copy; `None`: all.
    pub(super) children: Option<Vec<Digest>>,
}

/// The target of a comparison, and what is known from before.
pub(super) struct Ends<'a> {
    pub(super) target: &'a Client,
    pub(super) known: &'a KnownTags,
}

impl Ends<'_> {
    pub(super) async fn compare(&self, candidate: &Candidate) -> Result<Comparison, SyncError> {
        if let Some(reason) = &candidate.blocked {
            return Ok(Comparison::stop(Action::Blocked, reason.clone()));
        }
        let (source, present) = tokio::join!(
            candidate
                .from
                .manifest_head(&candidate.source, &candidate.reference),
            self.target
                .manifest_head(&candidate.target, &candidate.reference),
        );
        let source = source
            .map_err(SyncError::Source)?
            .ok_or_else(|| SyncError::NotFound {
                host: candidate.from.host().to_owned(),
                reference: candidate.reference.on(&candidate.source),
            })?
            .digest;
        let present = present.map_err(SyncError::Target)?.map(|head| head.digest);
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
        if self.is_known(candidate, &source, present.as_ref()) {
            let wanted = present.clone().unwrap_or_else(|| source.clone());
            return Ok(Comparison::of(source, present, Wanted::whole(wanted)));
        }
        match self.chosen(candidate, &source).await? {
            Ok(wanted)
                if self
                    .lacks_child(candidate, &wanted, present.as_ref())
                    .await? =>
            {
                Ok(Comparison {
                    action: Action::Update,
                    reason: "the target has this index without some of the platforms".into(),
                    ..Comparison::of(source, present, wanted)
                })
            }
            Ok(wanted) => Ok(Comparison::of(source, present, wanted)),
            Err(reason) => Ok(Comparison {
                source_digest: Some(source),
                present,
                ..Comparison::stop(Action::Skip, reason)
            }),
        }
    }

    /// Why a candidate that shares its place with others may not be copied.
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
            if head.is_some_and(|head| head.digest != *digest) {
                return Ok(Some(format!(
                    "`{}` and `{}` both go to this tag, and differ",
                    candidate.origin(),
                    rival.origin(),
                )));
            }
        }
        Ok(None)
    }

    /// Whether the index with only some of its children is there already, but not all of these.
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
        for child in children {
            let child = Reference::Digest(child.clone());
            let head = self.target.manifest_head(&candidate.target, &child).await;
            if head.map_err(SyncError::Target)?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_known(&self, candidate: &Candidate, source: &Digest, present: Option<&Digest>) -> bool {
        let place = (
            candidate.target.to_string(),
            candidate.reference.as_str().to_owned(),
        );
        self.known.get(&place).is_some_and(|known| {
            known.source_digest == *source
                && Some(&known.target_digest) == present
                && known.platforms == platforms_text(&candidate.architectures)
        })
    }

    /// The manifest for the chosen platforms, or why there is nothing to copy.
    async fn chosen(
        &self,
        candidate: &Candidate,
        digest: &Digest,
    ) -> Result<Result<Wanted, String>, SyncError> {
        let manifest = candidate.manifest_get(digest).await?;
        let names = platforms_text(&candidate.architectures);
        let Content::Index(children) = &manifest.content else {
            return self.chosen_single(candidate, manifest, &names).await;
        };
        let keep = children_chosen(children, candidate);
        if keep.is_empty() {
            return Ok(Err(format!(
                "the index has none of the platforms `{names}`, but {}",
                platforms_of(children),
            )));
        }
        if keep.len() == children.len() {
            return Ok(Ok(Wanted::read(manifest, None)));
        }
        if matches!(candidate.reference, Reference::Digest(_)) {
            // A digest can't hold a smaller index: the same one goes there, with some children.
            return Ok(Ok(Wanted::read(manifest, Some(keep))));
        }
        let smaller = manifest
            .with_children(&keep)
            .map_err(|detail| SyncError::Index {
                reference: candidate.reference.on(&candidate.source),
                detail,
            })?;
        Ok(Ok(Wanted::read(smaller, None)))
    }

    /// A single-platform image is copied when its platform is chosen; an artifact always.
    async fn chosen_single(
        &self,
        candidate: &Candidate,
        manifest: Manifest,
        names: &str,
    ) -> Result<Result<Wanted, String>, SyncError> {
        if manifest.has_image_config() {
            let config = candidate
                .from
                .image_config(&candidate.source, &manifest)
                .await
                .map_err(SyncError::Source)?;
            let chosen = |choice: &crate::oci::PlatformChoice| choice.matches(&config.platform);
            if !candidate.architectures.iter().any(chosen) {
                return Ok(Err(format!(
                    "the image is for `{}`, not for `{names}`",
                    config.platform
                )));
            }
        }
        Ok(Ok(Wanted::read(manifest, None)))
    }
}

impl Wanted {
    fn whole(digest: Digest) -> Self {
        Self {
            digest,
            manifest: None,
            children: None,
        }
    }

    fn read(manifest: Manifest, children: Option<Vec<Digest>>) -> Self {
        Self {
            digest: manifest.digest.clone(),
            manifest: Some(manifest),
            children,
        }
    }
}

impl Comparison {
    pub(super) fn stop(action: Action, reason: String) -> Self {
        Self {
            action,
            reason,
            source_digest: None,
            present: None,
            wanted: None,
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
        }
    }
}

/// The chosen platforms' children, with the attestations that belong to them.
fn children_chosen(children: &[Descriptor], candidate: &Candidate) -> Vec<Digest> {
    let chosen = |child: &&Descriptor| {
        let platform = child.platform.as_ref();
        child.attested().is_none()
            && platform.is_some_and(|p| {
                candidate
                    .architectures
                    .iter()
                    .any(|choice| choice.matches(p))
            })
    };
    let images: Vec<&Digest> = children
        .iter()
        .filter(chosen)
        .map(|child| &child.digest)
        .collect();
    let follows = |child: &Descriptor| {
        child
            .attested()
            .is_some_and(|image| images.iter().any(|digest| digest.as_str() == image))
    };
    children
        .iter()
        .filter(|child| images.contains(&&child.digest) || follows(child))
        .map(|child| child.digest.clone())
        .collect()
}

fn platforms_of(children: &[Descriptor]) -> String {
    let names: Vec<String> = children
        .iter()
        .filter(|child| child.attested().is_none())
        .filter_map(|child| child.platform.as_ref().map(|p| format!("`{p}`")))
        .collect();
    if names.is_empty() {
        "no named platform at all".into()
    } else {
        names.join(", ")
    }
}
