//! The whole way, through the real server: log in, stores, project, items, plan, run, results.

mod faults;
mod many_tags;
pub(crate) mod scripts;
mod server;
mod tls;
