//! The two wires, and the stream of events.
//!
//! - `xmlrpc`: `/rpc/api`; `xml` reads its documents.
//! - `json`: `/rhn/manager/api`; `arguments` reads what is sent.
//! - `dxr_handlers`: the same methods for a server of the crate `dxr_server`.
//! - `events`: a run's progress, as it goes on; `streams`: how many follow it at once.
//! - `response`: results as bodies; `encoding` compresses them.

pub(in crate::surface) mod arguments;
pub(in crate::surface) mod dxr_handlers;
pub(in crate::surface) mod encoding;
pub(in crate::surface) mod events;
pub(in crate::surface) mod json;
pub(in crate::surface) mod response;
pub(in crate::surface) mod streams;
pub(in crate::surface) mod xml;
pub(in crate::surface) mod xmlrpc;
