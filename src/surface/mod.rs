//! The wires: how a method of [`crate::api`] is reached over HTTP.
//!
//! Reading order:
//! - [`server`]: routes, listener, limits, shutdown.
//! - `xmlrpc`: `/rpc/api`; `xml` reads and writes its documents.
//! - `json`: `/rhn/manager/api`; `cookie` carries its session, `arguments` reads what is sent,
//!   `origin` tells other sites' pages.
//! - [`openapi`]: the description of that surface.
//! - [`asciidoc`]: the same methods as pages to read.
//! - `body`: request bodies, bounded in size, time and compression.

mod arguments;
pub mod asciidoc;
mod body;
mod cookie;
mod json;
pub mod openapi;
mod origin;
pub mod server;
mod xml;
mod xmlrpc;

pub use server::{Limits, listen, router, serve};
