//! Who may do what.
//!
//! - [`account`]: accounts and their roles; [`org`]: organisations.
//! - [`session`]: sessions; [`login_failure`]: failed logins, counted over all servers.

pub mod account;
pub mod login_failure;
pub mod org;
pub mod session;
