//! The job runner: takes runs from the queue and does them.
//!
//! - [`worker`]: claims runs, as many at once as it has slots, until it is told to stop.
//! - `execution`: one run, from the stored project to its final status.
//! - `recorder`: writes results, log and totals while the engine works.
//! - [`scheduler`]: makes runs of schedules that are due; `fire` says what one comes to, [`clock`] what
//!   time it is.
//! - [`housekeeper`]: does the runs that belong to no project.
//! - [`quartz`]: cron lines.
//!
//! The queue itself is the table of runs (`store::run`): a claim gives a lease and a fence, and
//! every write names the fence.

pub mod clock;
mod execution;
mod fire;
pub mod housekeeper;
pub mod quartz;
mod recorder;
pub mod scheduler;
pub mod worker;

pub use clock::Clock;
pub use housekeeper::Housekeeper;
pub use housekeeper::history::HistoryRules;
pub use scheduler::Scheduler;
pub use worker::{Worker, WorkerOptions};
