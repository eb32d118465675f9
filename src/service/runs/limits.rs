//! How much may be worked on at once, and what may not be started because of it.

use std::collections::HashMap;

use crate::service::Error;
use crate::service::stores::settings::host_of;
use crate::store::DbConnection;
use crate::store::runs::part::RunningPart;
use crate::store::runs::queue::Barred;
use crate::store::stores::image_store::{StorePlace, image_store_places};

/// How much may be worked on at once, over all nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunLimits {
    /// Parts that read from or write to one registry host.
    pub per_host: Option<usize>,
    /// Parts of one organisation.
    pub per_org: Option<usize>,
}

/// What these running parts have brought to its limit.
pub fn barred(
    conn: &mut DbConnection,
    running: &[RunningPart],
    limits: RunLimits,
) -> Result<Barred, Error> {
    let mut barred = Barred::default();
    if running.is_empty() {
        return Ok(barred);
    }
    if let Some(limit) = limits.per_org {
        barred.orgs = full(running.iter().map(|part| part.org_id), limit);
    }
    // No host can have more parts than there are.
    if let Some(limit) = limits.per_host.filter(|limit| running.len() >= *limit) {
        barred.stores = full_stores(conn, running, limit)?;
    }
    Ok(barred)
}

/// The stores at hosts that have reached the limit.
fn full_stores(
    conn: &mut DbConnection,
    running: &[RunningPart],
    limit: usize,
) -> Result<Vec<i64>, Error> {
    let mut ids: Vec<i64> = running
        .iter()
        .flat_map(|part| [part.src_store_id, part.dest_store_id])
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let hosts = hosts(conn, Some(&ids))?;
    let touched = running.iter().flat_map(|part| {
        let source = hosts.get(&part.src_store_id);
        let target = hosts.get(&part.dest_store_id);
        source
            .into_iter()
            .chain(target.filter(|t| source != Some(*t)))
    });
    let full = full(touched, limit);
    if full.is_empty() {
        return Ok(Vec::new());
    }
    // Other stores may be at the same hosts.
    let all = self::hosts(conn, None)?;
    let in_full = all.into_iter().filter(|(_, host)| full.contains(&host));
    Ok(in_full.map(|(id, _)| id).collect())
}

/// The hosts of these stores, or of all.
fn hosts(conn: &mut DbConnection, ids: Option<&[i64]>) -> Result<HashMap<i64, String>, Error> {
    let places = image_store_places(conn, ids)?;
    let host = |place: &StorePlace| Some((place.id, host_of(&place.uri, &place.options)?));
    Ok(places.iter().filter_map(host).collect())
}

/// Values that occur at least this often.
fn full<T: Eq + std::hash::Hash>(all: impl Iterator<Item = T>, limit: usize) -> Vec<T> {
    let mut counts: HashMap<T, usize> = HashMap::new();
    for one in all {
        *counts.entry(one).or_default() += 1;
    }
    let full = counts.into_iter().filter(|(_, count)| *count >= limit);
    full.map(|(one, _)| one).collect()
}
