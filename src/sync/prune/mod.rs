//! Deleting at the target what the project wrote and no longer wants: at the end of each target
//! repository, after all copies.
//!
//! - [`settings`]: the project's rules, and what it wrote; `look`: what was seen of a source.
//! - `decide`: what goes and what forbids it, without requests; `place`: makes the requests that this
//!   needs, for a run and for a plan alike; `sights`: what a run or a plan knows of each place;
//!   `source_tag`: whether a tag has really left its source.
//! - `deleter`: what deleting needs, and how it tells; `delete`: what goes by tag and what by digest;
//!   `delete_request`: the requests; `neighbours`: the tags and indexes that need the same manifest.
//! - [`gate`]: whether a run may still delete; `run`: all of that at the end of a run.

pub(in crate::sync) mod decide;
pub(in crate::sync) mod delete;
mod delete_request;
pub(in crate::sync) mod deleter;
pub mod gate;
pub(in crate::sync) mod look;
mod neighbours;
pub(in crate::sync) mod place;
pub(in crate::sync) mod run;
pub mod settings;
pub(in crate::sync) mod sights;
pub(in crate::sync) mod source_tag;
