//! Commands that talk to a server.
//!
//! - [`args`]: their arguments.
//! - `connection`: their common session; `table`: prints tables.
//! - `api`: calls any method; `api_help` describes them.
//! - `project`, with `project_plan`, `project_run`, `project_evidence` and `project_schedule`; `store`;
//!   `workers`.

pub(in crate::cli) mod api;
pub(in crate::cli) mod api_help;
pub mod args;
pub(in crate::cli) mod connection;
pub(in crate::cli) mod project;
pub(in crate::cli) mod project_evidence;
pub(in crate::cli) mod project_plan;
pub(in crate::cli) mod project_run;
pub(in crate::cli) mod project_schedule;
pub(in crate::cli) mod store;
pub(in crate::cli) mod table;
pub(in crate::cli) mod workers;
