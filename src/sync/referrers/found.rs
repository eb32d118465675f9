//! What refers to a manifest at its source.

use crate::oci::registry::referrer::MOST_REFERRERS;
use crate::oci::types::referrer_tag::{ReferrerTag, fallback_tag};
use crate::oci::{Descriptor, Digest, Manifest, Reference, Tag};
use crate::sync::copy::ladder::Route;
use crate::sync::error::SyncError;
use crate::text::counted;

use super::tags::ReferrerTags;

/// What refers to a manifest.
#[derive(Default)]
pub(super) struct Found {
    /// By its digest.
    pub(super) manifests: Vec<Descriptor>,
    /// What cosign keeps under tags.
    pub(super) tags: Vec<(ReferrerTag, Tag)>,
    /// Why some of it isn't known.
    pub(super) warnings: Vec<String>,
}

impl Found {
    pub(super) fn count(&self) -> usize {
        self.manifests.len() + self.tags.len()
    }
}

/// Asks the source: the referrers API, the index under the fallback tag, cosign's tags. An index is
/// read even beside an API, since it may be older than that.
pub(super) async fn find(
    route: &Route,
    subject: &Digest,
    tags: &ReferrerTags,
) -> Result<Found, SyncError> {
    let (from, source) = (&route.from, &route.source);
    let named = || Reference::Digest(subject.clone()).on(source);
    let existing = tags.get(from, source).await?;
    let mut found = Found::default();
    let mut is_cut = false;
    let listing = from.referrers(source, subject).await;
    if let Some(listing) = listing.map_err(SyncError::Source)? {
        if listing.dropped.count > 0 {
            found.warnings.push(format!(
                "`{}`: {} in its list of referrers: not a valid descriptor, and skipped",
                named(),
                counted(listing.dropped.count as u64, "unusable item"),
            ));
        }
        is_cut |= listing.is_cut;
        found.manifests = listing.entries;
    }
    if existing.contains(fallback_tag(subject).as_str()) {
        let index = from.referrer_index(source, subject).await;
        let index = index.map_err(SyncError::Source)?;
        let entries = index.as_ref().map_or(&[][..], Manifest::children);
        is_cut |= entries.len() > MOST_REFERRERS;
        let first = entries.iter().take(MOST_REFERRERS).cloned();
        found.manifests.extend(first.map(Descriptor::bare));
    }
    if is_cut {
        found.warnings.push(format!(
            "`{}` has more than {MOST_REFERRERS} referrers; the others are not copied",
            named()
        ));
    }
    let cosign = ReferrerTag::COSIGN.map(|kind| (kind, kind.of(subject)));
    let cosign = cosign.into_iter();
    found.tags = cosign
        .filter(|(_, tag)| existing.contains(tag.as_str()))
        .collect();
    Ok(found)
}
