//! What comes before a call: the body, where the request is from, the session.
//!
//! - `body`: bounded in size, time and compression, `chunks` as they come and `plain` as they are decompressed;
//!   `body_error`: why one can't be used; `budget`: what the bodies of strangers take together.
//! - `limits`: what a request may cost.
//! - `arrival`: where a request came from, and by which address.
//! - `cookie`: the session of the JSON surface; `session_peek`: a session's key at the beginning of an XML document.
//! - `cross_site`: refuses requests that other sites' pages send.

pub(in crate::surface) mod arrival;
pub(in crate::surface) mod body;
pub(in crate::surface) mod body_error;
pub(in crate::surface) mod budget;
pub(in crate::surface) mod chunks;
pub(in crate::surface) mod cookie;
pub(in crate::surface) mod cross_site;
pub(in crate::surface) mod limits;
pub(in crate::surface) mod plain;
pub(in crate::surface) mod session_peek;
