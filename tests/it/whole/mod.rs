//! The whole way, through the real server: log in, stores, project, items, plan, run, results.

mod faults;
mod scripts;
mod server;
