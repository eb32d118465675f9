//! The common part of `serve` and `worker`: opens what the configuration names, starts the background
//! tasks, and stops them in order.
//!
//! - [`Node`]: a process with a database; [`Database`]: only the database, for administration commands.
//! - `data_dir`: the data directory and its locks; `worker_name`: the name of a worker in the database.
//! - [`Supervisor`] (`supervisor`): the essential tasks.
//! - [`NodeError`] (`error`): why a node can't start or continue.

mod data_dir;
mod error;
mod supervisor;
mod worker_name;

pub use error::NodeError;
pub use supervisor::{Supervisor, TaskEnded};

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use secrecy::SecretString;
use tokio::sync::Notify;

use crate::config::Config;
use crate::notify::Notifier;
use crate::oci::network::policy::server_policy_set;
use crate::private_file;
use crate::store::base::channel::Listener;
use crate::store::{Db, DbOptions, SealKey};
use crate::taskomatic::{
    Housekeeper, LeaseRules, LostParts, Notifications, RunLimits, Scheduler, Worker, WorkerOptions,
    listen,
};
use crate::time_zone::server_zone_set;

use data_dir::{DataDir, IfLocked, database_note};

/// How long background tasks may take to end, in addition to the grace time of tags in progress.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(40);

/// A process with a database.
#[derive(Debug)]
pub struct Node {
    /// Its configuration.
    pub config: Config,
    /// The database.
    pub db: Db,
    /// Sends notifications.
    pub notifier: Arc<Notifier>,
    /// Notified when something was queued.
    pub queue_wake: Arc<Notify>,
    /// Notified when a run should end.
    pub cancel_wake: Arc<Notify>,
    /// Held as long as the process lives: it has the locks.
    _data_dir: DataDir,
}

impl Node {
    /// Opens what the configuration names.
    pub async fn open(config: Config) -> Result<Node, NodeError> {
        server_zone_set(config.time_zone);
        server_policy_set(config.registries.clone());
        let data_dir = DataDir::open(&config, &IfLocked::NODE)?;
        let notifier = Notifier::new(&config.receivers).map_err(NodeError::input)?;
        let db = db_open(&config).await?;
        database_note(&config)?;
        Ok(Node {
            db,
            config,
            notifier: Arc::new(notifier),
            queue_wake: Arc::default(),
            cancel_wake: Arc::default(),
            _data_dir: data_dir,
        })
    }

    /// Starts the background tasks; the queue only if `works`.
    pub async fn start(&self, runs_worker: bool) -> Result<Supervisor, NodeError> {
        let mut tasks = Supervisor::default();
        let stop = tasks.stop().clone();
        let (db, config) = (&self.db, &self.config);
        let leases = LeaseRules {
            lost_after: config.lease,
            attempts: config.attempts,
        };
        let queue_wake = || Arc::clone(&self.queue_wake);
        let cancel_wake = || Arc::clone(&self.cancel_wake);
        let scheduler = Scheduler::new(db.clone(), config.schedule_rules, queue_wake());
        tasks.spawn("scheduler", scheduler.run(stop.clone()));
        let notifications = Notifications::new(db.clone(), Arc::clone(&self.notifier));
        tasks.spawn("sender of notifications", notifications.run(stop.clone()));
        if runs_worker {
            let options = WorkerOptions {
                name: worker_name::register(&self.db, config).await?,
                slots: config.worker_slots,
                leases,
                limits: RunLimits {
                    per_host: config.host_parts,
                    per_org: config.org_parts,
                },
                grace: config.grace,
            };
            if let Some(listener) = Listener::of(db) {
                let heard = listen(listener, queue_wake(), cancel_wake(), stop.clone());
                tasks.spawn("listener for other nodes", heard);
            }
            let keeper = Housekeeper::new(db.clone(), options.name.clone(), config.history);
            tasks.spawn("housekeeping", keeper.run(stop.clone()));
            let worker = Worker::new(db.clone(), options, queue_wake(), cancel_wake());
            tasks.spawn("worker", worker.run(stop.clone()));
        } else {
            let lost = LostParts::new(db.clone(), leases, queue_wake());
            tasks.spawn("search for lost parts", lost.run(stop.clone()));
        }
        Ok(tasks)
    }

    /// Stops the background tasks in order; an error if one of them had `failed`. The others get
    /// their time anyway.
    pub async fn end(&self, tasks: Supervisor, failed: Option<TaskEnded>) -> Result<(), NodeError> {
        tracing::info!("stopping: finishing tags in progress; the rest is left for later");
        let time = self.config.grace + SHUTDOWN_GRACE;
        let ended = tokio::time::timeout(time, tasks.end()).await;
        let ended = ended.unwrap_or_else(|_| {
            tracing::warn!("not all background tasks ended in time");
            Ok(())
        });
        match (failed, ended) {
            (Some(failed), _) | (None, Err(failed)) => Err(failed.into()),
            (None, Ok(())) => Ok(()),
        }
    }
}

