//! The use cases: what an account may ask for, independent of the wire.
//!
//! Reading order:
//! - [`role`]: roles and what they imply.
//! - [`caller`]: who asks; only a checked session makes one.
//! - [`session`]: keys, their check and their renewal.
//! - [`project`], [`item`]: what is copied from where to where; [`project_settings`] are their
//!   options, [`places`] says where things come from and go to.
//! - [`run_history`]: what became of runs.
//! - [`error`]: the one error of this layer.
//!
//! Nothing here knows HTTP, XML or SQL.

pub mod caller;
pub mod error;
pub mod item;
pub mod places;
pub mod project;
pub mod project_settings;
pub mod role;
pub mod run_history;
pub mod session;

pub use caller::Caller;
pub use error::Error;
pub use role::Role;

/// What every method works on: one value for the life of the server.
#[derive(Debug)]
pub struct App {
    /// The open sessions.
    pub sessions: session::Sessions,
}
