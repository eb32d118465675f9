//! Which manifests of a tag may have referrers: itself, and the children of an index.

use std::collections::HashSet;

use crate::oci::types::large::{MAX_DEPTH, Room};
use crate::oci::{Descriptor, Digest, Endpoint, Error, Manifest, Repository};

/// The digests below `root`, which is at `from`; of its own children only those in `keep`, if given.
pub(super) async fn children(
    (from, repository): (&Endpoint, &Repository),
    root: &Manifest,
    keep: Option<&HashSet<Digest>>,
) -> Result<HashSet<Digest>, Error> {
    let is_kept = |child: &&Descriptor| keep.is_none_or(|keep| keep.contains(&child.digest));
    let mut found = HashSet::new();
    let mut open: Vec<(Descriptor, usize)> = Vec::new();
    let mut take = |children: Vec<Descriptor>, depth, open: &mut Vec<_>| {
        for child in children {
            let is_index = child.media_type.ends_with("index.v1+json")
                || child.media_type.ends_with("manifest.list.v2+json");
            if found.insert(child.digest.clone()) && is_index && depth < MAX_DEPTH {
                open.push((child, depth));
            }
        }
    };
    let own = root.children().iter().filter(is_kept).cloned().collect();
    take(own, 1, &mut open);
    while let Some((child, depth)) = open.pop() {
        let place = Room::take(child.size, depth).await;
        let index = from.child_get(repository, &child, place).await?;
        take(index.children().to_vec(), depth + 1, &mut open);
    }
    Ok(found)
}
