//! Connections: how they are accepted, limited and closed.
//!
//! - [`acceptor`]: accepts connections, with or without TLS, and shuts them down.
//! - [`tls`]: the certificate; `plain_http`: the response to plain http on a TLS port.
//! - `admission`: how many are open at once, and which one is closed for a new one; [`descriptors`]:
//!   how many files may be open; `eviction`: the signal to a connection to close.
//! - `watchdog`: closes connections that don't read, or that send HTTP/2 frames without requests.

pub mod acceptor;
pub(in crate::surface) mod admission;
pub mod descriptors;
pub(in crate::surface) mod eviction;
pub(in crate::surface) mod plain_http;
pub mod tls;
pub(in crate::surface) mod watchdog;
