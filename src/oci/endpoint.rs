//! Sources and targets of images: the operations that the engine needs, whatever implements them.

use chrono::{DateTime, Utc};

use super::error::Error;
use super::http::client::Client;
use super::http::retry::Attempts;
use super::http::tally::RequestCount;
use super::registry::image::ImageConfig;
use super::registry::manifest::{ManifestHead, Pushed};
use super::registry::page::Listing;
use super::registry::referrer::ReferrerListing;
use super::registry::turn::Turn;
use super::registry::upload::{Mount, OnBytes, StreamError, Upload};
use super::types::address::RegistryAddress;
use super::types::digest::Digest;
use super::types::large::Room;
use super::types::manifest::{Descriptor, Manifest};
use super::types::reference::{Reference, Repository};

/// A place with repositories of images. Cheap to clone.
///
/// An OCI image layout will be the second kind; until then every operation is a registry's.
#[derive(Clone, Debug)]
pub enum Endpoint {
    /// A registry over HTTP.
    Registry(Client),
}

impl From<Client> for Endpoint {
    fn from(client: Client) -> Self {
        Self::Registry(client)
    }
}

impl Endpoint {
    /// The address as used by placements and users.
    pub fn address(&self) -> &RegistryAddress {
        match self {
            Self::Registry(client) => client.address(),
        }
    }

    /// Its name in messages: `host[:port]`.
    pub fn host(&self) -> &str {
        match self {
            Self::Registry(client) => client.host(),
        }
    }

    /// See [`Client::requests`].
    pub fn requests(&self) -> RequestCount {
        match self {
            Self::Registry(client) => client.requests(),
        }
    }

    /// Whether both count their requests together.
    pub fn has_same_count(&self, other: &Endpoint) -> bool {
        match (self, other) {
            (Self::Registry(client), Self::Registry(other)) => client.is_clone_of(other),
        }
    }

    /// Whether both are the same, so that blobs of one can be mounted in the other.
    pub fn is_same(&self, other: &Endpoint) -> bool {
        self.address().is_same_registry(other.address())
    }

    /// See [`Client::tag_listing`].
    pub async fn tag_listing(&self, repository: &Repository) -> Result<Listing, Error> {
        match self {
            Self::Registry(client) => client.tag_listing(repository).await,
        }
    }

    /// See [`Client::tags_within`].
    pub async fn tags_within(
        &self,
        repository: &Repository,
        pages: usize,
    ) -> Result<Option<Vec<String>>, Error> {
        match self {
            Self::Registry(client) => client.tags_within(repository, pages).await,
        }
    }

    /// See [`Client::manifest_head`].
    pub async fn manifest_head(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Option<ManifestHead>, Error> {
        match self {
            Self::Registry(client) => client.manifest_head(repository, reference).await,
        }
    }

    /// See [`Client::manifest_get`].
    pub async fn manifest_get(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Manifest, Error> {
        match self {
            Self::Registry(client) => client.manifest_get(repository, reference).await,
        }
    }

    /// A child of an index, which must have the size stated by its descriptor and fit into `room`.
    pub(crate) async fn child_get(
        &self,
        repository: &Repository,
        child: &Descriptor,
        room: Room,
    ) -> Result<Manifest, Error> {
        match self {
            Self::Registry(client) => client.child_get(repository, child, room).await,
        }
    }

    /// See [`Client::image_config`].
    pub async fn image_config(
        &self,
        repository: &Repository,
        manifest: &Manifest,
    ) -> Result<ImageConfig, Error> {
        match self {
            Self::Registry(client) => client.image_config(repository, manifest).await,
        }
    }

    /// See [`Client::image_created`].
    pub async fn image_created(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Option<DateTime<Utc>>, Error> {
        match self {
            Self::Registry(client) => client.image_created(repository, reference).await,
        }
    }

    /// See [`Client::manifest_put`].
    pub async fn manifest_put(
        &self,
        repository: &Repository,
        reference: &Reference,
        manifest: &Manifest,
    ) -> Result<Pushed, Error> {
        match self {
            Self::Registry(client) => client.manifest_put(repository, reference, manifest).await,
        }
    }

    /// See [`Client::turn`].
    pub async fn turn(&self) -> Result<Turn, Error> {
        match self {
            Self::Registry(client) => client.turn().await,
        }
    }

    /// See [`Client::attempts`].
    pub fn attempts(&self) -> Attempts {
        match self {
            Self::Registry(client) => client.attempts(),
        }
    }

    /// See [`Client::retries`].
    pub async fn retries(&self, attempts: &mut Attempts, error: &Error) -> bool {
        match self {
            Self::Registry(client) => client.retries(attempts, error).await,
        }
    }

    /// See [`Client::referrers`].
    pub async fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Option<ReferrerListing>, Error> {
        match self {
            Self::Registry(client) => client.referrers(repository, subject).await,
        }
    }

    /// See [`Client::referrer_index`].
    pub async fn referrer_index(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Option<Manifest>, Error> {
        match self {
            Self::Registry(client) => client.referrer_index(repository, subject).await,
        }
    }

    /// See [`Client::blob_exists`].
    pub async fn blob_exists(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<bool, Error> {
        match self {
            Self::Registry(client) => client.blob_exists(repository, digest).await,
        }
    }

    /// See [`Client::blob_mount`].
    pub async fn blob_mount(
        &self,
        to: &Repository,
        from: &Repository,
        digest: &Digest,
    ) -> Result<Mount, Error> {
        match self {
            Self::Registry(client) => client.blob_mount(to, from, digest).await,
        }
    }

    /// See [`Client::blob_upload`].
    pub async fn blob_upload(
        &self,
        to: &Repository,
        (source, from): (&Endpoint, &Repository),
        blob: &Descriptor,
        session: Option<Upload>,
        on_bytes: &OnBytes,
    ) -> Result<(), StreamError> {
        match (self, source) {
            (Self::Registry(target), Self::Registry(source)) => {
                let from = (source, from);
                target.blob_upload(to, from, blob, session, on_bytes).await
            }
        }
    }

    /// See [`Client::upload_cancel`].
    pub async fn upload_cancel(&self, upload: Upload) {
        match self {
            Self::Registry(client) => client.upload_cancel(upload).await,
        }
    }

    /// See [`Client::uploads_end`].
    pub async fn uploads_end(&self) {
        match self {
            Self::Registry(client) => client.uploads_end().await,
        }
    }
}
