//! What a server and a worker have in common: the data directory, the database, a name of their
//! own, and the tasks that work in the background.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::config::{Config, Settings};
use crate::notify::Notifier;
use crate::oci::policy::server_policy_set;
use crate::private_file;
use crate::store::notify::Listener;
use crate::store::worker::{NewWorker, worker_register};
use crate::store::{Db, DbOptions, SealKey};
use crate::supervisor::{Supervisor, TaskEnded};
use crate::taskomatic::{
    Housekeeper, LeaseRules, Limits, LostParts, Notifications, Scheduler, Worker, WorkerOptions,
    listen,
};
use crate::time_zone::server_zone_set;

use super::CliError;
use super::args::NodeArguments;
use super::file::password_of_key;

/// Locked as long as a process uses the data directory.
const LOCK_FILE: &str = "lock";
/// Where the SQLite database is that was opened here.
const DATABASE_FILE: &str = "database";
/// What tells this installation's worker from others.
const WORKER_FILE: &str = "worker-id";
/// How long what works in the background may take to end, beside the grace time of tags under way.
const LAST_WORDS: Duration = Duration::from_secs(40);

/// A process at a database.
pub(super) struct Node {
    pub(super) config: Config,
    pub(super) db: Db,
    /// How people are told.
    pub(super) notifier: Arc<Notifier>,
    /// Notified when something was put into the queue.
    pub(super) queue_wake: Arc<Notify>,
    /// Notified when a run is to end.
    pub(super) cancel_wake: Arc<Notify>,
    /// Held as long as the process lives.
    _locks: Vec<fs::File>,
}

impl Node {
    /// Opens what the configuration names.
    pub(super) async fn open(config: Config) -> Result<Node, CliError> {
        server_zone_set(config.time_zone);
        server_policy_set(config.registries.clone());
        data_dir_make(&config.data_dir)?;
        let mut locks = vec![data_dir_lock(&config.data_dir)?];
        if let Some(database) = config.sqlite_file() {
            database_missed(&config.data_dir, database)?;
            locks.push(database_lock(database)?);
        }
        let notifier = Notifier::new(&config.receivers).map_err(CliError::input)?;
        let db = db_open(&config).await?;
        if let Some(database) = config.sqlite_file() {
            database_note(&config.data_dir, database)?;
        }
        Ok(Node {
            db,
            config,
            notifier: Arc::new(notifier),
            queue_wake: Arc::default(),
            cancel_wake: Arc::default(),
            _locks: locks,
        })
    }

