//! What to copy and how. Map, in reading order:
//! - [`semver`], [`natural`], [`pattern`]: how tags compare and match.
//! - [`select`]: selectors over a tag listing, with the reason for each tag.
//! - `yaml`, [`skopeo_yaml`]: the `skopeo sync` source file.

pub mod natural;
pub mod pattern;
pub mod select;
pub mod semver;
pub mod skopeo_yaml;
mod tag_name;
mod yaml;
