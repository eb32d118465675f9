//! HTTP with one registry.
//!
//! - [`options`]: a client's options.
//! - [`client`]: requests go through its `send`: limits, authorisation, redirects, retries. Only
//!   uploads have a loop of their own (`registry::upload`), since a stream can't be sent twice.
//! - `call`: one request and its response; `exchange` sends it once; `transport`: the connections.
//! - [`tally`]: counts the requests; [`waits`]: those that have no response yet.
//! - `failure`: why there is no response; `refusal`: what an error response says.
//! - [`retry`]: how often and when to retry; `health`: pauses requests to a registry that fails
//!   repeatedly; `abilities`: what a host doesn't support.

pub(in crate::oci) mod abilities;
pub(in crate::oci) mod call;
pub mod client;
pub(in crate::oci) mod exchange;
pub(in crate::oci) mod failure;
pub(in crate::oci) mod health;
pub mod options;
pub(in crate::oci) mod refusal;
pub mod retry;
pub mod tally;
pub(in crate::oci) mod transport;
pub mod waits;
