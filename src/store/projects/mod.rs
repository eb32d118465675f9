//! What is copied from where to where.
//!
//! - [`project`]: sync projects; [`item`]: their items; [`synced_tag`]: the tags copied for them.
//! - [`catalogue`]: the repositories of items that name them by pattern, run by run.
//! - [`kept_plan`]: plans that can be run later; [`kept_action`]: what they say of each tag.
//! - [`written_tag`]: the tags that each project wrote, which it may delete; [`needed_tag`]: those that
//!   others need.
//! - [`write_intent`]: what a run is about to write or delete.
//! - [`index_lease`]: who is writing an index of referrers.

pub mod catalogue;
pub mod index_lease;
pub mod item;
pub mod kept_action;
pub mod kept_plan;
pub mod needed_tag;
pub mod project;
pub mod synced_tag;
pub mod write_intent;
pub mod written_tag;
