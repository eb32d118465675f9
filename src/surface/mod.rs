//! The wires: how a method of [`crate::api`] is reached over HTTP.
//!
//! Reading order:
//! - [`server`]: routes, listener, limits, shutdown.
//! - `xmlrpc`: `/rpc/api`; `xml` reads and writes its documents.
//! - `json`: `/rhn/manager/api`; `cookie` carries its session.
//! - [`asciidoc`]: the same methods as pages to read; `roles` is the page of who may call what.
//! - `body`: request bodies, bounded in size, time and compression.

pub mod asciidoc;
mod body;
mod cookie;
mod json;
mod roles;
pub mod server;
mod xml;
mod xmlrpc;

pub use server::{Limits, listen, router, serve};
