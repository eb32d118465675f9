//! The copy ladder: for a manifest and all its dependencies, the cheapest way first. Blobs before their
//! manifest, children before their index, the tag last.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::{JoinError, JoinSet};

use crate::oci::registry::manifest::Pushed;
use crate::oci::registry::upload::{Mount, OnBytes, Upload};
use crate::oci::types::large::{MAX_DEPTH, Room};
use crate::oci::types::manifest::Content;
use crate::oci::{Descriptor, Digest, Endpoint, Manifest, Reference, Repository};

use super::manifest_writes::manifest_write;
use super::once::Once;
use crate::sync::error::SyncError;
use crate::sync::outcome::Moved;

/// Children of one index copied at once.
pub(in crate::sync) const CHILDREN: usize = 8;
/// Blobs of one manifest copied at once: more than the connections to one host.
const BLOBS: usize = 16;

/// Blobs from this size on, in bytes, are asked for even in a repository that the target doesn't know:
/// `docker-registry` only knows one with tags, so a copy that was killed may have left some.
const LARGE_BLOB: u64 = 8 * 1024 * 1024;

/// A pair of source and target repository.
#[derive(Clone)]
pub(in crate::sync) struct Route {
    pub(in crate::sync) from: Endpoint,
    pub(in crate::sync) source: Repository,
    pub(in crate::sync) target: Repository,
    /// Whether the target may be incomplete, so that an existing manifest proves nothing.
    pub(in crate::sync) is_lost: bool,
    /// Whether the target doesn't know the repository, so that nothing but large blobs is asked for.
    pub(in crate::sync) is_new: bool,
}

/// Whether the target is asked for a blob of `size` bytes before it gets it.
pub(in crate::sync) const fn is_asked(size: u64, is_new: bool) -> bool {
    !is_new || size >= LARGE_BLOB
}

/// Writes a tag, when all that it needs is there.
pub(in crate::sync) type WriteTag<'a> =
    &'a (dyn Fn() -> BoxFuture<'a, Result<(), SyncError>> + Sync);

/// Copies manifests and blobs within one part of a run; shared dependencies of tags are copied
/// once.
pub(in crate::sync) struct Ladder {
    target: Endpoint,
    on_bytes: OnBytes,
    blobs: Once<(Repository, Digest)>,
    manifests: Once<(Repository, Digest, bool)>,
    homes: Arc<BlobLocations>,
}

/// The target repositories known to have a blob.
#[derive(Default)]
pub(in crate::sync) struct BlobLocations {
    by_digest: Mutex<HashMap<Digest, BlobLocation>>,
}

type BlobLocation = Arc<AsyncMutex<Option<Repository>>>;

impl Ladder {
    pub(in crate::sync) fn new(
        target: Endpoint,
        on_bytes: OnBytes,
        homes: Arc<BlobLocations>,
    ) -> Self {
        Self {
            target,
            on_bytes,
            blobs: Once::default(),
            manifests: Once::default(),
            homes,
        }
    }

    /// Copies all dependencies of `manifest`, and writes its tag with `write`. If it is also a child of
    /// an index, one of the two writes it first and the other waits for that.
    pub(in crate::sync) async fn copy(
        self: &Arc<Self>,
        route: &Route,
        manifest: &Manifest,
        write: WriteTag<'_>,
    ) -> Result<Moved, SyncError> {
        let key = (route.target.clone(), manifest.digest.clone(), route.is_lost);
        let copy = self.whole(route, manifest, write);
        match self.manifests.first(key, Box::pin(copy)).await? {
            Some(moved) => Ok(moved),
            // Its content exists under another name, so only this name is missing.
            None => Box::pin(self.whole(route, manifest, write)).await,
        }
    }

    async fn whole(
        self: &Arc<Self>,
        route: &Route,
        manifest: &Manifest,
        write: WriteTag<'_>,
    ) -> Result<Moved, SyncError> {
        let moved = self.needs(route, manifest, None, 0).await?;
        write().await?;
        Ok(moved)
    }

