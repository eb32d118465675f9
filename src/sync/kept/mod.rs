//! What a run of a kept plan does: exactly the plan's copies and deletes, by digest.
//!
//! - [`digests`]: what the plan says of a tag, and what stands against copying it now.
//! - [`record`]: an action of a plan, as it is kept.
//! - [`part`]: the actions that one engine runs, page by page; [`deletes`]: those that delete.

pub mod deletes;
pub mod digests;
pub mod part;
pub mod record;