/// Waits until the process is asked to end; or, `Some`, until an essential task has ended.
pub async fn until_end(
    asked: impl Future<Output = ()>,
    tasks: &mut Supervisor,
) -> Option<TaskEnded> {
    tokio::select! {
        () = asked => None,
        failed = tasks.failed() => Some(failed),
    }
}

/// A server's database, for a command that uses it once. On SQLite, the server must not run
/// meanwhile.
#[derive(Debug)]
pub struct Database {
    /// The database.
    pub db: Db,
    /// Held as long as the command runs: it has the locks.
    _data_dir: Option<DataDir>,
}

impl Database {
    /// Opens what the configuration names; never creates a database.
    pub async fn open(config: &Config) -> Result<Database, NodeError> {
        let file = config.sqlite_file();
        let files = [("database", file), ("key_file", Some(&*config.key_file))];
        for (key, path) in files {
            if let Some(path) = path.filter(|path| !path.exists()) {
                return Err(NodeError::Input(format!(
                    "`{key}`: `{}` doesn't exist: give the server's data directory (`--data-dir`) or its \
                     configuration (`--config`)",
                    path.display()
                )));
            }
        }
        let data_dir = file
            .map(|_| DataDir::open(config, &IfLocked::COMMAND))
            .transpose()?;
        let db = db_open(config).await?;
        Ok(Database {
            db,
            _data_dir: data_dir,
        })
    }
}

async fn db_open(config: &Config) -> Result<Db, NodeError> {
    let (url, key_file) = (config.database.clone(), config.key_file.clone());
    let password = config.database_password_file.as_deref();
    let options = DbOptions {
        password: password
            .map(|path| password_of_key("database_password_file", path))
            .transpose()?,
        ..DbOptions::default()
    };
    let opened = tokio::task::spawn_blocking(move || -> Result<Db, NodeError> {
        let key = SealKey::from_file(&key_file).map_err(NodeError::input)?;
        Db::open_with(&url, key, options).map_err(|error| {
            if error.is_healed_by_waiting() {
                NodeError::Unreachable(error.to_string())
            } else {
                NodeError::input(error)
            }
        })
    });
    opened.await.map_err(NodeError::input)?
}

/// The password in a file named by a configuration key. A pipe is refused: without a writer it
/// would block the start forever.
pub fn password_of_key(key: &str, path: &Path) -> Result<SecretString, NodeError> {
    let is_file = fs::metadata(path).map(|meta| meta.is_file());
    let password = match is_file {
        Ok(true) => private_file::password_read(path),
        Ok(false) => Err(io::Error::other("it isn't a file")),
        Err(error) => Err(error),
    };
    if private_file::is_open_to_others(path) {
        tracing::warn!(
            "other users can read the password file `{}`: restrict it to its owner (chmod 600)",
            path.display()
        );
    }
    password.map_err(|error| NodeError::Input(format!("`{key}`: `{}`: {error}", path.display())))
}

/// Writes a file that only its owner can read.
pub fn private_write(path: &Path, text: &str) -> Result<(), NodeError> {
    private_file::replace(path, format!("{text}\n").as_bytes())
        .map_err(|e| NodeError::Input(format!("`{}`: {e}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::{Node, NodeError, Supervisor, until_end};
    use crate::config::Settings;
    use std::collections::BTreeMap;
    use std::future::{pending, ready};
    use std::path::Path;

    async fn node(directory: &Path) -> Node {
        let flags = BTreeMap::from([("data_dir", directory.display().to_string())]);
        let settings = Settings::collect(&flags, |_| None, None).expect("settings");
        let config = settings.read().expect("a configuration");
        Node::open(config).await.expect("a node")
    }

    /// With a task that runs until it is stopped.
    fn supervisor() -> Supervisor {
        let mut tasks = Supervisor::default();
        let stop = tasks.stop().clone();
        tasks.spawn("scheduler", async move { stop.cancelled().await });
        tasks
    }

    #[tokio::test]
    async fn a_process_ends_with_code_1_when_one_of_its_tasks_does() {
        let directory = tempfile::tempdir().expect("a directory");
        let node = node(directory.path()).await;
        for panics in [true, false] {
            let mut tasks = supervisor();
            tasks.spawn("worker", async move { assert!(!panics, "a fault of ours") });
            let failed = until_end(pending(), &mut tasks).await;
            let failed = failed.expect("it is noticed");
            assert_eq!((failed.name, failed.panicked), ("worker", panics));
            let error = node.end(tasks, Some(failed)).await.expect_err("an error");
            assert!(
                matches!(&error, NodeError::Task(task) if task.name == "worker"),
                "{error}"
            );
        }
    }

    #[tokio::test]
    async fn a_process_that_is_asked_to_end_does_in_order() {
        let directory = tempfile::tempdir().expect("a directory");
        let node = node(directory.path()).await;
        let mut tasks = supervisor();
        assert!(until_end(ready(()), &mut tasks).await.is_none());
        node.end(tasks, None).await.expect("no task has failed");
    }
}
