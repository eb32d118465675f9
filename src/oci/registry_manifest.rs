//! Manifests of a registry: look (HEAD), fetch, push.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method};

use super::auth::Scope;
use super::call::{Answer, Call, Fetched};
use super::client::Client;
use super::digest::Digest;
use super::error::Error;
use super::large::apart;
use super::manifest::{ACCEPT, Manifest, is_schema1};
use super::reference::{Reference, Repository};

/// The largest manifest read: the specification asks registries for 4 MiB, some take more.
const MAX_MANIFEST: usize = 32 * 1024 * 1024;
const DIGEST_HEADER: &str = "docker-content-digest";

/// Whether a host answers HEAD of a manifest with a digest; learnt once.
#[derive(Default)]
pub(super) struct HeadAbility {
    missing: AtomicBool,
}

/// What a look at a manifest tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestHead {
    /// The manifest's digest.
    pub digest: Digest,
    /// Its length in bytes, where the registry said so.
    pub size: Option<u64>,
}

impl Client {
    /// The digest of a manifest; `None` when it isn't there. One HEAD; where a host's HEAD has no
    /// digest or is refused, one GET.
    pub async fn manifest_head(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Option<ManifestHead>, Error> {
        if !self.inner.head.missing.load(Ordering::Relaxed) {
            let call = self.manifest_call(Method::HEAD, repository, reference);
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
            self.inner.head.missing.store(true, Ordering::Relaxed);
        }
        match self.manifest_get(repository, reference).await {
            Ok(manifest) => Ok(Some(ManifestHead {
                size: Some(manifest.bytes.len() as u64),
                digest: manifest.digest,
            })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A manifest's bytes, checked against the digest asked for and the one that the registry
    /// names.
    pub async fn manifest_get(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Manifest, Error> {
        let call = self.manifest_call(Method::GET, repository, reference);
        let Fetched {
            headers,
            body: bytes,
            host,
            what,
        } = self.fetch(call, MAX_MANIFEST).await?;
        let size = bytes.len();
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let content_type = header(CONTENT_TYPE.as_str()).map(str::to_owned);
        let named = digest_named(header(DIGEST_HEADER)).map_err(|detail| Error::Protocol {
            host: host.clone(),
            what: what.clone(),
            detail,
        })?;
        let asked = match reference {
            Reference::Digest(digest) => Some(digest.clone()),
            Reference::Tag(_) => None,
        };
        let read = move || manifest_read(bytes, content_type.as_deref(), asked, named);
        apart(size, read).await.map_err(|wrong| match wrong {
            Wrong::Digest { wanted, got } => Error::Corrupt {
                host,
                what,
                wanted,
                got,
            },
            Wrong::Shape(detail) => Error::Protocol { host, what, detail },
        })
    }

    /// Pushes a manifest's bytes under a tag or its digest. Everything that it names must be there.
    pub async fn manifest_put(
        &self,
        repository: &Repository,
        reference: &Reference,
        manifest: &Manifest,
    ) -> Result<(), Error> {
        let what = format!("pushing manifest `{}`", reference.on(repository));
        let url = self.url(repository, &format!("manifests/{reference}"));
        let mut call = Call::new(Method::PUT, url, Scope::Push(repository.clone()), what)
            .body(manifest.bytes.clone());
        if let Ok(value) = HeaderValue::from_str(&manifest.media_type) {
            call = call.header(CONTENT_TYPE, value);
        }
        let answer = self.send(call).await?;
        match head_read(&answer)? {
            Some(head) if !head.digest.matches(&manifest.bytes) => Err(Error::Corrupt {
                host: answer.host.clone(),
                what: answer.what.clone(),
                wanted: manifest.digest.clone(),
                got: head.digest.to_string(),
            }),
            _ => Ok(()),
        }
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

/// Why bytes aren't the manifest asked for.
enum Wrong {
    Digest { wanted: Digest, got: String },
    Shape(String),
}

/// Checks the bytes against the digests asked for and named, and reads them.
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

/// The digest and length that an answer's headers name; a digest that is none is an error.
fn head_read(answer: &Answer) -> Result<Option<ManifestHead>, Error> {
    let named = digest_named(answer.header(DIGEST_HEADER)).map_err(|e| answer.protocol(e))?;
    let Some(digest) = named else {
        return Ok(None);
    };
    let size = answer
        .header(CONTENT_LENGTH.as_str())
        .and_then(|length| length.parse().ok());
    Ok(Some(ManifestHead { digest, size }))
}

/// The digest that a header names; an empty one names none. Err: in words, why it is no digest.
fn digest_named(header: Option<&str>) -> Result<Option<Digest>, String> {
    let text = header.filter(|text| !text.is_empty());
    text.map(|text| Digest::parse(text).map_err(|e| e.to_string()))
        .transpose()
}
