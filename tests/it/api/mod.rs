//! The API over both wires, against a real server on a free port.
//!
//! [`sample`] is a small namespace that only these tests know; it has every sort of overload.
//! [`server`] starts a server for one test.

mod apidoc;
mod auth;
mod docs;
mod image_store;
mod image_sync;
mod introspection;
mod json;
mod listing;
mod registry;
mod registrysync;
mod sample;
pub(crate) mod server;
mod xmlrpc;
