//! What is to be copied, as it is written down.
//!
//! - [`spec`]: items, their options, and where each goes.
//! - [`skopeo_yaml`]: the source file of `skopeo sync`, over a tree of `yaml`.

pub mod skopeo_yaml;
pub mod spec;
pub(in crate::sync) mod yaml;
