//! The copy ladder: for a manifest and all that it needs, the cheapest way first. Blobs before
//! their manifest, children before their index, the tag last.

use std::collections::HashMap;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OnceCell};
use tokio::task::JoinSet;

use crate::oci::manifest::Content;
use crate::oci::upload::{Mount, OnBytes, Upload};
use crate::oci::{Client, Descriptor, Digest, Manifest, Reference, Repository};

use super::error::SyncError;
use super::outcome::Moved;

/// Indexes within indexes; real ones have one level, and a circle can't be hashed.
const MAX_DEPTH: usize = 4;

/// One way from a repository to a repository.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) from: Client,
    pub(super) source: Repository,
    pub(super) target: Repository,
}

/// Copies manifests and blobs within one part of a run; what two tags need is copied once.
pub(super) struct Ladder {
    target: Client,
    on_bytes: OnBytes,
    blobs: Once<(Repository, Digest)>,
    children: Once<(Repository, Digest)>,
    homes: Arc<Homes>,
}

/// Where at the target a blob is known to be.
#[derive(Default)]
pub(super) struct Homes {
    by_digest: Mutex<HashMap<Digest, Home>>,
}

type Home = Arc<AsyncMutex<Option<Repository>>>;

impl Ladder {
    pub(super) fn new(target: Client, on_bytes: OnBytes, homes: Arc<Homes>) -> Self {
        Self {
            target,
            on_bytes,
            blobs: Once::default(),
            children: Once::default(),
            homes,
        }
    }

    /// Copies all that `manifest` needs, not the manifest itself. `children` limits an index to
    /// some of them.
    pub(super) async fn needs_copy(
        self: &Arc<Self>,
        route: &Route,
        manifest: &Manifest,
        children: Option<&[Digest]>,
    ) -> Result<Moved, SyncError> {
        self.needs(route, manifest, children, 0).await
    }

    /// Boxed, since an index copies its children the same way.
    fn needs<'a>(
        self: &'a Arc<Self>,
        route: &'a Route,
        manifest: &'a Manifest,
        children: Option<&'a [Digest]>,
        depth: usize,
    ) -> Pin<Box<dyn Future<Output = Result<Moved, SyncError>> + Send + 'a>> {
        Box::pin(async move {
            let named = || Reference::Digest(manifest.digest.clone()).on(&route.source);
            let mut work = JoinSet::new();
            match &manifest.content {
                Content::Schema1 => return Err(SyncError::Schema1 { reference: named() }),
                Content::Index(_) if depth >= MAX_DEPTH => {
                    return Err(SyncError::Index {
                        reference: named(),
                        detail: format!("more than {MAX_DEPTH} indexes within each other"),
                    });
                }
                Content::Index(all) => {
                    for child in all
                        .iter()
                        .filter(|c| children.is_none_or(|keep| keep.contains(&c.digest)))
                    {
                        let (ladder, route, digest) =
                            (Arc::clone(self), route.clone(), child.digest.clone());
                        work.spawn(async move { ladder.child(&route, &digest, depth + 1).await });
                    }
                }
                Content::Image { .. } => {
                    for blob in manifest.blobs() {
                        let (ladder, route, blob) = (Arc::clone(self), route.clone(), blob.clone());
                        work.spawn(async move { ladder.blob(&route, &blob).await });
                    }
                }
            }
            all(work).await
        })
    }

    /// A child of an index: there already, or copied, once a run.
    async fn child(
        self: Arc<Self>,
        route: &Route,
        digest: &Digest,
        depth: usize,
    ) -> Result<Moved, SyncError> {
        let key = (route.target.clone(), digest.clone());
        let copy = async {
            let reference = Reference::Digest(digest.clone());
            let head = self.target.manifest_head(&route.target, &reference).await;
            if head.map_err(SyncError::Target)?.is_some() {
                return Ok(Moved::default());
            }
            let manifest = route.from.manifest_get(&route.source, &reference).await;
            let manifest = manifest.map_err(SyncError::Source)?;
            let moved = self.needs(route, &manifest, None, depth).await?;
            let put = self
                .target
                .manifest_put(&route.target, &reference, &manifest);
            put.await.map_err(SyncError::Target)?;
            Ok(moved)
        };
        self.children.get(key, copy).await
    }

    /// A blob: there already, mounted, or streamed, once a run and repository.
    async fn blob(self: Arc<Self>, route: &Route, blob: &Descriptor) -> Result<Moved, SyncError> {
        let key = (route.target.clone(), blob.digest.clone());
        self.blobs
            .get(key, Box::pin(self.blob_copy(route, blob)))
            .await
    }

    async fn blob_copy(&self, route: &Route, blob: &Descriptor) -> Result<Moved, SyncError> {
        let home = self.home(route, &blob.digest);
        // Whoever holds the lock brings the blob to its first repository; the others then mount it.
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
            // A refused mount, or a token that doesn't reach so far, spoils nothing.
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

    fn home(&self, route: &Route, digest: &Digest) -> Home {
        let homes = self.homes.by_digest.lock();
        let mut homes = homes.unwrap_or_else(PoisonError::into_inner);
        let at_source = route.from.address().is_same_registry(self.target.address());
        let first = || Arc::new(AsyncMutex::new(at_source.then(|| route.source.clone())));
        Arc::clone(homes.entry(digest.clone()).or_insert_with(first))
    }
}

/// Waits for all; the first failure ends the others.
async fn all(mut work: JoinSet<Result<Moved, SyncError>>) -> Result<Moved, SyncError> {
    let mut moved = Moved::default();
    while let Some(done) = work.join_next().await {
        match done {
            Ok(result) => moved += result?,
            // Nothing but this function's end aborts these tasks, so this is a panic of ours.
            Err(failure) => {
                if let Ok(panic) = failure.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
    Ok(moved)
}

/// Work that is done once for each key; later ones get the first one's failure, or nothing moved.
struct Once<K> {
    cells: Mutex<HashMap<K, Arc<Cell>>>,
}

type Cell = OnceCell<Result<(), SyncError>>;

impl<K> Default for Once<K> {
    fn default() -> Self {
        Self {
            cells: Mutex::default(),
        }
    }
}

impl<K: Eq + Hash> Once<K> {
    async fn get(
        &self,
        key: K,
        work: impl Future<Output = Result<Moved, SyncError>>,
    ) -> Result<Moved, SyncError> {
        let cell = {
            let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(cells.entry(key).or_default())
        };
        let mut moved = Moved::default();
        let result = cell
            .get_or_init(|| async { work.await.map(|done| moved = done) })
            .await;
        result.clone().map(|()| moved)
    }
}
