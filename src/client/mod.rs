//! A client of the API, as the command line uses it.
//!
//! - [`Client`] (`http`): one server's address and connections; calls by name over JSON, and by
//!   place over XML-RPC (`xmlrpc` writes and reads those documents).
//! - [`cache`]: the session of an earlier command, kept in a file that only its owner reads.
//! - [`Error`] (`error`): why a call has no result.
//!
//! It knows the API as any client does, by its wires; of this crate it uses the values' bridge.

pub mod cache;
mod error;
mod http;
mod xmlrpc;

pub use error::Error;
pub use http::{Client, Options, Verb};
