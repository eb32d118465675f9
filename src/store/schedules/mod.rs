//! When projects run by themselves.
//!
//! - [`schedule`]: schedules, and what of them is due; [`fire`]: their fire times.

pub mod fire;
pub mod schedule;
