//! The vocabulary: names, digests, platforms and manifests. Nothing here sends a request.
//!
//! - [`mod@reference`]: repositories, tags, digests and references as users write them; [`address`]:
//!   where a registry is.
//! - [`name_error`]: why a name is invalid.
//! - [`digest`]: `sha256:…`, computed while streaming.
//! - [`platform`]: operating system, architecture, variant; `platform_names`: their names in other
//!   tools.
//! - [`manifest`]: parsed manifests and indexes; `large`: processes big ones off the runtime's threads.
//! - [`referrer_index`]: indexes of signatures and the like; [`referrer_tag`]: the tags that hold them.

pub mod address;
pub mod digest;
pub(crate) mod large;
pub mod manifest;
pub mod name_error;
pub mod platform;
pub(in crate::oci) mod platform_names;
pub mod reference;
pub mod referrer_index;
pub mod referrer_tag;
