//! The two wires, and event streams.
//!
//! - `xmlrpc`: `/rpc/api`; `xml` parses its documents.
//! - `json`: `/rhn/manager/api`; `arguments` parses the arguments.
//! - `dxr_handlers`: the same methods for a server of the crate `dxr_server`.
//! - `events`: events of a run in progress; `streams`: the number of streams at once.
//! - `response`: results as response bodies; `encoding` compresses them.

pub(in crate::surface) mod arguments;
pub(in crate::surface) mod dxr_handlers;
pub(in crate::surface) mod encoding;
pub(in crate::surface) mod events;
pub(in crate::surface) mod json;
pub(in crate::surface) mod response;
pub(in crate::surface) mod streams;
pub(in crate::surface) mod xml;
pub(in crate::surface) mod xmlrpc;
