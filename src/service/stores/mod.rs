//! Image stores: the registries that are known.
//!
//! - [`image_store`]: create, read, update, delete; [`settings`]: their options and credentials.
//! - [`browse`]: what is in a registry: repositories, tags, architectures, images.

pub mod browse;
pub mod image_store;
pub mod settings;
