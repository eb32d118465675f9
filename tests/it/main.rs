//! The integration tests, one binary: real registries, real databases, the real server.

mod selection;
mod docs;
mod registry_self;
mod support;
