//! Writing a blob to a registry: mounted from another repository, or streamed from another registry.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::try_unfold;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{Method, StatusCode};
use tokio_util::task::task_tracker::TaskTrackerToken;
use url::Url;

use super::blob::BlobReader;
use crate::oci::auth::scope::Scope;
use crate::oci::error::Error;
use crate::oci::http::call::{Call, Response};
use crate::oci::http::client::Client;
use crate::oci::http::failure::idle_error;
use crate::oci::http::health::{Kind, is_last};
use crate::oci::http::transport::Transport;
use crate::oci::network::guard::is_same_origin;
use crate::oci::types::digest::Digest;
use crate::oci::types::manifest::Descriptor;
use crate::oci::types::reference::Repository;

/// Factor of the idle timeout for the response after the last byte: a registry on object storage
/// copies the whole blob before it responds.
const COMMIT_TIMEOUT_FACTOR: u32 = 5;

/// Timeout of cancelling an upload session.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// An upload session at a registry. If dropped early, even when a transfer is cancelled during a
/// blob, it is cancelled, so that the registry can discard its bytes.
pub struct Upload {
    client: Client,
    location: Url,
    scope: Scope,
    what: String,
    /// Whether the session no longer exists at the registry.
    ended: bool,
    /// Held until then.
    open: TaskTrackerToken,
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Without a runtime the process is ending, and nothing can be sent.
        if self.ended || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (client, call, open) = (self.client.clone(), self.give_up_call(), self.open.clone());
        tokio::spawn(async move {
            client.upload_give_up(&call).await;
            drop(open);
        });
    }
}

impl Upload {
    fn give_up_call(&self) -> Call {
        let (location, scope) = (self.location.clone(), self.scope.clone());
        Call::new(Method::DELETE, location, scope, self.what.clone())
    }
}

/// The result of a mount request.
pub enum Mount {
    /// The blob is there now, without a transfer.
    Mounted,
    /// The registry opened an upload session instead.
    Session(Upload),
}

/// A failure of one side of a stream between registries.
#[derive(Debug)]
pub enum StreamError {
    /// Reading failed.
    Source(Error),
    /// Writing failed.
    Target(Error),
}

/// Gets the size of each chunk as it is passed to the target.
pub type OnBytes = Arc<dyn Fn(u64) + Send + Sync>;

impl Client {
    /// Requests a mount of the blob from the repository `from` in `to`.
    pub async fn blob_mount(
        &self,
        to: &Repository,
        from: &Repository,
        digest: &Digest,
    ) -> Result<Mount, Error> {
        let mut url = self.url(to, "blobs/uploads/");
        url.set_query(Some(&format!("mount={digest}&from={from}")));
        let scope = Scope::Mount {
            to: to.clone(),
            from: from.clone(),
        };
        let what = format!("mounting blob `{digest}` from `{from}` in `{to}`");
        let answer = self
            .send(Call::new(Method::POST, url.clone(), scope, what))
            .await?;
        if answer.inner.status() == StatusCode::CREATED {
            return Ok(Mount::Mounted);
        }
        self.session(&answer, &url, to, digest).map(Mount::Session)
    }

    /// Copies `blob` of `from` to `to`, in the given session or a new one; restarts if the target
    /// fails. A failing source was already retried by the reader.
    pub async fn blob_upload(
        &self,
        to: &Repository,
        from: (&Client, &Repository),
        blob: &Descriptor,
        mut session: Option<Upload>,
        on_bytes: &OnBytes,
    ) -> Result<(), StreamError> {
        let health = &self.inner.health;
        let mut attempts = self.attempts();
        loop {
            let what = format!("uploading blob `{to}@{}`", blob.digest);
            let trial = self.trial(Kind::WriteBlob, &what).await;
            let trial = trial.map_err(StreamError::Target)?;
            // Opening a session counts its own attempts.
            let mut upload = match session.take() {
                Some(upload) => upload,
                None => self
                    .upload_start(to, &blob.digest)
                    .await
                    .map_err(StreamError::Target)?,
            };
            let Err(error) = self
                .upload_stream((&upload, to), from, blob, on_bytes)
                .await
            else {
                health.note_success(Kind::WriteBlob);
                upload.ended = true;
                return Ok(());
            };
            let StreamError::Target(cause) = &error else {
                drop(trial);
                self.upload_cancel(upload).await;
                return Err(error);
            };
            health.note(Kind::WriteBlob, cause);
            let is_last = is_last(trial.as_ref(), cause);
            drop(trial);
            self.upload_cancel(upload).await;
            match attempts.next_delay(cause).filter(|_| !is_last) {
                Some(delay) => self.inner.wait(cause, delay).await,
                None => return Err(error),
            }
        }
    }

