//! The wires: how a method of [`crate::api`] is reached over HTTP.
//!
//! - [`server`]: routes, listener, limits.
//! - [`connections`]: accepted, bounded, closed.
//! - `requests`: the body, where a request is from, its session.
//! - `wires`: XML-RPC, JSON, and the stream of events.
//! - [`docs`]: OpenAPI, AsciiDoc and HTML, made from the registry of methods.
//! - `health`: whether the server lives, and whether it is ready, for load balancers.

pub mod connections;
pub mod docs;
mod health;
mod requests;
pub mod server;
mod wires;

pub use connections::acceptor::{ServeOptions, serve};
pub use connections::tls::Certificate;
pub use server::{RequestLimits, Routes, listen, routes};
pub use wires::dxr_handlers::dxr_handlers;
