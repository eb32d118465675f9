//! What a run of a kept plan does: exactly the plan's copies, by digest.
//!
//! - [`digests`]: what the plan says of a tag, and what stands against copying it now.
//! - [`record`]: an action of a plan, as it is kept.
//! - [`part`]: the actions that one engine copies, page by page.

pub mod digests;
pub mod part;
pub mod record;
