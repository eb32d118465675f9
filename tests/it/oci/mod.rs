//! The OCI client against registries that are difficult.
//!
//! - `token`: authorisation, with everything on the way from a source to a target.
//! - `listing`: pages that are odd; `limits`: listings that are too long, or full of odd entries.
//! - `sick`: registries that fail in everything; `words`: what they say to a refusal.
//! - `elsewhere`: storage and token servers at other hosts, and hosts that a policy forbids.
//! - `patience`: registries that are slow, busy or silent.
//! - `redirect`: answers that point elsewhere, answers without end.
//! - `tls`: registries that speak TLS, and those that lead away from it.
//! - `upload`: where an upload goes on, and how its end is answered.

mod elsewhere;
mod limits;
mod listing;
mod patience;
mod redirect;
mod sick;
mod tls;
mod token;
mod upload;
mod words;
