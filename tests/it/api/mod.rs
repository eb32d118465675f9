//! The API over both wires, against a real server on a free port.
//!
//! [`sample`] is a small namespace that only these tests know; it has every sort of overload.

mod json;
mod registry;
mod sample;
mod server;
mod xmlrpc;
