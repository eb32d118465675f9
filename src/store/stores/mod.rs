//! The known registries.
//!
//! - [`image_store`]: image stores, with their sealed credentials.

pub mod image_store;
