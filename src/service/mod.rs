//! The use cases: what an account can do, independent of the wire.
//!
//! Reading order:
//! - [`error`]: the error of this layer; [`caller`]: who calls; [`paging`]: lists page by page;
//!   `label`: rules for labels; [`batches`]: large deletions in small transactions.
//! - [`access`]: accounts, sessions, roles and organisations.
//! - [`stores`]: the known registries, and their content.
//! - [`projects`]: what is copied from where to where.
//! - [`runs`]: from a stored project to work for the engine, and its results.
//! - [`schedules`]: when projects run automatically.
//! - [`trail`]: who did what, numbers for dashboards, and notifications.
//!
//! Nothing here depends on HTTP, XML or SQL.

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
pub use runs::plans::turns::PlanTurns;
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
    /// Notified when a run was queued: this process's worker checks the queue at once.
    pub queue_wake: Arc<Notify>,
    /// The rules of schedules.
    pub schedule_rules: ScheduleRules,
    /// Notified when a run should end: this process's worker checks at once.
    pub cancel_wake: Arc<Notify>,
    /// Sends notifications.
    pub notifier: Arc<Notifier>,
    /// Wakes the watchers of a run.
    pub run_wakes: RunWakes,
    /// The plans that are being made.
    pub plan_turns: PlanTurns,
}

impl App {
    /// The use cases on `db`; without notifications.
    pub fn new(db: Db, logins: Logins) -> App {
        App {
            db,
            logins,
            queue_wake: Arc::default(),
            cancel_wake: Arc::default(),
            schedule_rules: ScheduleRules::default(),
            notifier: Arc::default(),
            run_wakes: RunWakes::default(),
            plan_turns: PlanTurns::default(),
        }
    }

    /// The same with other schedule rules.
    #[must_use]
    pub fn with_schedule_rules(self, schedule_rules: ScheduleRules) -> App {
        App {
            schedule_rules,
            ..self
        }
    }

    /// The same, with notifications by `notifier`.
    #[must_use]
    pub fn with_notifier(self, notifier: Notifier) -> App {
        App {
            notifier: Arc::new(notifier),
            ..self
        }
    }
}
