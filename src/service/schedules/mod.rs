//! When projects run by themselves.
//!
//! - [`schedule`]: the schedule of a project; [`tasko`]: the same by the names of Uyuni's job runner, and schedules of
//!   house-keeping.
//! - [`rules`]: what every schedule must keep to; `line` checks a cron line; `recalculate` sets the next fire times.

pub(in crate::service) mod line;
pub(in crate::service) mod recalculate;
pub mod rules;
pub mod schedule;
pub mod tasko;
