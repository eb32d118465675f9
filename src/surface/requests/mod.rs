//! The steps before a call: the body, the request's origin, the session.
//!
//! - `body`: limited in size, time and compression; `chunks`: the pieces that it arrives in; `plain`:
//!   decompression; `body_error`: why a body can't be used; `budget`: shared memory of requests
//!   without a session.
//! - `limits`: the limits of requests.
//! - `arrival`: where a request came from, and the address it was sent to.
//! - `cookie`: the session of the JSON surface; `session_peek`: a session key at the beginning of an
//!   XML document.
//! - `cross_site`: refuses requests from other sites' pages.

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
