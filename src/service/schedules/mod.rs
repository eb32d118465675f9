//! When projects run automatically.
//!
//! - [`schedule`]: the schedule of a project; [`tasko`]: the same for Uyuni's job runner API, and
//!   schedules of housekeeping.
//! - [`rules`]: the server's rules for schedules; `line` checks a cron line; `recalculate` sets the
//!   next fire times.

pub(in crate::service) mod line;
pub(in crate::service) mod recalculate;
pub mod rules;
pub mod schedule;
pub mod tasko;
