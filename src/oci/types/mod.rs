//! The vocabulary: what names, digests, platforms and manifests are. Nothing here sends a request.
//!
//! - [`mod@reference`]: repositories, tags, digests and references as people write them; [`address`]: where a registry is.
//! - [`name_error`]: why a name isn't one.
//! - [`digest`]: `sha256:…`, computed while bytes pass.
//! - [`platform`]: operating system, architecture, variant; `platform_names`: what other tools call them.
//! - [`manifest`]: manifests and indexes as they are read; `large`: parses big ones off the runtime's threads.

pub mod address;
pub mod digest;
pub(crate) mod large;
pub mod manifest;
pub mod name_error;
pub mod platform;
pub(in crate::oci) mod platform_names;
pub mod reference;
