//! What is copied from where to where.
//!
//! - [`project`]: sync projects; [`item`]: their items; [`synced_tag`]: the tags copied for them.
//! - [`index_lease`]: who is writing an index of referrers.

pub mod index_lease;
pub mod item;
pub mod project;
pub mod synced_tag;
