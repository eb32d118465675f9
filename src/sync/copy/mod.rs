//! How one tag is copied.
//!
//! - `compare`: looks at both ends: unchanged, new, updated, blocked.
//! - `chosen`: which of an image's platforms are wanted.
//! - `ladder`: brings what is missing, the cheapest way first.
//! - `once`: one writer for each blob; `manifest_writes`: no index is written while one of its children is.
//! - `missing_platforms`: items none of whose tags has a chosen platform; `unreachable`: registries that a run has given up.

pub(in crate::sync) mod chosen;
pub(in crate::sync) mod compare;
pub(in crate::sync) mod ladder;
pub(in crate::sync) mod manifest_writes;
pub(in crate::sync) mod missing_platforms;
pub(in crate::sync) mod once;
pub(in crate::sync) mod unreachable;
