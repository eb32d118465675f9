//! A connection that is kept for a look at a tag and the change right after it: between the two there is
//! no queue, no pause and no retry.

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::manifest::{ManifestHead, Pushed, pushed};
use crate::oci::error::Error;
use crate::oci::http::call::{Call, Response};
use crate::oci::http::client::Client;
use crate::oci::types::manifest::Manifest;
use crate::oci::types::reference::{Reference, Repository};

/// A connection permit, for requests that follow each other closely.
pub struct Turn {
    client: Client,
    _permit: OwnedSemaphorePermit,
}

impl Client {
    /// Waits for a connection permit.
    pub async fn turn(&self) -> Result<Turn, Error> {
        Ok(Turn {
            _permit: self.permit().await?,
            client: self.clone(),
        })
    }
}

impl Turn {
    /// See [`Client::manifest_head`].
    pub async fn head(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Option<ManifestHead>, Error> {
        self.client.head(repository, reference, true).await
    }

    /// Pushes a manifest with one request, without a retry: what was looked at before may have changed
    /// by then. `None`: not sent, since it would have been later than `until`.
    pub async fn put(
        &self,
        repository: &Repository,
        reference: &Reference,
        manifest: &Manifest,
        until: Option<Instant>,
    ) -> Result<Option<Pushed>, Error> {
        let call = self.client.put_call(repository, reference, manifest);
        match self.once(call, until).await? {
            Some(answer) => pushed(&answer, manifest).map(Some),
            None => Ok(None),
        }
    }

    /// Deletes a tag, or a manifest with all its tags, in the same way. `false`: the registry says that
    /// there is none, which some say if they can't delete by tag.
    pub async fn delete(
        &self,
        repository: &Repository,
        reference: &Reference,
        until: Option<Instant>,
    ) -> Result<Option<bool>, Error> {
        let call = self.client.delete_call(repository, reference);
        match self.once(call, until).await {
            Ok(answer) => Ok(answer.map(|_| true)),
            Err(error) if error.is_not_found() => Ok(Some(false)),
            Err(error) => Err(error),
        }
    }

    async fn once(
        &self,
        mut call: Call,
        until: Option<Instant>,
    ) -> Result<Option<Response>, Error> {
        call.has_place = true;
        self.client.send_until(call, until).await
    }
}
