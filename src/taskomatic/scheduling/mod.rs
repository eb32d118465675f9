//! From a schedule to a run.
//!
//! - [`scheduler`]: finds the schedules that are due and makes their runs.
//! - `fire`: what becomes of one fire time: a run, skipped, missed.
//! - [`clock`]: what time it is, in which zone.

pub mod clock;
pub(in crate::taskomatic) mod fire;
pub mod scheduler;
