//! A client of the API, as the command line uses it.
//!
//! - [`Client`] (`http`): one server's address and connections; named calls over JSON, and positional
//!   ones over XML-RPC (`xmlrpc` writes and parses those documents).
//! - [`cache`]: the session of an earlier command, saved in a file that only its owner can read.
//! - [`Error`] (`error`): why a call has no result.
//!
//! It uses the API like any other client, through its wires; from this crate it only uses
//! `http_client`.

pub mod cache;
mod error;
mod http;
mod xmlrpc;

pub use error::Error;
pub use http::{Client, Options, Verb};
