//! What is copied from where to where.
//!
//! - [`project`]: sync projects; [`item`]: their items; [`synced_tag`]: the tags copied for them.
//! - [`written_tag`]: the tags that each project wrote, which it may delete.
//! - [`index_lease`]: who is writing an index of referrers.

pub mod index_lease;
pub mod item;
pub mod project;
pub mod synced_tag;
pub mod written_tag;
