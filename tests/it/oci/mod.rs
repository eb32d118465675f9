//! The OCI client with difficult registries.
//!
//! - `token`: authorisation, with everything on the way from a source to a target.
//! - `listing`: odd pages; `limits`: listings that are too long, or full of odd entries.
//! - `sick`: registries that fail in everything; `words`: their error messages.
//! - `elsewhere`: storage and token servers at other hosts, and hosts forbidden by a policy.
//! - `patience`: registries that are slow, busy or silent.
//! - `redirect`: redirects, and endless responses.
//! - `tls`: registries that speak TLS, and those that lead away from it.
//! - `upload`: where an upload continues, and how its end is answered.

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
