//! The API over both wires, against a real server on a free port.
//!
//! [`sample`] is a small namespace only for these tests; it has every kind of overload. [`server`]
//! starts a server for one test; [`people`] are accounts that call it.

mod apidoc;
mod audit;
mod auth;
mod compatibility;
mod docs;
mod door;
mod dxr_mounted;
mod every_method;
mod image_store;
mod image_sync;
mod introspection;
mod json;
mod listing;
mod lists;
mod locking;
mod logs;
mod org;
mod people;
mod registry;
mod registrysync;
mod roles;
mod sample;
mod samples;
pub(crate) mod server;
mod stored;
mod strangers;
mod system;
mod taskomatic;
mod user;
mod wire;
mod xmlrpc;
