//! The integration tests, one binary: real registries, real databases, the real server.

#[macro_use]
mod support;

mod api;
mod cli;
mod docs;
mod oci;
mod plans;
mod pruning;
mod quartz;
mod registry_self;
mod scheduling;
mod selection;
mod store;
mod structure;
mod sync;
mod whole;
