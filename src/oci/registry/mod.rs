//! The operations of a registry.
//!
//! - `tag`, `catalog`: lists of tags and of repositories, both in [`page`]s whose `entries` are parsed
//!   as a stream.
//! - [`manifest`]: get, check and put manifests; [`turn`]: a look at a tag and the change right after
//!   it; `body_time`: how long a body may take.
//! - [`blob`]: check and read blobs; [`upload`]: write and mount them.
//! - [`referrer`]: what refers to a manifest.
//! - [`image`]: the content of an image; [`ping`]: tests step by step whether a registry is usable.

pub mod blob;
mod body_time;
pub(in crate::oci) mod catalog;
pub(in crate::oci) mod entries;
pub mod image;
pub mod manifest;
pub mod page;
pub mod ping;
pub mod referrer;
pub(in crate::oci) mod tag;
pub mod turn;
pub mod upload;
