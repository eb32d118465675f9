//! registrysync copies selected container images from one registry to another.
//!
//! The parts, in reading order:
//! - [`oci`]: vocabulary and protocol of registries; knows neither database nor web.
//! - [`quartz`]: parses cron lines.
//! - [`sync`]: what to copy and how, between two registries.
//! - [`store`]: the database, on `SQLite` or `PostgreSQL`.
//! - [`service`]: use cases; authorises, validates, calls `store` and `sync`.
//! - [`notify`]: notifications by webhook and e-mail.
//! - [`taskomatic`]: the job runner: scheduler, workers, housekeeping, notifications.
//! - [`api`]: the method registry, one definition for every surface.
//! - [`surface`]: XML-RPC and JSON over HTTP.
//! - [`client`]: a client of the API.
//! - `http_client`: what the HTTP clients of `oci`, `client` and `notify` have in common.
//! - `private_file`: files for their owner only; `blocking`: work on threads that may block.
//! - `text`: sanitises text from others.
//! - [`config`]: the server's configuration.
//! - [`time_zone`]: the server's time zone.
//! - [`node`]: what `serve` and `worker` have in common.
//! - [`cli`]: the command line.

// Everything printed goes through `cli::output`, which removes terminal control characters.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod api;
mod blocking;
pub mod cli;
pub mod client;
pub mod config;
mod http_client;
pub mod node;
pub mod notify;
pub mod oci;
mod private_file;
pub mod quartz;
pub mod service;
pub mod store;
pub mod surface;
pub mod sync;
pub mod taskomatic;
mod text;
pub mod time_zone;
