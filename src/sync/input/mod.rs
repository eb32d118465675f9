//! The description of what to copy.
//!
//! - [`spec`]: items, their options, and where each goes.
//! - [`referrer_choice`]: which signatures, SBOMs and attestations follow their images.
//! - [`skopeo_yaml`]: the source file of `skopeo sync`, parsed from a tree of `yaml`.

pub mod referrer_choice;
pub mod skopeo_yaml;
pub mod spec;
pub(in crate::sync) mod yaml;
