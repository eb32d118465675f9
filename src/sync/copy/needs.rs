//! What a manifest needs at the target, for a plan.

use futures_util::StreamExt;
use indexmap::IndexMap;

use super::chosen::TargetManifest;
use super::ladder::CHILDREN;
use crate::oci::types::large::Room;
use crate::oci::types::manifest::Content;
use crate::oci::{Descriptor, Digest, Manifest};
use crate::sync::error::SyncError;
use crate::sync::selection::candidate::Candidate;

/// A sum of sizes from a source, which may have invented them large enough to overflow.
pub(in crate::sync) fn total(sizes: impl Iterator<Item = u64>) -> u64 {
    sizes.fold(0, u64::saturating_add)
}

/// The manifest to write.
pub(in crate::sync) async fn root_get(
    candidate: &Candidate,
    manifest: &TargetManifest,
) -> Result<Manifest, SyncError> {
    match &manifest.body {
        Some(manifest) => Ok(manifest.clone()),
        None => candidate.manifest_get(&manifest.digest).await,
    }
}

/// All blobs that a manifest needs, each once.
pub(in crate::sync) async fn needs(
    candidate: &Candidate,
    manifest: &TargetManifest,
    root: &Manifest,
) -> Result<Vec<(Digest, u64)>, SyncError> {
    if matches!(root.content, Content::Schema1) {
        return Err(SyncError::Schema1 {
            reference: candidate.reference.on(&candidate.source),
        });
    }
    let chosen = |child: &&Descriptor| match &manifest.children {
        Some(keep) => keep.contains(&child.digest),
        None => true,
    };
    let mut blobs = Blobs::default();
    blobs.take(root);
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
                let mut blobs = Blobs::default();
                blobs.take(&child.map_err(SyncError::Source)?);
                Ok::<_, SyncError>(blobs)
            }
        })
        .collect();
    let mut children = futures_util::stream::iter(looks).buffered(CHILDREN);
    while let Some(child) = children.next().await {
        blobs.0.extend(child?.0);
    }
    Ok(blobs.0.into_iter().collect())
}

/// Blobs with their bytes, each once.
#[derive(Default)]
struct Blobs(IndexMap<Digest, u64>);

impl Blobs {
    fn take(&mut self, manifest: &Manifest) {
        for blob in manifest.blobs() {
            self.0.entry(blob.digest.clone()).or_insert(blob.size);
        }
    }
}
