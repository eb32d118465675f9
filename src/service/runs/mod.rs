//! Runs of projects.
//!
//! - [`job`]: from a stored project to what the engine works on.
//! - [`start`]: plans a project or queues a run; `retry`: what a retry covers; [`cancel`] and
//!   [`settle`]: how runs end.
//! - [`plans`]: plans that are kept, and run later.
//! - [`limits`]: how many parts an organisation or a host may have at a time.
//! - [`history`]: results of runs; [`watch`]: runs in progress; [`workers`]: the workers.
//! - [`evidence`]: what a run was asked and did, for auditors.
//! - [`verify`]: whether copied tags are still intact; `logger`: the log of such work.

pub mod cancel;
pub mod evidence;
pub mod history;
pub mod job;
pub mod limits;
pub(in crate::service) mod logger;
pub mod plans;
pub(in crate::service) mod retry;
pub mod settle;
pub mod start;
pub mod verify;
pub mod watch;
pub mod workers;
