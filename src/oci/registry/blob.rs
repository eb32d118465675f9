//! Blobs: checking for one, and reading one as a verified stream that resumes.

use bytes::Bytes;
use http::header::{CONTENT_RANGE, RANGE};
use http::{HeaderValue, Method, StatusCode};

use super::body_time::BodyTime;
use crate::oci::auth::scope::Scope;
use crate::oci::error::{Error, TransportKind};
use crate::oci::http::call::{Call, Response};
use crate::oci::http::client::Client;
use crate::oci::http::health::Kind;
use crate::oci::http::retry::Attempts;
use crate::oci::types::digest::{Digest, Hasher};
use crate::oci::types::manifest::Descriptor;
use crate::oci::types::reference::Repository;

/// After this many bytes in a row the failure count restarts: otherwise a registry that sends a few
/// bytes at a time before it disconnects would be retried endlessly.
const PROGRESS: u64 = 64 * 1024;

impl Client {
    /// Whether `repository` has the blob.
    pub async fn blob_exists(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<bool, Error> {
        let url = self.url(repository, &format!("blobs/{digest}"));
        let what = format!("blob `{repository}@{digest}`");
        let call = Call::new(Method::HEAD, url, Scope::Pull(repository.clone()), what);
        match self.send(call).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A small blob as a whole, verified, in its time; Err if its descriptor states more than `limit`
    /// bytes.
    pub async fn blob_get(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        limit: u64,
    ) -> Result<Bytes, Error> {
        if blob.size > limit {
            return Err(Error::Protocol {
                host: self.host().to_owned(),
                what: format!("blob `{repository}@{}`", blob.digest),
                detail: format!("it has {} bytes, at most {limit} are expected", blob.size),
            });
        }
        let mut reader = BlobReader::open(self, repository, blob).await?;
        reader.time = Some(BodyTime::begins(self.inner.exchange.idle_timeout));
        let mut body = bytes::BytesMut::new();
        while let Some(chunk) = reader.next().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}

/// A blob being read from a registry. The last chunk is only returned once length and digest are
/// verified, so no consumer ever gets a complete wrong blob. A lost connection is resumed at the
/// same position.
pub struct BlobReader {
    client: Client,
    repository: Repository,
    digest: Digest,
    size: u64,
    answer: Option<Response>,
    /// `None` once the blob is verified.
    hasher: Option<Hasher>,
    received: u64,
    /// Bytes to drop if a registry started over although the rest was requested.
    skip: u64,
    held: Option<Bytes>,
    attempts: Attempts,
    /// Bytes since the last failure.
    fresh: u64,
    /// Whether its requests belong to a transfer that already holds a connection permit.
    has_place: bool,
    /// The time of each answer, if it is limited.
    time: Option<BodyTime>,
}

impl BlobReader {
    /// Requests the blob; Err if it doesn't exist.
    pub async fn open(
        client: &Client,
        repository: &Repository,
        blob: &Descriptor,
    ) -> Result<Self, Error> {
        Self::open_with(client, repository, blob, false).await
    }

    /// Like [`BlobReader::open`]; with `has_place` it takes no connection permit.
    pub(super) async fn open_with(
        client: &Client,
        repository: &Repository,
        blob: &Descriptor,
        has_place: bool,
    ) -> Result<Self, Error> {
        let mut reader = Self {
            client: client.clone(),
            repository: repository.clone(),
            digest: blob.digest.clone(),
            size: blob.size,
            answer: None,
            hasher: Some(blob.digest.hasher()),
            received: 0,
            skip: 0,
            held: None,
            attempts: client.attempts(),
            fresh: 0,
            has_place,
            time: None,
        };
        reader.request().await?;
        Ok(reader)
    }

    /// The next chunk, verified so far; `None` after the last one.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while self.hasher.is_some() {
            if let Some(chunk) = self.chunk().await?
                && let Some(ready) = self.held.replace(chunk)
            {
                return Ok(Some(ready));
            }
        }
        Ok(self.held.take())
    }

    /// Processes received bytes; `None` at the end, or if they contain nothing new.
    async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(answer) = self.answer.as_mut() else {
            self.request().await?;
            return Ok(None);
        };
        let next = match &mut self.time {
            Some(time) => time.chunk(answer).await,
            None => answer.chunk().await,
        };
        let failure = match next {
            Ok(Some(mut chunk)) => {
                let dropped = self.skip.min(chunk.len() as u64);
                self.skip -= dropped;
                let _ = chunk.split_to(usize::try_from(dropped).unwrap_or(chunk.len()));
                return self
                    .take(chunk)
                    .map(Some)
                    .map(|c| c.filter(|c| !c.is_empty()));
            }
            Ok(None) if self.received == self.size => return self.finish().map(|()| None),
            Ok(None) => self.broken(),
            Err(error) => error,
        };
        self.answer = None;
        // A registry that delivers something, even in pieces, is well.
        if std::mem::take(&mut self.fresh) == 0 {
            self.client.inner.health.note(Kind::ReadBlob, &failure);
        }
        let Some(delay) = self.attempts.next_delay(&failure) else {
            return Err(failure);
        };
        self.client.inner.wait(&failure, delay).await;
        Ok(None)
    }