    /// Copies a manifest that nothing else writes, by its digest, with all its dependencies.
    pub(in crate::sync) async fn by_digest(
        self: &Arc<Self>,
        route: &Route,
        manifest: &Manifest,
    ) -> Result<(Moved, Pushed), SyncError> {
        let moved = self.needs(route, manifest, None, 0).await?;
        let reference = Reference::Digest(manifest.digest.clone());
        Ok((moved, self.put(route, &reference, manifest).await?))
    }

    /// Copies an index's children that are in `children`, with all their dependencies; not the
    /// index.
    pub(in crate::sync) async fn children_copy(
        self: &Arc<Self>,
        route: &Route,
        index: &Manifest,
        children: &HashSet<Digest>,
    ) -> Result<Moved, SyncError> {
        self.needs(route, index, Some(children), 0).await
    }

    /// Boxed, since an index copies its children recursively.
    fn needs<'a>(
        self: &'a Arc<Self>,
        route: &'a Route,
        manifest: &'a Manifest,
        children: Option<&'a HashSet<Digest>>,
        depth: usize,
    ) -> Pin<Box<dyn Future<Output = Result<Moved, SyncError>> + Send + 'a>> {
        Box::pin(async move {
            let named = || Reference::Digest(manifest.digest.clone()).on(&route.source);
            let mut work = Work::default();
            match &manifest.content {
                Content::Schema1 => return Err(SyncError::Schema1 { reference: named() }),
                Content::Index(_) if depth >= MAX_DEPTH => {
                    return Err(SyncError::Index {
                        reference: named(),
                        detail: format!("more than {MAX_DEPTH} indexes within each other"),
                    });
                }
                Content::Index(all) => {
                    for child in all {
                        if children.is_some_and(|keep| !keep.contains(&child.digest)) {
                            continue;
                        }
                        let (ladder, route, child) =
                            (Arc::clone(self), route.clone(), child.clone());
                        let copy = async move { ladder.child(&route, &child, depth + 1).await };
                        work.add(CHILDREN, Box::pin(copy)).await?;
                    }
                }
                Content::Image { .. } => {
                    for blob in manifest.blobs() {
                        let (ladder, route, blob) = (Arc::clone(self), route.clone(), blob.clone());
                        let copy = async move { ladder.blob(&route, &blob).await };
                        work.add(BLOBS, copy).await?;
                    }
                }
            }
            work.end().await
        })
    }

    /// A child of an index: existing, or copied, once per run.
    async fn child(
        self: Arc<Self>,
        route: &Route,
        child: &Descriptor,
        depth: usize,
    ) -> Result<Moved, SyncError> {
        let key = (route.target.clone(), child.digest.clone(), route.is_lost);
        // Before its turn: others that wait for this child may hold the room.
        let room = Room::take(child.size, depth).await;
        let copy = async {
            let reference = Reference::Digest(child.digest.clone());
            if !route.is_lost && !route.is_new {
                let head = self.target.manifest_head(&route.target, &reference).await;
                if head.map_err(SyncError::Target)?.is_some() {
                    return Ok(Moved::default());
                }
            }
            let manifest = route.from.child_get(&route.source, child, room).await;
            let manifest = manifest.map_err(SyncError::Source)?;
            let moved = self.needs(route, &manifest, None, depth).await?;
            self.put(route, &reference, &manifest).await?;
            Ok(moved)
        };
        self.manifests.get(key, Box::pin(copy)).await
    }

    /// Writes a manifest whose dependencies exist. Without a clear answer, what is there counts.
    pub(in crate::sync) async fn put(
        &self,
        route: &Route,
        reference: &Reference,
        manifest: &Manifest,
    ) -> Result<Pushed, SyncError> {
        let (target, repository) = (&self.target, &route.target);
        match manifest_write(target, repository, reference, manifest, true).await {
            Err(error) if error.is_unsure() && !error.is_unreachable() && !route.is_lost => {
                match target.manifest_head(repository, reference).await {
                    Ok(Some(head)) if head.digest == manifest.digest => {
                        Ok(Pushed { is_listed: false })
                    }
                    _ => Err(SyncError::Target(error)),
                }
            }
            written => written.map_err(SyncError::Target),
        }
    }

    /// A blob: existing, mounted, or streamed, once per run and repository.
    async fn blob(self: Arc<Self>, route: &Route, blob: &Descriptor) -> Result<Moved, SyncError> {
        let key = (route.target.clone(), blob.digest.clone());
        self.blobs
            .get(key, Box::pin(self.blob_copy(route, blob)))
            .await
    }

    async fn blob_copy(&self, route: &Route, blob: &Descriptor) -> Result<Moved, SyncError> {
        let home = self.home(route, &blob.digest);
        // The holder of the lock copies the blob to its first repository; the others then mount it.
        let mut home = home.lock().await;
        if let Some(from) = home.clone().filter(|from| *from != route.target) {
            drop(home);
            return self.blob_mount(route, blob, &from).await;
        }
        let moved = if self.is_there(route, blob).await? {
            Moved::default()
        } else {
            self.blob_upload(route, blob, None).await?
        };
        *home = Some(route.target.clone());
        Ok(moved)
    }

    async fn blob_mount(
        &self,
        route: &Route,
        blob: &Descriptor,
        from: &Repository,
    ) -> Result<Moved, SyncError> {
        match self
            .target
            .blob_mount(&route.target, from, &blob.digest)
            .await
        {
            Ok(Mount::Mounted) => Ok(Moved {
                blobs_mounted: 1,
                ..Moved::default()
            }),
            Ok(Mount::Session(session)) => {
                if self.is_there(route, blob).await? {
                    self.target.upload_cancel(session).await;
                    return Ok(Moved::default());
                }
                self.blob_upload(route, blob, Some(session)).await
            }
            // A refused mount, or an insufficient token, does no harm.
            Err(error) => {
                tracing::debug!(%error, "can't mount, so the blob is uploaded");
                if self.is_there(route, blob).await? {
                    return Ok(Moved::default());
                }
                self.blob_upload(route, blob, None).await
            }
        }
    }

    async fn is_there(&self, route: &Route, blob: &Descriptor) -> Result<bool, SyncError> {
        if !is_asked(blob.size, route.is_new) {
            return Ok(false);
        }
        let there = self.target.blob_exists(&route.target, &blob.digest).await;
        there.map_err(SyncError::Target)
    }

    async fn blob_upload(
        &self,
        route: &Route,
        blob: &Descriptor,
        session: Option<Upload>,
    ) -> Result<Moved, SyncError> {
        let from = (&route.from, &route.source);
        self.target
            .blob_upload(&route.target, from, blob, session, &self.on_bytes)
            .await?;
        Ok(Moved {
            bytes: blob.size,
            blobs_copied: 1,
            blobs_mounted: 0,
        })
    }

    fn home(&self, route: &Route, digest: &Digest) -> BlobLocation {
        let homes = self.homes.by_digest.lock();
        let mut homes = homes.unwrap_or_else(PoisonError::into_inner);
        let at_source = route.from.is_same(&self.target);
        let first = || Arc::new(AsyncMutex::new(at_source.then(|| route.source.clone())));
        Arc::clone(homes.entry(digest.clone()).or_insert_with(first))
    }
}

/// Copies in progress, a few at a time; the first failure cancels the others.
#[derive(Default)]
struct Work {
    tasks: JoinSet<Result<Moved, SyncError>>,
    moved: Moved,
}

impl Work {
    /// Starts one more, as soon as fewer than `limit` are in progress.
    async fn add(
        &mut self,
        limit: usize,
        copy: impl Future<Output = Result<Moved, SyncError>> + Send + 'static,
    ) -> Result<(), SyncError> {
        while self.tasks.len() >= limit
            && let Some(done) = self.tasks.join_next().await
        {
            self.take(done)?;
        }
        self.tasks.spawn(copy);
        Ok(())
    }

    /// Waits for all.
    async fn end(mut self) -> Result<Moved, SyncError> {
        while let Some(done) = self.tasks.join_next().await {
            self.take(done)?;
        }
        Ok(self.moved)
    }

    fn take(&mut self, done: Result<Result<Moved, SyncError>, JoinError>) -> Result<(), SyncError> {
        match done {
            Ok(result) => self.moved += result?,
            // Only dropping this work aborts these tasks, so this is a bug: a panic.
            Err(failure) => {
                if let Ok(panic) = failure.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
        Ok(())
    }
}
