//! Registries that turned out to be out of reach, or to take no more requests: what still needs one
//! of them isn't tried again, and what needs others goes on.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::oci::Error;
use crate::sync::error::SyncError;

/// Found during one plan or run, by host.
#[derive(Default)]
pub(in crate::sync) struct Unreachable {
    hosts: Mutex<BTreeMap<String, SyncError>>,
}

impl Unreachable {
    /// Takes the failure of a tag between two registries in, if it means that of one of them: also
    /// where the one that failed is another host that it needs (its token server, its storage).
    pub(in crate::sync) fn note(&self, source: &str, target: &str, error: &SyncError) {
        let host = match error {
            SyncError::Source(_) => source,
            _ => target,
        };
        let shut = |failure: &&Error| failure.is_unreachable() || failure.is_rate_limited();
        if error.registry().is_some_and(|failure| shut(&failure)) {
            self.lock()
                .entry(host.to_owned())
                .or_insert_with(|| error.clone());
        }
    }

    /// The failure of one of the hosts, the source's and the target's if that is given, if one is
    /// out of reach. It is told of the host, not of what was tried there first.
    pub(in crate::sync) fn find(&self, source: &str, target: Option<&str>) -> Option<SyncError> {
        let known = self.lock();
        let failure = |host: &str| {
            let failure = known.get(host)?.registry()?;
            Some(
                failure
                    .clone()
                    .told_of("not tried, since an earlier request failed"),
            )
        };
        let of_target = || target.and_then(failure).map(SyncError::Target);
        failure(source).map(SyncError::Source).or_else(of_target)
    }

    /// All of them, in words.
    pub(in crate::sync) fn summary(&self) -> Option<String> {
        let texts: Vec<String> = self.lock().values().map(ToString::to_string).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, SyncError>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
