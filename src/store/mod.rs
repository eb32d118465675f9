//! The database: one set of functions over SQLite or PostgreSQL, chosen by URL at run time.
//!
//! In reading order:
//! - [`Db`] (`db.rs`): opens, migrates, and runs a closure on a connection of its `pool`.
//! - `link`: the way to PostgreSQL: TLS, limits of waits, codes of errors.
//! - [`DbConnection`] (`connection.rs`): the two backends as one; write transactions.
//! - `migrate.rs`: embedded migrations, the refusal of a newer database, the backup before.
//! - [`SealKey`] (`seal.rs`): how credentials are encrypted at rest.
//! - [`Error`]: everything that may go wrong here; [`Trouble`]: what a database means by its errors.
//! - `kept.rs`: text of others as it is kept; a refused row apart from its neighbours.
//! - One file per group of tables: [`org`], [`account`], [`session`], [`login_failure`], [`image_store`],
//!   [`project`], [`item`], [`run`], [`part`], [`run_cancel`], [`run_result`], [`run_log`], [`synced_tag`],
//!   [`schedule`] and what of it fires ([`schedule_fire`]), [`house_run`], [`tasko_run`],
//!   [`statistics`], [`audit`], [`worker`], [`notify`],
//!   [`notification`]. Their functions are plain, take a [`DbConnection`]
//!   and, for whatever an organisation owns, the organisation's id: a row of another organisation
//!   is not there. Lists are paged by key.
//!
//! Every time is UTC, as [`Moment`]. Options of stores, projects and items are JSON text here;
//! their meaning is the service's business.

#[macro_use]
mod macros;

pub mod account;
pub mod audit;
mod connection;
mod db;
mod error;
pub mod house_run;
pub mod image_store;
pub mod item;
mod kept;
mod link;
pub mod login_failure;
mod migrate;
pub mod notification;
pub mod notify;
pub mod org;
pub mod part;
mod pool;
pub mod project;
pub mod run;
pub mod run_cancel;
pub mod run_log;
pub mod run_result;
pub mod schedule;
pub mod schedule_fire;
pub mod schema;
mod seal;
pub mod session;
pub mod statistics;
pub mod synced_tag;
pub mod tasko_run;
mod trouble;
pub mod worker;

pub use connection::{DbConnection, Limits};
pub use db::{Db, DbOptions};
pub use error::Error;
pub use seal::{SealError, SealKey};
pub use trouble::Trouble;

/// A point in time, UTC.
pub type Moment = chrono::NaiveDateTime;

/// The time of this machine, UTC, in microseconds: what both databases keep.
pub fn now() -> Moment {
    use chrono::SubsecRound as _;
    chrono::Utc::now().naive_utc().trunc_subsecs(6)
}
