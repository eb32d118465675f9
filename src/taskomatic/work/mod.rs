//! From a waiting run to its results.
//!
//! - [`worker`]: claims parts of runs, as many at once as it has slots, until it is told to stop.
//! - [`claim`]: which part is next: fair between projects, within the limits.
//! - `holds`: the parts that this process works on; `lease_keeper`: renews their leases, by the [`lease_rules`],
//!   and sees when a run is to end; [`lost`]: parts of lost workers go back into the queue.
//! - `execution`: one part, from the stored project to its final status; `shares`: what the parts of one run
//!   have in common.
//! - `recorder`: writes results, log and totals while the engine works; `records`: what is kept of an outcome.

pub mod claim;
pub(in crate::taskomatic) mod execution;
pub(in crate::taskomatic) mod holds;
pub(in crate::taskomatic) mod lease_keeper;
pub mod lease_rules;
pub mod lost;
pub(in crate::taskomatic) mod recorder;
pub(in crate::taskomatic) mod records;
pub(in crate::taskomatic) mod shares;
pub mod worker;
