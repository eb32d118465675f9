//! The integration tests, one binary: real registries, real databases, the real server.

#[macro_use]
mod support;

mod api;
mod cli;
mod directions;
mod docs;
mod oci;
mod quartz;
mod registry_self;
mod scheduling;
mod selection;
mod store;
mod sync;
mod whole;