    fn take(&mut self, chunk: Bytes) -> Result<Bytes, Error> {
        self.received += chunk.len() as u64;
        if self.received > self.size {
            return Err(self.corrupt(format!("more than {} bytes", self.size)));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&chunk);
        }
        self.fresh += chunk.len() as u64;
        // What has a time limit doesn't get it anew for each part.
        if self.fresh >= PROGRESS && self.time.is_none() {
            self.attempts.reset();
        }
        Ok(chunk)
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.answer = None;
        match self.hasher.take().map(Hasher::finish) {
            Some(got) if got != self.digest => Err(self.corrupt(got.to_string())),
            _ => {
                self.client.inner.health.note_success(Kind::ReadBlob);
                Ok(())
            }
        }
    }

    async fn request(&mut self) -> Result<(), Error> {
        let url = self
            .client
            .url(&self.repository, &format!("blobs/{}", self.digest));
        let mut call = Call::get(url, Scope::Pull(self.repository.clone()), self.what());
        call.has_place = self.has_place;
        call.kind = Kind::ReadBlob;
        let range = HeaderValue::from_str(&format!("bytes={}-", self.received)).ok();
        if let Some(range) = range.filter(|_| self.received > 0) {
            call = call.header(RANGE, range);
        }
        let answer = match self.client.send(call).await {
            // The rest was requested, but there is none.
            Err(error) if error.status() == Some(416) => {
                return Err(self.corrupt(format!("only {} bytes", self.received)));
            }
            other => other?,
        };
        self.skip = match (answer.inner.status(), answer.header(CONTENT_RANGE.as_str())) {
            (StatusCode::PARTIAL_CONTENT, Some(range))
                if range.starts_with(&format!("bytes {}-", self.received)) =>
            {
                0
            }
            (StatusCode::PARTIAL_CONTENT, _) => {
                return Err(answer.protocol("not the requested range"));
            }
            _ => self.received,
        };
        if let Some(time) = &mut self.time {
            *time = BodyTime::begins(answer.idle_timeout);
        }
        self.answer = Some(answer);
        Ok(())
    }

    fn what(&self) -> String {
        format!("blob `{}@{}`", self.repository, self.digest)
    }

    fn broken(&self) -> Error {
        Error::Transport {
            host: self.client.host().to_owned(),
            phase: self.what(),
            detail: format!(
                "the connection ended after {} of {} bytes",
                self.received, self.size
            ),
            kind: TransportKind::Broken,
        }
    }

    fn corrupt(&self, got: String) -> Error {
        Error::Corrupt {
            host: self.client.host().to_owned(),
            what: self.what(),
            wanted: self.digest.clone(),
            got,
        }
    }
}
