//! Commands that need no server.
//!
//! - `sync`: copies; `plan`: shows what it would do; `plan_file`: a plan in a file.
//! - `list_tags`: the tags of a repository, and why each is selected or not.
//! - `job`: what their arguments ask; `source`: converts these to items; `evidence`: the file with what
//!   was asked and done.
//! - `open_writes`: what becomes of tags that are being written when a run is interrupted.
//! - `waiting`: says which registries are waited for.
//! - `cron`: explains a cron line.

pub(in crate::cli) mod cron;
pub(in crate::cli) mod evidence;
pub(in crate::cli) mod job;
pub(in crate::cli) mod list_tags;
pub(in crate::cli) mod open_writes;
pub(in crate::cli) mod plan;
pub(in crate::cli) mod plan_file;
pub(in crate::cli) mod source;
pub(in crate::cli) mod sync;
pub(in crate::cli) mod waiting;
