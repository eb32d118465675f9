//! The use cases: what an account may ask for, independent of the wire.
//!
//! Reading order:
//! - [`error`]: the one error of this layer; [`caller`]: who asks; [`paging`]: lists page by page; `label`: what a label may be; [`batches`]: large
//!   deletions, a step a transaction.
//! - [`access`]: accounts, sessions, roles and organisations.
//! - [`stores`]: the registries that are known, and what is in them.
//! - [`projects`]: what is copied from where to where.
//! - [`runs`]: from a stored project to work for the engine, and what came of it.
//! - [`schedules`]: when projects run by themselves.
//! - [`trail`]: who did what, numbers for dashboards, and messages to people.
//!
//! Nothing here knows HTTP, XML or SQL.

pub mod access;
pub mod batches;
pub mod caller;
pub mod error;
mod label;
pub mod paging;
pub mod projects;
pub mod runs;
pub mod schedules;
pub mod stores;
pub mod trail;

pub use crate::store::Cause;
pub use access::account::{LoginPolicy, Logins};
pub use access::role::Role;
pub use caller::Caller;
pub use error::Error;
pub use runs::logger::RunLogger;
pub use runs::watch::{RunEvent, RunWakes, RunWatch};
pub use schedules::rules::{Misfire, ScheduleRules};

use std::sync::Arc;

use tokio::sync::Notify;

use crate::notify::Notifier;
use crate::store::Db;

/// What every use case works on: one value for the life of the server.
#[derive(Debug)]
pub struct App {
    /// The database.
    pub db: Db,
    /// Password checks and their limits.
    pub logins: Logins,
    /// Notified when a run was put into the queue: this process's worker looks at once.
    pub queue_wake: Arc<Notify>,
    /// What schedules must keep to.
    pub schedule_rules: ScheduleRules,
    /// Notified when a run is to end: this process's worker looks at once.
    pub cancel_wake: Arc<Notify>,
    /// How people are told.
    pub notifier: Arc<Notifier>,
    /// What wakes those who watch a run.
    pub run_wakes: RunWakes,
}

impl App {
    /// The use cases on `db`; nobody is told of anything.
    pub fn new(db: Db, logins: Logins) -> App {
        App {
            db,
            logins,
            queue_wake: Arc::default(),
            cancel_wake: Arc::default(),
            schedule_rules: ScheduleRules::default(),
            notifier: Arc::default(),
            run_wakes: RunWakes::default(),
        }
    }

    /// The same with other rules for schedules.
    #[must_use]
    pub fn with_schedule_rules(self, schedule_rules: ScheduleRules) -> App {
        App {
            schedule_rules,
            ..self
        }
    }

    /// The same, telling people by `notifier`.
    #[must_use]
    pub fn with_notifier(self, notifier: Notifier) -> App {
        App {
            notifier: Arc::new(notifier),
            ..self
        }
    }
}
