//! The integration tests, one binary: real registries, real databases, the real server.

mod api;
