//! What tests stand on: fixtures and servers.

#[macro_use]
pub(crate) mod database;
pub(crate) mod postgres;
