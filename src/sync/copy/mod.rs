//! How one tag is copied.
//!
//! - `compare`: checks both ends: unchanged, new, updated, blocked.
//! - `chosen`: which platforms of an image are wanted.
//! - `ladder`: copies what is missing, the cheapest way first.
//! - `target_tags`: which tags the target has, by one list instead of many HEADs.
//! - `tag_write`: writes a tag, with a last look at it.
//! - `backup`: keeps what is overwritten.
//! - `once`: one writer for each blob; `manifest_writes`: no index is written while one of its children is.
//! - `missing_platforms`: items none of whose tags has a chosen platform; `unreachable`: registries
//!   that a run has given up.

pub(in crate::sync) mod backup;
pub(in crate::sync) mod chosen;
pub(in crate::sync) mod compare;
pub(in crate::sync) mod ladder;
pub(in crate::sync) mod manifest_writes;
pub(in crate::sync) mod missing_platforms;
pub(in crate::sync) mod once;
pub(in crate::sync) mod tag_write;
pub(in crate::sync) mod target_tags;
pub(in crate::sync) mod unreachable;
