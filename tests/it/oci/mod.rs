//! The OCI client against registries that are difficult.
//!
//! - `token`: authorisation, with everything on the way from a source to a target.
//! - `listing`: pages that are odd.
//! - `patience`: registries that are slow, busy or silent.
//! - `redirect`: answers that point elsewhere, answers without end.
//! - `tls`: registries that speak TLS, and those that lead away from it.
//! - `upload`: where an upload goes on, and how its end is answered.

mod listing;
mod patience;
mod redirect;
mod tls;
mod token;
mod upload;
