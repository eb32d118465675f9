//! Referrers: the signatures, SBOMs and attestations of an image, which are copied after its tag.
//!
//! - `subjects`: which manifests of a tag may have some; `found`: what the source has of them;
//!   `tags`: the tags that may hold some.
//! - `walk`: from a subject to all that refers to it, and to what refers to that.
//! - `arrive`: copies what the target lacks; `index`: lists it where the registry doesn't.
//! - `turns`: one source a subject in a run, and one writer of its index in this process; [`lease`]:
//!   over several.
//! - `of_tag`: all of that for one tag.

pub(in crate::sync) mod arrive;
mod found;
mod index;
pub mod lease;
pub(in crate::sync) mod of_tag;
mod subjects;
pub(in crate::sync) mod tags;
mod turns;
pub(in crate::sync) mod walk;
