//! Plans that are kept, and run later.
//!
//! - [`make`]: plans a project, and keeps the result page by page; [`show`]: what is kept, and its end.
//! - [`origin`]: what a project was when a plan was made; [`usable`]: whether a plan may be run now.
//! - [`totals`]: the totals of a plan.
//! - [`run`]: what a run of a plan copies.
//! - [`turns`]: how many plans are made at once; `limit`: when the making of one is given up.

pub(super) mod limit;
pub mod make;
pub mod origin;
pub mod run;
pub mod show;
pub mod totals;
pub mod turns;
pub mod usable;
