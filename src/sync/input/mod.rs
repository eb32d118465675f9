//! The description of what to copy.
//!
//! - [`spec`]: items and their options; [`placement`] and [`template`]: where each goes.
//! - [`backup_tag`]: the name of what an overwritten tag was.
//! - [`index_mode`]: what becomes of an index of which some platforms are copied.
//! - [`referrer_choice`]: which signatures, SBOMs and attestations follow their images.
//! - [`skopeo_yaml`]: the source file of `skopeo sync`, parsed from a tree of `yaml`.

pub mod backup_tag;
pub mod index_mode;
pub mod placement;
pub mod referrer_choice;
pub mod skopeo_yaml;
pub mod spec;
pub mod template;
pub(in crate::sync) mod yaml;
