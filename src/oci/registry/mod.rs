//! The operations of a registry.
//!
//! - `tag`, `catalog`: lists of tags and of repositories, both in [`page`]s whose `entries` are read as a stream.
//! - [`manifest`]: get, look at, put and delete manifests.
//! - [`blob`]: look at, read and mount blobs; [`upload`]: write them.
//! - `referrer`: what refers to a manifest.
//! - [`image`]: what an image is made of; [`ping`]: whether a registry can be used, step by step.

pub mod blob;
pub(in crate::oci) mod catalog;
pub(in crate::oci) mod entries;
pub mod image;
pub mod manifest;
pub mod page;
pub mod ping;
pub(in crate::oci) mod referrer;
pub(in crate::oci) mod tag;
pub mod upload;
