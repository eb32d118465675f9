//! The integration tests, one binary: real registries, real databases, the real server.

#[macro_use]
mod support;

mod api;
mod selection;
mod docs;
mod registry_self;
mod support;
mod store;
