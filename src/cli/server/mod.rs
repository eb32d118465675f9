//! Commands on the machine of a server.
//!
//! - `serve`: the server; `worker`: a process that only executes the queue.
//! - `settings`: the configuration of them and of `admin`, which `config` shows.
//! - `admin`: administers a server's database without the server.
//! - `api_docs`: writes the reference pages.

pub(in crate::cli) mod admin;
pub(in crate::cli) mod api_docs;
pub(in crate::cli) mod config;
pub(in crate::cli) mod serve;
pub(in crate::cli) mod settings;
pub(in crate::cli) mod worker;
