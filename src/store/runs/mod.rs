//! Runs, and what they leave.
//!
//! - [`run`] and its [`part`]s: the rows. [`queue`]: how a run is queued, started and ended; [`cancel`]
//!   ends it early.
//! - [`lease`]: which worker may work on a part; [`progress`]: what it writes meanwhile.
//! - [`log`] and [`result`] are what a run leaves; [`listing`] lists runs for the job runner's API.
//! - [`asked`]: what a run was asked to do.
//! - [`housekeeping`] is the lease of housekeeping, and what it deletes; [`worker`] holds the heartbeats.

pub mod asked;
pub mod cancel;
pub mod housekeeping;
pub mod lease;
pub mod listing;
pub mod log;
pub mod part;
pub mod progress;
pub mod queue;
pub mod result;
pub mod run;
pub mod worker;
