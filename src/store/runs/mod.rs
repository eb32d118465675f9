//! Runs, and what they leave.
//!
//! - [`run`] and its [`part`]s: the rows. [`queue`]: how a run is asked for, begun and ended; [`cancel`] asks for an end.
//! - [`lease`]: which worker may work on a part; [`progress`]: what it writes meanwhile.
//! - [`log`] and [`result`] are what a run leaves; [`tasko_run`] lists runs by the job runner's names.
//! - [`house_run`] is the lease of house-keeping; [`worker`] holds the heartbeats.

pub mod cancel;
pub mod house_run;
pub mod lease;
pub mod log;
pub mod part;
pub mod progress;
pub mod queue;
pub mod result;
pub mod run;
pub mod tasko_run;
pub mod worker;
