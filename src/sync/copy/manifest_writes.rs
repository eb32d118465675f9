//! Coordinates manifest writes: no index is written while one of its children is.
//!
//! A registry checks an index's children when the index is pushed. A child being written under another
//! name at that moment may look damaged: docker-registry truncates and rewrites its link.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::oci::registry::manifest::Pushed;
use crate::oci::registry::turn::Turn;
use crate::oci::types::manifest::Content;
use crate::oci::{Digest, Endpoint, Error, Manifest, Reference, Repository};

/// For the whole process, since two projects may write to one repository.
static WRITES: LazyLock<Writes> = LazyLock::new(Writes::default);

/// How long to wait for another writer of the same place, such as another node.
pub(in crate::sync) const PAUSE: Duration = Duration::from_millis(500);

/// How long a look and the right to write are relied on. Shorter than any lease.
pub(in crate::sync) const FRESH: Duration = Duration::from_secs(5);
/// How often both are tried before a request is sent later than that: a registry may be that slow.
pub(in crate::sync) const ROUNDS: usize = 3;

/// Writes a manifest. `again`: all its dependencies were just seen or written, so if the registry
/// reports them missing or damaged, one retry is made.
pub(in crate::sync) async fn manifest_write(
    target: &Endpoint,
    repository: &Repository,
    reference: &Reference,
    manifest: &Manifest,
    again: bool,
) -> Result<Pushed, Error> {
    match put(target, repository, reference, manifest).await {
        Err(error) if again && is_passing(&error) => {
            tracing::debug!(%error, "the target reports missing blobs or manifests; retrying");
            tokio::time::sleep(PAUSE).await;
            put(target, repository, reference, manifest).await
        }
        done => done,
    }
}

/// The turn to write a tag: nothing that belongs to its manifest is being written, and there is a
/// connection for the last look and the request.
pub(in crate::sync) struct TagTurn {
    pub(in crate::sync) requests: Turn,
    _write: Write<'static>,
}

/// Waits for the turn to write a manifest under a tag.
pub(in crate::sync) async fn tag_turn(
    target: &Endpoint,
    repository: &Repository,
    manifest: &Manifest,
) -> Result<TagTurn, Error> {
    let write = WRITES.begin(target.host(), repository, manifest).await;
    Ok(TagTurn {
        // After the write: who waits for that must not hold a connection.
        requests: target.turn().await?,
        _write: write,
    })
}

async fn put(
    target: &Endpoint,
    repository: &Repository,
    reference: &Reference,
    manifest: &Manifest,
) -> Result<Pushed, Error> {
    let _write = WRITES.begin(target.host(), repository, manifest).await;
    target.manifest_put(repository, reference, manifest).await
}

/// Whether the registry reports dependencies of the manifest as missing or incomplete.
pub(in crate::sync) fn is_passing(error: &Error) -> bool {
    const CODES: [&str; 5] = [
        "DIGEST_INVALID",
        "MANIFEST_BLOB_UNKNOWN",
        "MANIFEST_UNKNOWN",
        "BLOB_UNKNOWN",
        "NAME_UNKNOWN",
    ];
    error.is_not_found()
        || (matches!(error.status(), Some(400 | 422))
            && error.code().is_some_and(|code| CODES.contains(&code)))
}

#[derive(Default)]
struct Writes {
    active: Mutex<Vec<Active>>,
    ended: Notify,
}

/// A manifest being written.
struct Active {
    id: u64,
    host: String,
    repository: Repository,
    digest: Digest,
    children: HashSet<Digest>,
}

impl Active {
    fn conflicts(&self, other: &Self) -> bool {
        self.repository == other.repository
            && self.host == other.host
            && (self.digest == other.digest
                || self.children.contains(&other.digest)
                || other.children.contains(&self.digest))
    }
}

/// A write in progress; it ends on drop.
struct Write<'a> {
    writes: &'a Writes,
    id: u64,
}

impl Writes {
    async fn begin(&self, host: &str, repository: &Repository, manifest: &Manifest) -> Write<'_> {
        let children = match &manifest.content {
            Content::Index(children) => children.iter().map(|c| c.digest.clone()).collect(),
            _ => HashSet::new(),
        };
        let mut wanted = Some(Active {
            id: 0,
            host: host.to_owned(),
            repository: repository.clone(),
            digest: manifest.digest.clone(),
            children,
        });
        loop {
            // Before the check, so that no end between check and wait is missed.
            let mut ended = std::pin::pin!(self.ended.notified());
            ended.as_mut().enable();
            if let Some(id) = self.try_begin(&mut wanted) {
                return Write { writes: self, id };
            }
            ended.await;
        }
    }

    /// Adds `wanted` unless something blocks it.
    fn try_begin(&self, wanted: &mut Option<Active>) -> Option<u64> {
        let mut active = self.lock();
        let is_free = |new: &mut Active| !active.iter().any(|other| other.conflicts(new));
        let mut new = wanted.take_if(is_free)?;
        new.id = active.iter().map(|other| other.id + 1).max().unwrap_or(0);
        let id = new.id;
        active.push(new);
        Some(id)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Active>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Write<'_> {
    fn drop(&mut self) {
        self.writes.lock().retain(|active| active.id != self.id);
        self.writes.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::{Active, Digest, HashSet, Repository};

    fn write(host: &str, repository: &str, name: &str, children: &[&str]) -> Active {
        let digest = |name: &&str| Digest::parse(&format!("sha256:{name:0>64}")).unwrap();
        Active {
            id: 0,
            host: host.to_owned(),
            repository: Repository::parse(repository).unwrap(),
            digest: digest(&name),
            children: children.iter().map(digest).collect::<HashSet<_>>(),
        }
    }

    #[test]
    fn an_index_and_its_children_wait_for_each_other_in_both_orders() {
        let index = write("r.example", "app", "1", &["2", "3"]);
        let child = write("r.example", "app", "2", &[]);
        assert!(index.conflicts(&child) && child.conflicts(&index));
        assert!(child.conflicts(&child));
        for other in [
            write("r.example", "app", "4", &["3"]),
            write("r.example", "other", "2", &[]),
            write("s.example", "app", "2", &[]),
        ] {
            assert!(!index.conflicts(&other) && !other.conflicts(&index));
        }
    }
}
