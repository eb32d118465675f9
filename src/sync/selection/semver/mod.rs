//! Versions in tags, and the ranges that select them.
//!
//! - [`version`]: what a tag must look like to be a version, and how versions compare.
//! - [`range`]: the range language that users of skopeo and regsync know (Masterminds semver v3), with that
//!   library's behaviour, edge cases too: the same file must pick the same tags here.

pub mod range;
pub mod version;

pub use range::{Range, RangeError};
pub use version::Version;
