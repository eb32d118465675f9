//! The wires: how a method of [`crate::api`] is reached over HTTP.
//!
//! Reading order:
//! - [`server`]: routes, listener, limits.
//! - [`door`]: connections, with or without TLS, and shutdown; [`tls`]: the certificate;
//!   `rooms`: how many at once, `gate`: who is cut, `descriptors`: how many files may be open;
//!   `misdirected`: what plain http is told at a TLS port.
//! - `xmlrpc`: `/rpc/api`; `xml` reads its documents.
//! - `json`: `/rhn/manager/api`; `cookie` carries its session, `arguments` reads what is sent,
//!   `origin` tells other sites' pages.
//! - `events`: a run's progress, told while it goes on.
//! - `health`: whether the server lives, and whether it is ready, for load balancers.
//! - [`openapi`]: the description of that surface.
//! - [`asciidoc`]: the same methods as pages to read, `roles` among them: who may call what;
//!   [`apidoc`]: the same as HTML.
//! - `arrival`: what is known of a request besides itself; `cut`: the word that it is to end.
//! - `answer`: replies of both wires as bodies; `encoding` compresses them.
//! - `body`: request bodies, bounded in size, time and compression; `budget` is what those of
//!   strangers take together, `glance` finds a session's key at the beginning of one.

mod answer;
pub mod apidoc;
mod arguments;
mod arrival;
pub mod asciidoc;
mod body;
mod budget;
mod cookie;
mod cut;
pub mod descriptors;
pub mod door;
mod encoding;
mod events;
mod gate;
mod glance;
mod health;
mod json;
mod misdirected;
pub mod openapi;
mod origin;
mod roles;
mod rooms;
pub mod server;
pub mod tls;
mod xml;
mod xmlrpc;

pub use door::{Door, serve};
pub use server::{Limits, Routes, listen, routes};
pub use tls::Certificate;
