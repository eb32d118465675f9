//! The HTTP interface: how methods of [`crate::api`] are reached.
//!
//! - [`server`]: routes, listener.
//! - [`connections`]: accepted, limited, closed.
//! - `requests`: the body, its limits, the origin and the session of a request.
//! - `wires`: XML-RPC, JSON, and the stream of events.
//! - [`docs`]: OpenAPI, `AsciiDoc` and HTML, generated from the registry of methods.
//! - `health`: whether the server is alive and ready, for load balancers; `readiness` checks the
//!   database.
//! - `state`: what the routes share; `paths`: their paths.

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
pub use wires::dxr_handlers::dxr_handlers;
