//! How much may be worked on at once, and what may not be begun because of it.

use std::collections::HashMap;

use super::Error;
use super::store_settings::store_host;
use crate::store::DbConnection;
use crate::store::image_store::image_store_all;
use crate::store::part::RunningPart;
use crate::store::run::Barred;

/// How much may be worked on at once, over all nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Parts that read from or write to one registry host.
    pub per_host: Option<usize>,
    /// Parts of one organisation.
    pub per_org: Option<usize>,
}

/// What has reached a limit, of these parts that are worked on.
pub fn barred(
    conn: &mut DbConnection,
    running: &[RunningPart],
    limits: Limits,
) -> Result<Barred, Error> {
    let mut barred = Barred::default();
    if let Some(limit) = limits.per_org {
        barred.orgs = full(running.iter().map(|part| part.org_id), limit);
    }
    if let Some(limit) = limits.per_host {
        let hosts: HashMap<i64, String> = image_store_all(conn)?
            .iter()
            .filter_map(|store| Some((store.id, store_host(store)?)))
            .collect();
        let touched = running.iter().flat_map(|part| {
            let source = hosts.get(&part.src_store_id);
            let target = hosts.get(&part.dest_store_id);
            source
                .into_iter()
                .chain(target.filter(|t| source != Some(*t)))
        });
        let full = full(touched, limit);
        let in_full = |(id, host): (&i64, &String)| full.contains(&host).then_some(*id);
        barred.stores = hosts.iter().filter_map(in_full).collect();
    }
    Ok(barred)
}

/// What occurs so often, or more.
fn full<T: Eq + std::hash::Hash>(all: impl Iterator<Item = T>, limit: usize) -> Vec<T> {
    let mut counts: HashMap<T, usize> = HashMap::new();
    for one in all {
        *counts.entry(one).or_default() += 1;
    }
    let full = counts.into_iter().filter(|(_, count)| *count >= limit);
    full.map(|(one, _)| one).collect()
}
