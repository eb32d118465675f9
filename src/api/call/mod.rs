//! A call, from name and arguments to its result.
//!
//! - [`dispatch`]: finds the method; the one place that checks sessions.
//! - `resolve`: which overload a call means.
//! - `invoke`: the one way to a method's function.
//! - `permission`: who may call a method.
//! - `audit`: what the audit trail gets of a call.
//! - `underway`: when a call ends early.

pub(in crate::api) mod audit;
pub mod dispatch;
pub(in crate::api) mod invoke;
pub(in crate::api) mod permission;
pub(in crate::api) mod resolve;
pub(in crate::api) mod underway;
