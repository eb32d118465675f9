//! The database: one set of functions over SQLite or PostgreSQL, chosen by URL at run time.
//!
//! In reading order:
//! - [`base`]: the connection and what every table needs. [`Db`] opens, migrates, and runs a closure on a
//!   [`DbConnection`]; [`SealKey`] encrypts credentials; [`Error`] and [`Trouble`] say what went wrong.
//! - [`schema`]: the tables, as Diesel sees them.
//! - [`access`], [`stores`], [`projects`], [`runs`], [`schedules`], [`trail`]: a folder per group
//!   of tables, named like the use cases. Their functions are plain, take a [`DbConnection`] and, for what
//!   an organisation owns, the organisation's id: rows of other organisations are invisible.
//!
//! Every time is UTC, as [`Moment`]. Options of stores, projects and items are JSON text here, which
//! the service interprets.

#[macro_use]
pub mod base;

pub mod access;
pub mod projects;
pub mod runs;
pub mod schedules;
pub mod schema;
pub mod stores;
pub mod trail;

pub use base::connection::DbConnection;
pub use base::db::Db;
pub use base::error::{Cause, Error};
pub use base::meaning::Trouble;
pub use base::options::{ConnectionLimits, DbOptions};
pub use base::seal::error::SealError;
pub use base::seal::key::SealKey;

/// A point in time, UTC.
pub type Moment = chrono::NaiveDateTime;

/// This machine's time, UTC, in microseconds like both databases store.
pub fn now() -> Moment {
    use chrono::SubsecRound as _;
    chrono::Utc::now().naive_utc().trunc_subsecs(6)
}
