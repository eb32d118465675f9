//! The namespaces: definitions only; what a method does is in [`crate::service`].
//!
//! - `auth`: log in and out.
//! - `api`: what there is.
//! - `image_store`: `image.store`, the registries.
//! - `system`: introspection as generic XML-RPC tools expect it.
//! - `registrysync`: projects, their items and runs; and what talks to registries.

mod api;
mod auth;
mod image_store;
mod registrysync;
mod system;

use super::registry::Registry;

/// Every method of the server.
pub fn registry() -> Registry {
    let mut builder = Registry::builder();
    auth::define(&mut builder);
    api::define(&mut builder);
    image_store::define(&mut builder);
    registrysync::define(&mut builder);
    system::define(&mut builder);
    builder.build()
}
