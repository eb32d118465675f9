//! Who may do what.
//!
//! - [`role`]: what roles imply; [`user`]: accounts, by the rules of `user_rules`; [`org`]: organisations.
//! - [`account`]: the first account, and login. [`password`] hashes, [`login_guard`] slows down
//!   guessing, and `login_failures` records it.
//! - [`session`]: session keys, their check and renewal.

pub mod account;
pub(in crate::service) mod login_failures;
pub mod login_guard;
pub mod org;
pub mod password;
pub mod role;
pub mod session;
pub mod user;
pub(in crate::service) mod user_rules;