    /// Starts what works in the background; the queue only where `works`.
    pub(super) async fn start(&self, works: bool) -> Result<Supervisor, CliError> {
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
        if works {
            let options = WorkerOptions {
                name: self.worker_name().await?,
                slots: config.worker_slots,
                leases,
                limits: Limits {
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
            tasks.spawn("house-keeping", keeper.run(stop.clone()));
            let worker = Worker::new(db.clone(), options, queue_wake(), cancel_wake());
            tasks.spawn("worker", worker.run(stop.clone()));
        } else {
            let lost = LostParts::new(db.clone(), leases, queue_wake());
            tasks.spawn("search for lost parts", lost.run(stop.clone()));
        }
        Ok(tasks)
    }

    /// Ends what works in the background: in order, and with an error where one of the tasks had
    /// `failed`. Then the others get their time all the same.
    pub(super) async fn end(
        &self,
        tasks: Supervisor,
        failed: Option<TaskEnded>,
    ) -> Result<(), CliError> {
        tracing::info!("stopping: tags under way are finished, the rest is left for later");
        let time = self.config.grace + LAST_WORDS;
        let ended = tokio::time::timeout(time, tasks.end()).await;
        let ended = ended.unwrap_or_else(|_| {
            tracing::warn!("not all that works in the background ended in time");
            Ok(())
        });
        match (failed, ended) {
            (Some(failed), _) | (None, Err(failed)) => Err(CliError::Failed(failed.to_string())),
            (None, Ok(())) => Ok(()),
        }
    }

    /// The worker's name, the same after a restart: what it left behind is told by it. One that
    /// lives elsewhere already came here with a copy of its data directory, so that this one gets
    /// a name of its own.
    async fn worker_name(&self) -> Result<String, CliError> {
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let host = host_name();
        let file = self.config.data_dir.join(WORKER_FILE);
        let directory = fs::canonicalize(&self.config.data_dir).map_err(CliError::input)?;
        let mut name = match fs::read_to_string(&file) {
            Ok(name) if !name.trim().is_empty() => name.trim().to_owned(),
            _ => name_new(&file, &host)?,
        };
        loop {
            let new = NewWorker {
                id: name.clone(),
                host: host.clone(),
                directory: directory.display().to_string(),
                slots: number(self.config.worker_slots),
                lease_seconds: i64::try_from(self.config.lease.as_secs()).unwrap_or(i64::MAX),
                host_parts: self.config.host_parts.map(number),
                org_parts: self.config.org_parts.map(number),
            };
            let lost_after = self.config.lease;
            let mine = self
                .db
                .run(move |conn| worker_register(conn, &new, lost_after))
                .await
                .map_err(CliError::input)?;
            if mine {
                return Ok(name);
            }
            tracing::warn!("the worker `{name}` lives elsewhere: this one takes another name");
            name = name_new(&file, &host)?;
        }
    }
}

/// Waits until the process is asked to end; or, `Some`, until a task has ended that it can't do without.
pub(super) async fn until_end(
    asked: impl Future<Output = ()>,
    tasks: &mut Supervisor,
) -> Option<TaskEnded> {
    tokio::select! {
        () = asked => None,
        failed = tasks.failed() => Some(failed),
    }
}

/// The configuration that the arguments, the environment and the file give; `further` are flags of
/// one command only.
pub(super) fn settings<const N: usize>(
    arguments: &NodeArguments,
    further: [(&'static str, Option<String>); N],
) -> Result<Settings, CliError> {
    let flags: BTreeMap<&'static str, String> = [
        ("data_dir", arguments.data_dir.clone()),
        ("database", arguments.database.clone()),
        (
            "database_password_file",
            arguments.database_password_file.clone(),
        ),
        ("key_file", arguments.key_file.clone()),
        ("worker_slots", arguments.worker_slots.clone()),
        ("time_zone", arguments.time_zone.clone()),
        ("log_level", arguments.log_level.clone()),
        ("log_format", arguments.log_format.clone()),
        ("webhook_url", arguments.webhook_url.clone()),
        ("smtp_url", arguments.smtp_url.clone()),
        ("mail_from", arguments.mail_from.clone()),
        ("mail_to", arguments.mail_to.clone()),
    ]
    .into_iter()
    .chain(further)
    .filter_map(|(key, value)| Some((key, value?)))
    .collect();
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    Settings::collect(&flags, variable, arguments.config.as_deref()).map_err(CliError::input)
}

/// Makes the directory for the owner alone: it holds keys and passwords.
fn data_dir_make(directory: &Path) -> Result<(), CliError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(directory)
        .map_err(|e| CliError::Input(format!("`data_dir`: `{}`: {e}", directory.display())))?;
    if let Some(risk) = private_file::directory_risk(directory) {
        tracing::warn!("the data directory `{}`: {risk}", directory.display());
    }
    Ok(())
}

/// Keeps a second process away: it would have the same worker's name, and take the first one's runs
/// for leftovers.
fn data_dir_lock(directory: &Path) -> Result<fs::File, CliError> {
    file_lock(&directory.join(LOCK_FILE), "data_dir").and_then(|locked| {
        locked.ok_or_else(|| {
            CliError::Input(format!(
                "`data_dir`: `{}` is in use by another registrysync; stop that one, or give this \
                 one a directory of its own",
                directory.display()
            ))
        })
    })
}

/// Keeps a second process away from an SQLite file, whatever it is called and whatever their data
/// directories are: each would take the other's runs for leftovers. The file itself is locked, as a
/// whole (`flock`), which has nothing to do with SQLite's own locks of bytes (`fcntl`). Those would
/// go if this descriptor were closed, so it is kept until the process ends.
fn database_lock(database: &Path) -> Result<fs::File, CliError> {
    file_lock(database, "database")?.ok_or_else(|| {
        CliError::Input(format!(
            "`database`: `{}` is in use by another registrysync, and SQLite is for one process; \
             stop that one, or let them share a PostgreSQL database",
            database.display()
        ))
    })
}

/// Refuses to begin anew where there was a database: its file was moved, or its disk isn't there.
fn database_missed(directory: &Path, database: &Path) -> Result<(), CliError> {
    let note = directory.join(DATABASE_FILE);
    let Ok(known) = fs::read_to_string(&note) else {
        return Ok(());
    };
    let is_there = fs::metadata(database).is_ok_and(|meta| meta.len() > 0);
    if is_there || known.trim_end() != absolute(database) {
        return Ok(());
    }
    Err(CliError::Input(format!(
        "`database`: `{}` was here and is gone: put it back, or a backup of it; to begin with an \
         empty one, remove `{}`",
        database.display(),
        note.display()
    )))
}

/// Notes that the database is there, for [`database_missed`].
fn database_note(directory: &Path, database: &Path) -> Result<(), CliError> {
    let note = directory.join(DATABASE_FILE);
    let place = absolute(database);
    if fs::read_to_string(&note).is_ok_and(|known| known.trim_end() == place) {
        return Ok(());
    }
    private_write(&note, &place)
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path)
        .unwrap_or_else(|_| path.to_owned())
        .display()
        .to_string()
}

/// Locks a file until the process ends, however that ends; `None` where another one has it.
fn file_lock(path: &Path, key: &str) -> Result<Option<fs::File>, CliError> {
    let fail = |e: std::io::Error| {
        CliError::Input(format!(
            "`{key}`: `{}` can't be locked: {e}",
            path.display()
        ))
    };
    let mut options = fs::OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.create(true).append(true).open(path).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(e)) => Err(fail(e)),
    }
}

