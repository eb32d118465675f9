//! Whether a tag that seems to have left its source is still there.

use super::settings::WrittenTag;
use crate::oci::{Endpoint, Reference, Repository, Tag};

/// Whether the source has what was written. Err: why that isn't known.
pub(in crate::sync) async fn is_at_source(
    written: &WrittenTag,
    source: &Endpoint,
) -> Result<bool, String> {
    let (origin, tag) = (&written.source, &written.source_tag);
    let unknown = |why: String| format!("`{origin}:{tag}` can't be checked: {why}");
    let path = origin.strip_prefix(source.host());
    let path = path.and_then(|rest| rest.strip_prefix('/'));
    let Some(path) = path else {
        return Err(unknown("it is at another registry".to_owned()));
    };
    let repository = Repository::parse(path).map_err(|error| unknown(error.to_string()))?;
    let reference = Tag::parse(tag).map_err(|error| unknown(error.to_string()))?;
    let reference = Reference::Tag(reference);
    let head = source.manifest_head(&repository, &reference).await;
    Ok(head.map_err(|error| unknown(error.to_string()))?.is_some())
}
