//! registrysync copies selected container images from one registry to another.
//!
//! The parts, in reading order:
//! - [`oci`]: vocabulary and protocol of registries; knows neither database nor web.
//! - [`sync`]: what to copy and how, between two registries.
//! - [`store`]: the database, on `SQLite` or `PostgreSQL`.
//! - [`taskomatic`]: the queue of runs and the worker that executes them.
//! - [`service`]: use cases; authorises, validates, calls `store`, `sync` and `taskomatic`.
//! - [`api`]: the method registry, one definition for every surface.
//! - [`surface`]: XML-RPC and JSON over HTTP.
//! - [`cli`]: the one-shot commands that need no server.

pub mod api;
pub mod cli;
pub mod oci;
pub mod service;
pub mod store;
pub mod surface;
pub mod sync;
pub mod taskomatic;