    /// Opens an upload session for the blob, in its own task: otherwise a session being opened when
    /// the transfer is cancelled would stay open, since nobody would read its location.
    async fn upload_start(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Upload, Error> {
        let (client, repository, digest) = (self.clone(), repository.clone(), digest.clone());
        let start = async move { client.session_open(&repository, &digest).await };
        match self.inner.uploads.spawn(start).await {
            Ok(upload) => upload,
            Err(failure) => match failure.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down.
                Err(_) => std::future::pending().await,
            },
        }
    }

    async fn session_open(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Upload, Error> {
        let url = self.url(repository, "blobs/uploads/");
        let what = format!("starting the upload of blob `{repository}@{digest}`");
        let call = Call::new(
            Method::POST,
            url.clone(),
            Scope::Push(repository.clone()),
            what,
        );
        let answer = self.send(call).await?;
        self.session(&answer, &url, repository, digest)
    }

    /// Streams `blob` of `from` into the session and closes it: one PUT with a body of known
    /// length. A 401 renews the token and repeats the request in the same session.
    async fn upload_stream(
        &self,
        (upload, to): (&Upload, &Repository),
        from: (&Client, &Repository),
        blob: &Descriptor,
        on_bytes: &OnBytes,
    ) -> Result<(), StreamError> {
        // Always the target's permit first, then the source's: uploads that take them in different
        // orders could deadlock.
        let _permit = self.permit().await.map_err(StreamError::Target)?;
        let is_own = Arc::ptr_eq(&self.inner, &from.0.inner);
        let mut renewed = false;
        loop {
            let reader = BlobReader::open_with(from.0, from.1, blob, is_own)
                .await
                .map_err(StreamError::Source)?;
            let meter = Arc::new(Meter::default());
            let body = body(reader, Arc::clone(&meter), Arc::clone(on_bytes));
            let put = self
                .upload_put(upload, blob, body, &meter, &mut renewed)
                .await;
            if let Some(error) = meter.failure() {
                return Err(StreamError::Source(error));
            }
            if put.map_err(StreamError::Target)? == Put::Accepted {
                let sent = meter.bytes.load(Ordering::Relaxed);
                let checked = self.upload_check(to, blob, sent).await;
                return checked.map_err(StreamError::Target);
            }
        }
    }

    async fn upload_put(
        &self,
        upload: &Upload,
        blob: &Descriptor,
        body: reqwest::Body,
        meter: &Meter,
        renewed: &mut bool,
    ) -> Result<Put, Error> {
        let mut url = upload.location.clone();
        url.query_pairs_mut()
            .append_pair("digest", blob.digest.as_str());
        let exchange = &self.inner.exchange;
        let own = is_same_origin(&url, &exchange.root);
        let token = if own {
            self.inner.auth.header(&upload.scope, exchange).await?
        } else {
            None
        };
        let request = exchange
            .request_builder(&Method::PUT, &url, token.as_ref(), &upload.what)
            .await?
            .header(CONTENT_LENGTH, blob.size)
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(body);
        let response = self
            .watch(request, (meter, blob.size), &url, &upload.what)
            .await?;
        let answer = exchange.answer(response, &url, upload.what.clone());
        let status = answer.inner.status();
        if status.is_success() {
            return Ok(Put::Accepted);
        }
        if status == StatusCode::UNAUTHORIZED && own {
            let auth = &self.inner.auth;
            let challenges = answer.challenges();
            let words = answer.refusal().await.words();
            if std::mem::replace(renewed, true) {
                return Err(auth.refused(&upload.scope, &upload.what, words));
            }
            let (used, what) = (token.as_ref(), upload.what.as_str());
            auth.challenged(&challenges, &upload.scope, used, (what, words))
                .await?;
            return Ok(Put::Renewed);
        }
        Err(answer.into_error().await)
    }

    /// Verifies that a blob exists whose PUT was answered before all of its bytes were sent.
    async fn upload_check(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        sent: u64,
    ) -> Result<(), Error> {
        if sent == blob.size || self.blob_exists(repository, &blob.digest).await? {
            return Ok(());
        }
        Err(Error::Protocol {
            host: self.host().to_owned(),
            what: format!("uploading blob `{repository}@{}`", blob.digest),
            detail: format!(
                "it accepted the blob after {sent} of {} bytes, but doesn't have it",
                blob.size
            ),
        })
    }

    /// Cancels a session, so that the registry can discard its bytes. Failures don't matter:
    /// registries discard old sessions themselves.
    pub async fn upload_cancel(&self, mut upload: Upload) {
        upload.ended = true;
        self.upload_give_up(&upload.give_up_call()).await;
    }

    async fn upload_give_up(&self, call: &Call) {
        let give_up = async {
            let permit = self.permit().await?;
            self.send_once(call, Some(permit)).await
        };
        let _ = tokio::time::timeout(CANCEL_TIMEOUT, give_up).await;
    }

    /// After all transfers were cancelled, waits until this client has no open upload session, up
    /// to the timeout of cancelling one.
    pub async fn uploads_end(&self) {
        self.inner.uploads.close();
        let _ = tokio::time::timeout(CANCEL_TIMEOUT, self.inner.uploads.wait()).await;
        self.inner.uploads.reopen();
    }

    /// The session that a response opens.
    fn session(
        &self,
        answer: &Response,
        url: &Url,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Upload, Error> {
        let location = answer
            .header(LOCATION.as_str())
            .and_then(|location| url.join(location).ok())
            .ok_or_else(|| answer.protocol("an upload session without a usable `Location`"))?;
        if url.scheme() == "https" && location.scheme() != "https" {
            return Err(
                answer.protocol("an upload `Location` on plain http, but the registry is on https")
            );
        }
        Ok(Upload {
            client: self.clone(),
            location,
            scope: Scope::Push(repository.clone()),
            what: format!("uploading blob `{repository}@{digest}`"),
            ended: false,
            open: self.inner.uploads.token(),
        })
    }

    /// Waits for the response as long as the target accepts bytes, and longer after the last of
    /// `size`.
    async fn watch(
        &self,
        request: reqwest::RequestBuilder,
        (meter, size): (&Meter, u64),
        url: &Url,
        what: &str,
    ) -> Result<reqwest::Response, Error> {
        let idle = self.inner.exchange.idle_timeout;
        let send = request.send();
        tokio::pin!(send);
        let mut quiet = Duration::ZERO;
        let mut seen = 0;
        let tick = idle / 4;
        loop {
            tokio::select! {
                result = &mut send => {
                    return result.map_err(|e| Transport::error(self.inner.exchange.name_of(url), what, url, &e));
                }
                () = tokio::time::sleep(tick) => {}
            }
            let now = meter.bytes.load(Ordering::Relaxed);
            if now != seen || meter.waits_for_source.load(Ordering::Relaxed) {
                quiet = Duration::ZERO;
            } else {
                quiet += tick;
            }
            seen = now;
            let patience = if now >= size {
                idle * COMMIT_TIMEOUT_FACTOR
            } else {
                idle
            };
            if quiet >= patience {
                return Err(idle_error(
                    &self.inner.exchange.name_of(url),
                    what,
                    patience,
                ));
            }
        }
    }
}

/// The target's response to the bytes.
#[derive(PartialEq)]
enum Put {
    Accepted,
    /// The authorisation had expired; it is renewed, and the same session accepts the bytes again.
    Renewed,
}

/// The progress of a body, seen from outside.
#[derive(Default)]
struct Meter {
    bytes: AtomicU64,
    waits_for_source: AtomicBool,
    /// Why the source failed; the target's error is only the consequence.
    failure: Mutex<Option<Error>>,
}

impl Meter {
    fn failure(&self) -> Option<Error> {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

fn body(reader: BlobReader, meter: Arc<Meter>, on_bytes: OnBytes) -> reqwest::Body {
    let stream = try_unfold(
        (reader, meter, on_bytes),
        |(mut reader, meter, on_bytes)| async move {
            meter.waits_for_source.store(true, Ordering::Relaxed);
            let next = reader.next().await;
            meter.waits_for_source.store(false, Ordering::Relaxed);
            match next {
                Ok(Some(chunk)) => {
                    let length = chunk.len() as u64;
                    meter.bytes.fetch_add(length, Ordering::Relaxed);
                    on_bytes(length);
                    Ok(Some((chunk, (reader, meter, on_bytes))))
                }
                Ok(None) => Ok(None),
                Err(error) => {
                    let text = error.to_string();
                    *meter.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    Err(std::io::Error::other(text))
                }
            }
        },
    );
    reqwest::Body::wrap_stream(stream)
}
