//! Manifests of a registry: check (HEAD), get, push; deletes are sent by [`super::turn`].

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method};

use super::body_time::BodyTime;
use crate::oci::auth::scope::Scope;
use crate::oci::error::Error;
use crate::oci::http::call::{Call, Fetched, Response};
use crate::oci::http::client::Client;
use crate::oci::types::digest::{Digest, Hasher};
use crate::oci::types::large::{LARGE, Room, offload_if_large};
use crate::oci::types::manifest::{ACCEPT, Descriptor, Manifest, is_schema1};
use crate::oci::types::reference::{Reference, Repository};

/// Maximum size of a manifest: twice what the specification requires of registries, and the limit
/// of `docker-registry` and skopeo. A manifest needs ten times its size in memory.
pub(super) const MAX_MANIFEST: usize = 8 * 1024 * 1024;
/// The message for a larger one.
const TOO_LARGE: &str = "the manifest is larger than the limit of 8 MiB";
const DIGEST_HEADER: &str = "docker-content-digest";
/// The header by which a registry confirms that it lists the manifest as a referrer.
const SUBJECT_HEADER: &str = "oci-subject";

/// The result of checking a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestHead {
    /// The manifest's digest.
    pub digest: Digest,
    /// Its length in bytes, if the registry stated it.
    pub size: Option<u64>,
    /// Its media type, if the registry stated it.
    pub media_type: Option<String>,
}

/// The response to a pushed manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Whether the registry lists it among the referrers of its subject by itself.
    pub is_listed: bool,
}

