//! Image stores: the known registries.
//!
//! - [`image_store`]: create, read, update, delete; [`settings`]: their options and credentials.
//! - [`browse`]: the content of a registry: repositories, tags, architectures, images.

pub mod browse;
pub mod image_store;
pub mod settings;
