//! Commands that talk to a server.
//!
//! - [`args`]: their arguments.
//! - `connection`: their common session; `table`: prints tables.
//! - `api`: calls any method; `api_help` describes them.
//! - [`project`], `store`, `workers`: the commands that manage these.

pub(in crate::cli) mod api;
pub(in crate::cli) mod api_help;
pub mod args;
pub(in crate::cli) mod connection;
pub mod project;
pub(in crate::cli) mod store;
pub(in crate::cli) mod table;
pub(in crate::cli) mod workers;
