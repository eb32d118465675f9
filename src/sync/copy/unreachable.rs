//! Registries that turned out to be unreachable, or to refuse further requests: whatever still needs
//! one of them isn't tried again, everything else continues.

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
    /// Records the failure of a tag between two registries if it means that one of them is
    /// unreachable, even if the failing host is another one that it needs (its token server, its
    /// storage).
    pub(in crate::sync) fn note(&self, source: &str, target: &str, error: &SyncError) {
        let error = error.cause();
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

    /// The failure of the source's host, or the target's if given, if one is unreachable. It names
    /// the host, not what was tried there first.
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

    /// All of them, as text.
    pub(in crate::sync) fn summary(&self) -> Option<String> {
        let texts: Vec<String> = self.lock().values().map(ToString::to_string).collect();
        (!texts.is_empty()).then(|| texts.join("; "))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, SyncError>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
