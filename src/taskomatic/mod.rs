//! The job runner: takes runs from the queue and does them.
//!
//! - [`worker`]: claims runs, as many at once as it has slots, until it is told to stop.
//! - `execution`: one run, from the stored project to its final status.
//! - `recorder`: writes results, log and totals while the engine works.
//! - [`notifications`]: tells people when a project begins to fail, and when it works again.
//! - [`quartz`]: cron lines.
//!
//! The queue itself is the table of runs (`store::run`): a claim gives a lease and a fence, and
//! every write names the fence.

mod execution;
pub mod notifications;
pub mod quartz;
mod recorder;
pub mod worker;

pub use notifications::Notifications;
pub use worker::{Worker, WorkerOptions};
