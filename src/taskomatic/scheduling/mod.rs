//! From a schedule to a run.
//!
//! - [`scheduler`]: finds the schedules that are due and creates their runs.
//! - `fire`: the result of one fire time: a run, skipped, missed.
//! - [`clock`]: the current time.

pub mod clock;
pub(in crate::taskomatic) mod fire;
pub mod scheduler;
