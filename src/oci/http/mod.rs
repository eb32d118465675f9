//! HTTP with one registry.
//!
//! - [`client`]: every request goes through its `send`: limits, authorisation, redirects, retries.
//! - `call`: one request and its response; `refusal`: what an error response says.
//! - `transport`: the connections; `retry`: how often and when to try again; `health`: a registry that
//!   fails again and again is left alone for a while.

pub(in crate::oci) mod call;
pub mod client;
pub(in crate::oci) mod health;
pub(in crate::oci) mod refusal;
pub(in crate::oci) mod retry;
pub(in crate::oci) mod transport;
