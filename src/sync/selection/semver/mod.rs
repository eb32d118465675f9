//! Versions in tags, and the ranges that select them.
//!
//! - [`version`]: the form of a tag that is a version, and how versions compare.
//! - [`range`]: the range syntax of skopeo and regsync (Masterminds semver v3), with that library's
//!   behaviour including edge cases: the same file must select the same tags here.

pub mod range;
pub mod version;

pub use range::{Range, RangeError};
pub use version::Version;
