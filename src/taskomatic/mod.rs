//! The job runner: creates runs of schedules, and executes them.
//!
//! - [`scheduling`]: creates runs of schedules that are due.
//! - [`workers`]: claims parts of runs and executes them.
//! - [`housekeeper`]: executes the runs that belong to no project.
//! - [`notifications`]: notifies when a project starts failing, and when it recovers.
//! - `listener`: forwards notifications of other nodes.
//!
//! The queue itself consists of the tables of runs and their parts (`store::runs`): a claim gives a
//! lease and a fence, and every write names the fence.

pub mod housekeeper;
mod listener;
pub mod notifications;
pub mod scheduling;
pub mod workers;

use std::time::Duration;

pub use crate::service::runs::limits::RunLimits;
pub use housekeeper::Housekeeper;
pub use housekeeper::history::HistoryRules;
pub use listener::listen;
pub use notifications::Notifications;
pub use scheduling::clock::Clock;
pub use scheduling::scheduler::Scheduler;
pub use workers::lease_rules::LeaseRules;
pub use workers::lost::LostParts;
pub use workers::worker::{Worker, WorkerOptions};

/// How often the database is asked for work that nobody announced: another node may have left it.
const POLL: Duration = Duration::from_secs(1);
/// The wait after the database failed, before it is asked again.
const DATABASE_PAUSE: Duration = Duration::from_secs(2);
