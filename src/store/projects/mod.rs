//! What is copied from where to where.
//!
//! - [`project`]: sync projects; [`item`]: their items; [`synced_tag`]: the tags copied for them.

pub mod item;
pub mod project;
pub mod synced_tag;
