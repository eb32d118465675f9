//! The job runner: takes runs from the queue and does them.
//!
//! - [`worker`]: claims parts of runs, as many at once as it has slots, until it is told to stop.
//! - `claim`: which part is next: fair between projects, within the limits.
//! - `held`: the parts that this process works on; `keeper`: renews their leases and sees when a run
//!   is to end; [`lost`]: offers again what nobody works on any more.
//! - `execution`: one part, from the stored project to its final status; `shares`: what the parts of a
//!   run have in common.
//! - `recorder`: writes results, log and totals while the engine works.
//! - [`scheduler`]: makes runs of schedules that are due; `fire` says what one comes to, [`clock`] what
//!   time it is.
//! - [`housekeeper`]: does the runs that belong to no project.
//! - [`notifications`]: tells people when a project begins to fail, and when it works again.
//! - `listener`: passes news from other nodes on.
//!
//! The queue itself is in the tables of runs and their parts (`store::runs`): a claim
//! gives a lease and a fence, and every write names the fence.

pub mod claim;
pub mod clock;
mod execution;
mod fire;
mod held;
pub mod housekeeper;
mod keeper;
mod listener;
pub mod lost;
pub mod notifications;
mod recorder;
pub mod scheduler;
mod shares;
pub mod worker;

pub use crate::service::runs::limits::Limits;
pub use clock::Clock;
pub use housekeeper::Housekeeper;
pub use housekeeper::history::HistoryRules;
pub use listener::listen;
pub use lost::LostParts;
pub use notifications::Notifications;
pub use scheduler::Scheduler;
pub use worker::{LeaseRules, Worker, WorkerOptions};
