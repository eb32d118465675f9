//! The data directory: made for its owner alone, locked against a second process, and never a new database in the
//! place of one that is gone.

use std::fs;
use std::path::Path;

use super::{NodeError, private_write};
use crate::config::Config;
use crate::private_file;

/// Locked as long as a process uses the data directory.
const LOCK_FILE: &str = "lock";
/// Where the SQLite database is that was opened here.
const DATABASE_FILE: &str = "database";

/// The data directory and the SQLite file, locked until this is dropped.
#[derive(Debug)]
pub(super) struct DataDir {
    _locks: Vec<fs::File>,
}

impl DataDir {
    pub(super) fn open(config: &Config) -> Result<DataDir, NodeError> {
        data_dir_make(&config.data_dir)?;
        let mut locks = vec![data_dir_lock(&config.data_dir)?];
        if let Some(database) = config.sqlite_file() {
            database_missed(&config.data_dir, database)?;
            locks.push(database_lock(database)?);
        }
        Ok(DataDir { _locks: locks })
    }
}

/// Notes that the database is there: a start without it is refused from now on.
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

/// Makes the directory for the owner alone: it holds keys and passwords.
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

/// Keeps a second process away: it would have the same worker's name, and take the first one's runs
/// for leftovers.
fn data_dir_lock(directory: &Path) -> Result<fs::File, NodeError> {
    file_lock(&directory.join(LOCK_FILE), "data_dir").and_then(|locked| {
        locked.ok_or_else(|| {
            NodeError::Input(format!(
                "`data_dir`: `{}` is in use by another registrysync: stop it, or give this \
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
fn database_lock(database: &Path) -> Result<fs::File, NodeError> {
    file_lock(database, "database")?.ok_or_else(|| {
        NodeError::Input(format!(
            "`database`: `{}` is in use by another registrysync, and SQLite allows only one process: \
             stop it, or let them share a PostgreSQL database",
            database.display()
        ))
    })
}

/// Refuses to begin anew where there was a database: its file was moved, or its disk isn't there.
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

/// Locks a file until the process ends, however that ends; `None` where another one has it.
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
