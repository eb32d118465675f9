//! From a waiting run to its results.
//!
//! - [`worker`]: claims parts of runs, as many at once as it has slots, until it is stopped.
//! - [`claim`]: selects the next part: fair between projects, within the limits.
//! - `catalogue`: reads the repositories of items that name them by pattern, before the run starts.
//! - `holds`: the parts that this process works on; `lease_keeper`: renews their leases, by the
//!   [`lease_rules`], and notices when a run should end; [`lost`]: puts parts of lost workers back into
//!   the queue.
//! - `execution`: one part, from the stored project to its final status; `shares`: the common state of
//!   the parts of a run; `rights`: what a worker may do at a target.
//! - `recorder`: writes results, log and totals while the engine works; `records`: the
//!   stored form of an outcome.

pub(in crate::taskomatic) mod catalogue;
pub mod claim;
pub(in crate::taskomatic) mod execution;
pub(in crate::taskomatic) mod holds;
pub(in crate::taskomatic) mod lease_keeper;
pub mod lease_rules;
pub mod lost;
pub(in crate::taskomatic) mod recorder;
pub(in crate::taskomatic) mod records;
pub(in crate::taskomatic) mod rights;
pub(in crate::taskomatic) mod shares;
pub mod worker;
