//! The data directory: accessible only by its owner, locked against a second process, and never with a
//! new database in place of a missing one.

use std::fs;
use std::path::Path;

use super::{NodeError, private_write};
use crate::config::Config;
use crate::private_file;

/// Locked as long as a process uses the data directory.
const LOCK_FILE: &str = "lock";
/// The path of the SQLite database that was opened here.
const DATABASE_FILE: &str = "database";

/// What to do if another process has a lock.
pub(super) struct IfLocked {
    data_dir: &'static str,
    database: &'static str,
}

impl IfLocked {
    /// For a process that stays.
    pub(super) const NODE: Self = Self {
        data_dir: "stop it, or give this one a directory of its own",
        database: "stop it, or let them share a PostgreSQL database",
    };
    /// For a command beside a server.
    pub(super) const COMMAND: Self = Self {
        data_dir: "stop the server first",
        database: "stop the server first",
    };
}

/// The locks of the data directory and the SQLite file, until dropped.
#[derive(Debug)]
pub(super) struct DataDir {
    _locks: Vec<fs::File>,
}

impl DataDir {
    pub(super) fn open(config: &Config, advice: &IfLocked) -> Result<DataDir, NodeError> {
        data_dir_make(&config.data_dir)?;
        let mut locks = vec![data_dir_lock(&config.data_dir, advice.data_dir)?];
        if let Some(database) = config.sqlite_file() {
            database_missed(&config.data_dir, database)?;
            locks.push(database_lock(database, advice.database)?);
        }
        Ok(DataDir { _locks: locks })
    }
}

/// Records that the database exists: from now on, a start without it is refused.
pub(super) fn database_note(config: &Config) -> Result<(), NodeError> {
    let Some(database) = config.sqlite_file() else {
        return Ok(());
    };
    let note = config.data_dir.join(DATABASE_FILE);
    let place = absolute(database);
    if fs::read_to_string(&note).is_ok_and(|known| known.trim_end() == place) {
        return Ok(());
    }
    private_write(&note, &place)
}

/// Creates the directory for its owner only: it has keys and passwords.
fn data_dir_make(directory: &Path) -> Result<(), NodeError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(directory)
        .map_err(|e| NodeError::Input(format!("`data_dir`: `{}`: {e}", directory.display())))?;
    if let Some(risk) = private_file::directory_risk(directory) {
        tracing::warn!("the data directory `{}`: {risk}", directory.display());
    }
    Ok(())
}

/// Excludes a second process: it would have the same worker name, and treat the first one's runs as
/// leftovers.
fn data_dir_lock(directory: &Path, advice: &str) -> Result<fs::File, NodeError> {
    file_lock(&directory.join(LOCK_FILE), "data_dir").and_then(|locked| {
        locked.ok_or_else(|| {
            NodeError::Input(format!(
                "`data_dir`: `{}` is in use by another registrysync: {advice}",
                directory.display()
            ))
        })
    })
}

/// Excludes a second process from an SQLite file, whatever its name and data directory: each would
/// treat the other's runs as leftovers. The whole file is locked (`flock`), independently of
/// SQLite's own locks of bytes (`fcntl`). Closing this descriptor would release those, so it is
/// kept until the process ends.
fn database_lock(database: &Path, advice: &str) -> Result<fs::File, NodeError> {
    file_lock(database, "database")?.ok_or_else(|| {
        NodeError::Input(format!(
            "`database`: `{}` is in use by another registrysync, and SQLite allows only one process: \
             {advice}",
            database.display()
        ))
    })
}

/// Refuses to create a new database if there was one: its file was moved, or its disk isn't
/// mounted.
fn database_missed(directory: &Path, database: &Path) -> Result<(), NodeError> {
    let note = directory.join(DATABASE_FILE);
    let Ok(known) = fs::read_to_string(&note) else {
        return Ok(());
    };
    let is_there = fs::metadata(database).is_ok_and(|meta| meta.len() > 0);
    if is_there || known.trim_end() != absolute(database) {
        return Ok(());
    }
    Err(NodeError::Input(format!(
        "`database`: `{}` existed before and is missing: restore it from a backup; to start with an \
         empty database, remove `{}`",
        database.display(),
        note.display()
    )))
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path)
        .unwrap_or_else(|_| path.to_owned())
        .display()
        .to_string()
}

/// Locks a file until the process ends, however that happens; `None` if another one has the lock.
fn file_lock(path: &Path, key: &str) -> Result<Option<fs::File>, NodeError> {
    let fail = |e: std::io::Error| {
        NodeError::Input(format!(
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
