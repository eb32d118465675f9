//! When projects run automatically.
//!
//! - [`schedule`]: schedules and which are due; [`fire`]: their fire times.

pub mod fire;
pub mod schedule;
