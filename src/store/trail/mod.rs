//! What happened.
//!
//! - [`audit`]: who did what; [`statistics`]: numbers for dashboards; [`notification`]: messages still
//!   to be sent.

pub mod audit;
pub mod notification;
pub mod statistics;
