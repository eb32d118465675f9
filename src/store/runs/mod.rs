//! Runs: [`run`] and its [`part`]s, which workers lease; [`cancel`] asks for an end; [`log`] and [`result`] are what a
//! run leaves; [`tasko_run`] lists runs by the job runner's names; [`house_run`] is the lease of house-keeping;
//! [`worker`] holds the heartbeats.

pub mod cancel;
pub mod house_run;
pub mod log;
pub mod part;
pub mod result;
pub mod run;
pub mod tasko_run;
pub mod worker;
