//! The use cases: what an account may ask for, independent of the wire.
//!
//! Reading order:
//! - [`role`]: what roles imply.
//! - [`caller`]: who asks; only a checked session makes one.
//! - [`account`]: the first account, and logging in; [`password`] hashes, [`login_guard`] slows
//!   down who guesses, `login_failures` tells of it.
//! - [`user`], [`org`]: the other accounts, and the organisations that they belong to;
//!   `user_rules` says what they may be called and who may change them.
//! - [`audit`]: who did what.
//! - [`session`]: keys, their check and their renewal.
//! - [`image_store`]: the registries that are known; [`store_settings`] are their options.
//! - [`project`], [`item`]: what is copied from where to where; [`project_settings`] are their
//!   options, [`places`] says where things come from and go to.
//! - [`registry_browse`]: what is in a registry.
//! - [`job`]: from a stored project to what the engine works on; [`run_start`] plans it or puts a run
//!   into the queue, `run_retry` what is to be tried again; [`run_cancel`] ends it early; [`run_settle`] ends
//!   it when its parts have ended; [`run_history`] says what became of it, and
//!   [`run_watch`] tells while it goes on.
//! - [`schedule`]: when a project runs by itself, by what [`schedule_rules`] hold
//!   (`schedule_line` checks a line, `schedule_reckon` reckons all anew); [`tasko`] is the
//!   same by the names of the job runner, and for house-keeping; [`statistics`]: numbers for dashboards.
//! - [`target_verify`]: whether what was copied still is there; [`Tell`] is the log of such work.
//! - [`notification`]: what people are told of runs.
//! - [`rows`]: lists that are read page by page, and the part of one that is wanted.
//! - [`error`]: the one error of this layer.
//!
//! Nothing here knows HTTP, XML or SQL.

pub mod account;
pub mod audit;
pub mod caller;
pub mod error;
pub mod image_store;
pub mod item;
pub mod job;
pub mod limits;
mod login_failures;
pub mod login_guard;
pub mod notification;
pub mod org;
pub mod password;
pub mod places;
pub mod project;
pub mod project_settings;
pub mod registry_browse;
pub mod role;
pub mod rows;
pub mod run_cancel;
pub mod run_history;
mod run_retry;
pub mod run_settle;
pub mod run_start;
pub mod run_watch;
pub mod schedule;
mod schedule_line;
mod schedule_reckon;
pub mod schedule_rules;
pub mod session;
pub mod statistics;
pub mod steps;
pub mod store_settings;
pub mod target_verify;
pub mod tasko;
mod tell;
pub mod user;
mod user_rules;
pub mod workers;

pub use account::{LoginPolicy, Logins};
pub use caller::Caller;
pub use error::Error;
pub use role::Role;
pub use run_watch::{RunEvent, RunWakes, RunWatch};
pub use schedule_rules::{Misfire, ScheduleRules};
pub use tell::Tell;

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
