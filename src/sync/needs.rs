//! What a planned tag needs: its manifests and blobs.

use futures_util::StreamExt;
use indexmap::IndexMap;

use crate::oci::types::large::Room;
use crate::oci::types::manifest::Content;
use crate::oci::{Descriptor, Digest, Manifest};

use super::copy::chosen::TargetManifest;
use super::copy::ladder::CHILDREN;
use super::error::SyncError;
use super::selection::candidate::Candidate;

/// What a manifest needs, each once.
#[derive(Default)]
pub(super) struct Needs {
    /// The manifest itself.
    pub(super) root: Option<Digest>,
    /// The manifests of its platforms.
    pub(super) children: Vec<Digest>,
    /// Its blobs with their bytes.
    pub(super) blobs: IndexMap<Digest, u64>,
}

impl Needs {
    fn take(&mut self, manifest: &Manifest) {
        for blob in manifest.blobs() {
            self.blobs.entry(blob.digest.clone()).or_insert(blob.size);
        }
    }

    /// The bytes of its blobs, which a source may have invented large enough to overflow.
    pub(super) fn bytes(&self) -> u64 {
        self.blobs.values().copied().fold(0, u64::saturating_add)
    }
}

/// The manifest to write.
pub(super) async fn root_get(
    candidate: &Candidate,
    manifest: &TargetManifest,
) -> Result<Manifest, SyncError> {
    match &manifest.body {
        Some(manifest) => Ok(manifest.clone()),
        None => candidate.manifest_get(&manifest.digest).await,
    }
}

/// What a manifest needs.
pub(super) async fn needs_find(
    candidate: &Candidate,
    manifest: &TargetManifest,
    root: &Manifest,
) -> Result<Needs, SyncError> {
    if matches!(root.content, Content::Schema1) {
        return Err(SyncError::Schema1 {
            reference: candidate.reference.on(&candidate.source),
        });
    }
    let chosen = |child: &&Descriptor| match &manifest.children {
        Some(keep) => keep.contains(&child.digest),
        None => true,
    };
    let mut needs = Needs {
        root: Some(root.digest.clone()),
        ..Needs::default()
    };
    needs.take(root);
    let looks: Vec<_> = root
        .children()
        .iter()
        .filter(chosen)
        .map(|child| {
            let (from, source) = (candidate.from.clone(), candidate.source.clone());
            let child = child.clone();
            async move {
                let place = Room::take(child.size, 1).await;
                let child = from.child_get(&source, &child, place).await;
                let mut needs = Needs::default();
                let child = child.map_err(SyncError::Source)?;
                needs.take(&child);
                Ok::<_, SyncError>((child.digest, needs))
            }
        })
        .collect();
    let mut children = futures_util::stream::iter(looks).buffered(CHILDREN);
    while let Some(child) = children.next().await {
        let (digest, of_child) = child?;
        needs.children.push(digest);
        needs.blobs.extend(of_child.blobs);
    }
    Ok(needs)
}