async fn db_open(config: &Config) -> Result<Db, CliError> {
    let (url, key_file) = (config.database.clone(), config.key_file.clone());
    let password = config.database_password_file.as_deref();
    let options = DbOptions {
        password: password
            .map(|path| password_of_key("database_password_file", path))
            .transpose()?,
        ..DbOptions::default()
    };
    let opened = tokio::task::spawn_blocking(move || -> Result<Db, CliError> {
        let key = SealKey::from_file(&key_file).map_err(CliError::input)?;
        Db::open_with(&url, key, options).map_err(|error| {
            if error.is_healed_by_waiting() {
                CliError::Unreachable(error.to_string())
            } else {
                CliError::input(error)
            }
        })
    });
    opened.await.map_err(CliError::input)?
}

/// Writes a file that only its owner can read.
pub(super) fn private_write(path: &Path, text: &str) -> Result<(), CliError> {
    private_file::replace(path, format!("{text}\n").as_bytes())
        .map_err(|e| CliError::Input(format!("`{}`: {e}", path.display())))
}

fn host_name() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match host.trim() {
        "" => "worker".to_owned(),
        host => host.to_owned(),
    }
}

/// Makes a name, and keeps it.
fn name_new(file: &Path, host: &str) -> Result<String, CliError> {
    let mut random = [0u8; 4];
    getrandom::fill(&mut random).map_err(CliError::input)?;
    let name = format!("{host}-{}", hex::encode(random));
    private_write(file, &name)?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::{Node, until_end};
    use crate::cli::CliError;
    use crate::config::Settings;
    use crate::supervisor::Supervisor;
    use std::collections::BTreeMap;
    use std::future::{pending, ready};
    use std::path::Path;

    async fn node(directory: &Path) -> Node {
        let flags = BTreeMap::from([("data_dir", directory.display().to_string())]);
        let settings = Settings::collect(&flags, |_| None, None).expect("settings");
        let config = settings.read().expect("a configuration");
        Node::open(config).await.expect("a node")
    }

    /// With a task that goes on until it is told to end.
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
                matches!(&error, CliError::Failed(text) if text.contains("the worker has ended")),
                "{error}"
            );
            assert_eq!(error.code(), 1);
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
