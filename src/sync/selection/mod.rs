//! Which repositories and which of their tags are selected, and why.
//!
//! - `finding`: lists the tags of an item and selects; `candidate`: a selected tag; `naming`: their tags
//!   at the target; `reading`: what is read of them at the source.
//! - [`resolve`]: the selected tags of one repository.
//! - [`repositories`]: the repositories of an item that names them by pattern.
//! - [`selector_spec`]: the selectors of one item as they are written down; [`select`] applies them;
//!   [`newest`]: which of them are recent enough.
//! - [`pattern`]: regular expressions in Go's and Python's syntax; [`semver`]: version ranges;
//!   [`natural`]: order of tags.
//! - [`verdict`]: whether a tag is selected, and why; `tag_name`: valid entries of a list of tags.

pub(in crate::sync) mod candidate;
pub(in crate::sync) mod finding;
mod naming;
pub mod natural;
pub mod newest;
pub mod pattern;
mod reading;
pub mod repositories;
pub mod resolve;
pub mod select;
pub mod selector_spec;
pub mod semver;
pub(in crate::sync) mod tag_name;
pub mod verdict;
