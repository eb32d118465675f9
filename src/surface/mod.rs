//! The wires: how a method of [`crate::api`] is reached over HTTP.
//!
//! - [`server`]: routes, listener, limits.
//! - [`connections`]: accepted, bounded, closed.
//! - `requests`: the body, where a request is from, its session.
//! - `wires`: XML-RPC, JSON, and the stream of events.
//! - [`docs`]: OpenAPI, `AsciiDoc` and HTML, made from the registry of methods.
//! - `health`: whether the server lives, and whether it is ready, for load balancers; `readiness` asks the database.
//! - `state`: what the routes share; `paths`: where they are.

pub mod connections;
pub mod docs;
mod health;
mod paths;
mod readiness;
mod requests;
pub mod server;
mod state;
mod wires;

pub use connections::acceptor::{ServeOptions, serve};
pub use connections::tls::Certificate;
pub use requests::limits::RequestLimits;
pub use server::{Routes, listen, routes};
