//! The name of a worker in the database.

use std::fs;
use std::path::Path;

use super::{NodeError, private_write};
use crate::config::Config;
use crate::store::Db;
use crate::store::runs::worker::{NewWorker, worker_register};

/// Distinguishes this installation's worker from others.
const WORKER_FILE: &str = "worker-id";

/// Registers this worker. Its name survives restarts, so that it can find the parts that it left
/// behind. If the name is in use elsewhere (the data directory was copied), it gets a new one.
pub(super) async fn register(db: &Db, config: &Config) -> Result<String, NodeError> {
    let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let host = host_name();
    let file = config.data_dir.join(WORKER_FILE);
    let directory = fs::canonicalize(&config.data_dir).map_err(NodeError::input)?;
    let mut name = match fs::read_to_string(&file) {
        Ok(name) if !name.trim().is_empty() => name.trim().to_owned(),
        _ => name_new(&file, &host)?,
    };
    loop {
        let new = NewWorker {
            id: name.clone(),
            host: host.clone(),
            directory: directory.display().to_string(),
            slots: number(config.worker_slots),
            lease_seconds: i64::try_from(config.lease.as_secs()).unwrap_or(i64::MAX),
            host_parts: config.host_parts.map(number),
            org_parts: config.org_parts.map(number),
        };
        let lost_after = config.lease;
        let mine = db
            .run(move |conn| worker_register(conn, &new, lost_after))
            .await
            .map_err(NodeError::input)?;
        if mine {
            return Ok(name);
        }
        tracing::warn!(
            "the worker name `{name}` is in use elsewhere: this worker takes another name"
        );
        name = name_new(&file, &host)?;
    }
}

fn host_name() -> String {
    let host = hostname::get().map(|host| host.to_string_lossy().trim().to_owned());
    host.ok()
        .filter(|host| !host.is_empty())
        .unwrap_or_else(|| "worker".to_owned())
}

/// Generates a name and saves it.
fn name_new(file: &Path, host: &str) -> Result<String, NodeError> {
    let mut random = [0u8; 4];
    getrandom::fill(&mut random).map_err(NodeError::input)?;
    let name = format!("{host}-{}", hex::encode(random));
    private_write(file, &name)?;
    Ok(name)
}