impl Client {
    /// The digest of a manifest; `None` if it doesn't exist. One HEAD; if a host's HEAD has no
    /// digest or is refused, one GET.
    pub async fn manifest_head(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Option<ManifestHead>, Error> {
        self.head(repository, reference, false).await
    }

    /// The same; with `has_place` it takes no connection permit.
    pub(super) async fn head(
        &self,
        repository: &Repository,
        reference: &Reference,
        has_place: bool,
    ) -> Result<Option<ManifestHead>, Error> {
        if !self.inner.abilities.no_head.is_known() {
            let mut call = self.manifest_call(Method::HEAD, repository, reference);
            call.has_place = has_place;
            match self.send(call).await {
                Ok(answer) => {
                    if let Some(head) = head_read(&answer)? {
                        return Ok(Some(head));
                    }
                }
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) if matches!(error.status(), Some(405 | 501)) => {}
                Err(error) => return Err(error),
            }
            self.inner.abilities.no_head.note();
        }
        let mut call = self.manifest_call(Method::GET, repository, reference);
        call.has_place = has_place;
        let asked = reference.clone();
        let look = |answer| head_of(answer, asked.clone());
        match self.attempt(&call, look).await {
            Ok(head) => Ok(Some(head)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A manifest's bytes, verified against the requested digest and the registry's. A large one
    /// first waits for room, which is held as long as the manifest is kept.
    pub async fn manifest_get(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Manifest, Error> {
        self.manifest_at(repository, reference, 0).await
    }

    /// The same for one that is read while `depth` others are kept.
    pub(super) async fn manifest_at(
        &self,
        repository: &Repository,
        reference: &Reference,
        depth: usize,
    ) -> Result<Manifest, Error> {
        match self.fetch(repository, reference, LARGE, None).await? {
            ManifestBody::Whole(fetched) => manifest_of(fetched, reference, Room::default()).await,
            // Nothing is held while it waits, not even a connection, since the holder of the room
            // needs some.
            ManifestBody::TooLong => {
                let room = Room::take(MAX_MANIFEST as u64, depth).await;
                match self
                    .fetch(repository, reference, MAX_MANIFEST, None)
                    .await?
                {
                    ManifestBody::Whole(fetched) => manifest_of(fetched, reference, room).await,
                    ManifestBody::TooLong => Err(self.too_long(repository, reference)),
                }
            }
        }
    }

    /// A child of an index, which keeps the room reserved for its length. Its length must match the
    /// index.
    pub(crate) async fn child_get(
        &self,
        repository: &Repository,
        child: &Descriptor,
        room: Room,
    ) -> Result<Manifest, Error> {
        let reference = Reference::Digest(child.digest.clone());
        let size = Some(child.size);
        match self
            .fetch(repository, &reference, MAX_MANIFEST, size)
            .await?
        {
            ManifestBody::Whole(fetched) => manifest_of(fetched, &reference, room).await,
            ManifestBody::TooLong => Err(self.too_long(repository, &reference)),
        }
    }

    async fn fetch(
        &self,
        repository: &Repository,
        reference: &Reference,
        limit: usize,
        size: Option<u64>,
    ) -> Result<ManifestBody, Error> {
        let call = self.manifest_call(Method::GET, repository, reference);
        self.attempt(&call, |answer| found(answer, limit, size))
            .await
    }

    fn too_long(&self, repository: &Repository, reference: &Reference) -> Error {
        Error::Protocol {
            host: self.host().to_owned(),
            what: format!("manifest `{}`", reference.on(repository)),
            detail: TOO_LARGE.to_owned(),
        }
    }

    /// Pushes a manifest's bytes under a tag or its digest. Everything it refers to must exist.
    pub async fn manifest_put(
        &self,
        repository: &Repository,
        reference: &Reference,
        manifest: &Manifest,
    ) -> Result<Pushed, Error> {
        let answer = self.send(self.put_call(repository, reference, manifest));
        pushed(&answer.await?, manifest)
    }

    pub(super) fn put_call(
        &self,
        repository: &Repository,
        reference: &Reference,
        manifest: &Manifest,
    ) -> Call {
        let what = format!("pushing manifest `{}`", reference.on(repository));
        let url = self.url(repository, &format!("manifests/{reference}"));
        let call = Call::new(Method::PUT, url, Scope::Push(repository.clone()), what)
            .body(manifest.bytes.clone());
        match HeaderValue::from_str(&manifest.media_type) {
            Ok(value) => call.header(CONTENT_TYPE, value),
            Err(_) => call,
        }
    }

    /// The request that deletes a tag, or a manifest with all its tags.
    pub(super) fn delete_call(&self, repository: &Repository, reference: &Reference) -> Call {
        let what = format!("deleting `{}`", reference.on(repository));
        let url = self.url(repository, &format!("manifests/{reference}"));
        let scope = Scope::Delete(repository.clone());
        Call::new(Method::DELETE, url, scope, what)
    }

    fn manifest_call(
        &self,
        method: Method,
        repository: &Repository,
        reference: &Reference,
    ) -> Call {
        let what = format!("manifest `{}`", reference.on(repository));
        let url = self.url(repository, &format!("manifests/{reference}"));
        Call::new(method, url, Scope::Pull(repository.clone()), what).accept(ACCEPT)
    }
}

/// What the answer to a PUT says; Err if the registry took the bytes for others.
pub(super) fn pushed(answer: &Response, manifest: &Manifest) -> Result<Pushed, Error> {
    match head_read(answer)? {
        Some(head) if !head.digest.matches(&manifest.bytes) => Err(Error::Corrupt {
            host: answer.host.clone(),
            what: answer.what.clone(),
            wanted: manifest.digest.clone(),
            got: head.digest.to_string(),
        }),
        _ => Ok(Pushed {
            is_listed: answer.header(SUBJECT_HEADER).is_some(),
        }),
    }
}

/// A manifest, or a note that it needs more room.
enum ManifestBody {
    Whole(Fetched),
    TooLong,
}

/// Reads a response of at most `limit` bytes, and of exactly `size` if known, in its time.
async fn found(
    mut answer: Response,
    limit: usize,
    size: Option<u64>,
) -> Result<ManifestBody, Error> {
    let announced = answer.inner.content_length();
    if size.is_none() && announced.is_some_and(|length| length > limit as u64) {
        return Ok(ManifestBody::TooLong);
    }
    let mut body = BytesMut::new();
    let mut time = BodyTime::begins(answer.idle_timeout);
    while let Some(chunk) = time.chunk(&mut answer).await? {
        let length = body.len() + chunk.len();
        if let Some(size) = size.filter(|size| length as u64 > *size) {
            return Err(answer.protocol(format!(
                "it is larger than the {size} bytes that its index states"
            )));
        }
        if length > limit {
            return Ok(ManifestBody::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    if let Some(size) = size.filter(|size| body.len() as u64 != *size) {
        let detail = format!("it has {} bytes, but its index states {size}", body.len());
        return Err(answer.protocol(detail));
    }
    Ok(ManifestBody::Whole(Fetched {
        headers: answer.inner.headers().clone(),
        host: answer.host.clone(),
        what: answer.what.clone(),
        body: body.freeze(),
    }))
}

/// Verifies and parses received bytes; the result keeps the room.
async fn manifest_of(
    fetched: Fetched,
    reference: &Reference,
    room: Room,
) -> Result<Manifest, Error> {
    let Fetched {
        headers,
        body: bytes,
        host,
        what,
    } = fetched;
    let length = bytes.len();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let content_type = header(CONTENT_TYPE.as_str()).map(str::to_owned);
    let named = digest_named(header(DIGEST_HEADER)).map_err(|detail| Error::Protocol {
        host: host.clone(),
        what: what.clone(),
        detail,
    })?;
    let asked = digest_asked(reference);
    let read = move || manifest_read(bytes, content_type.as_deref(), asked, named);
    let read = offload_if_large(length, read)
        .await
        .map_err(|wrong| match wrong {
            Wrong::Digest { wanted, got } => Error::Corrupt {
                host,
                what,
                wanted,
                got,
            },
            Wrong::Shape(detail) => Error::Protocol { host, what, detail },
        });
    Ok(read?.within(room))
}

/// Digest and length of a manifest that isn't needed otherwise: a large one isn't kept.
async fn head_of(mut answer: Response, reference: Reference) -> Result<ManifestHead, Error> {
    let named = digest_named(answer.header(DIGEST_HEADER)).map_err(|e| answer.protocol(e))?;
    let content_type = answer.header(CONTENT_TYPE.as_str()).map(str::to_owned);
    let asked = digest_asked(&reference);
    let known = asked.or(named);
    let mut hasher = known.as_ref().map_or_else(Hasher::default, Digest::hasher);
    let (mut length, mut begin) = (0, BytesMut::new());
    let mut time = BodyTime::begins(answer.idle_timeout);
    while let Some(chunk) = time.chunk(&mut answer).await? {
        length += chunk.len();
        if length > MAX_MANIFEST {
            return Err(answer.protocol(TOO_LARGE));
        }
        hasher.update(&chunk);
        if length <= LARGE {
            begin.extend_from_slice(&chunk);
        }
    }
    if length == begin.len() {
        Manifest::parse(begin.freeze(), content_type.as_deref())
            .map_err(|detail| answer.protocol(detail))?;
    }
    let got = hasher.finish();
    let digest = match known {
        // The digest of a signed schema 1 manifest is that of its text without the signatures.
        Some(wanted) if wanted == got || is_schema1(content_type.as_deref()) => wanted,
        Some(wanted) => {
            return Err(Error::Corrupt {
                host: answer.host.clone(),
                what: answer.what.clone(),
                wanted,
                got: got.to_string(),
            });
        }
        None => got,
    };
    Ok(ManifestHead {
        digest,
        size: Some(length as u64),
        media_type: content_type,
    })
}

fn digest_asked(reference: &Reference) -> Option<Digest> {
    match reference {
        Reference::Digest(digest) => Some(digest.clone()),
        Reference::Tag(_) => None,
    }
}

/// Why bytes don't match the requested manifest.
enum Wrong {
    Digest { wanted: Digest, got: String },
    Shape(String),
}

/// Verifies the bytes against the requested and stated digests, and parses them.
fn manifest_read(
    bytes: Bytes,
    content_type: Option<&str>,
    asked: Option<Digest>,
    named: Option<Digest>,
) -> Result<Manifest, Wrong> {
    // The digest of a signed schema 1 manifest is that of its text without the signatures.
    let is_checked = !is_schema1(content_type);
    for wanted in asked.iter().chain(&named) {
        if is_checked && !wanted.matches(&bytes) {
            return Err(Wrong::Digest {
                wanted: wanted.clone(),
                got: Digest::of(&bytes).to_string(),
            });
        }
    }
    let mut manifest = Manifest::parse(bytes, content_type).map_err(Wrong::Shape)?;
    if let Some(digest) = asked.or(named) {
        manifest.digest = digest;
    }
    Ok(manifest)
}

/// The digest and length in a response's headers; an invalid digest is an error.
fn head_read(answer: &Response) -> Result<Option<ManifestHead>, Error> {
    let named = digest_named(answer.header(DIGEST_HEADER)).map_err(|e| answer.protocol(e))?;
    let Some(digest) = named else {
        return Ok(None);
    };
    let size = answer
        .header(CONTENT_LENGTH.as_str())
        .and_then(|length| length.parse().ok());
    let media_type = answer.header(CONTENT_TYPE.as_str()).map(str::to_owned);
    Ok(Some(ManifestHead {
        digest,
        size,
        media_type,
    }))
}

/// The digest in a header; an empty one counts as missing. Err: why it is invalid.
fn digest_named(header: Option<&str>) -> Result<Option<Digest>, String> {
    let text = header.filter(|text| !text.is_empty());
    text.map(|text| Digest::parse(text).map_err(|e| e.to_string()))
        .transpose()
}
