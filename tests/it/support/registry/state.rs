//! The content of the registry: repositories with their tags, manifests and linked blobs; blob bytes;
//! uploads.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::content::{Content, digest_of, digest_text};

/// Everything stored. A blob's bytes are stored once; a repository has it only if linked.
#[derive(Default)]
pub(crate) struct Data {
    pub(crate) repositories: BTreeMap<String, Repository>,
    pub(crate) blobs: HashMap<String, Content>,
    pub(crate) uploads: HashMap<String, Arc<Mutex<Upload>>>,
    uploads_started: u64,
}

/// One repository.
#[derive(Default)]
pub(crate) struct Repository {
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) manifests: BTreeMap<String, Manifest>,
    pub(crate) blobs: BTreeSet<String>,
}

/// A manifest as it was pushed.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) media_type: String,
    pub(crate) bytes: Bytes,
}

/// An upload session.
#[derive(Default)]
pub(crate) struct Upload {
    hasher: Sha256,
    chunks: Vec<Bytes>,
    /// Bytes received.
    pub(crate) size: u64,
    /// Number of requests that have written; the upload's `Location` changes with it.
    pub(crate) writes: u64,
    /// The last chunk was shorter than the minimum, so it must be the last.
    pub(crate) short: bool,
}

impl Upload {
    /// Adds bytes; a sink stores none of them.
    pub(crate) fn write(&mut self, bytes: Bytes, keep: bool) {
        self.hasher.update(&bytes);
        self.size += bytes.len() as u64;
        if keep {
            self.chunks.push(bytes);
        }
    }

    /// Digest and content of what was received.
    pub(crate) fn finish(&self, keep: bool) -> (String, Content) {
        let content = if keep {
            Content::Kept(self.chunks.concat().into())
        } else {
            Content::Counted(self.size)
        };
        (digest_text(self.hasher.clone()), content)
    }
}

impl Data {
    pub(crate) fn repository(&mut self, name: &str) -> &mut Repository {
        self.repositories.entry(name.to_owned()).or_default()
    }

    /// Stores a blob and links it to the repository.
    pub(crate) fn blob_put(&mut self, repository: &str, digest: &str, content: Content) {
        self.blobs.insert(digest.to_owned(), content);
        self.blob_link(repository, digest);
    }

    pub(crate) fn blob_link(&mut self, repository: &str, digest: &str) {
        self.repository(repository).blobs.insert(digest.to_owned());
    }

    pub(crate) fn blob_linked(&self, repository: &str, digest: &str) -> bool {
        (self.repositories.get(repository)).is_some_and(|found| found.blobs.contains(digest))
    }

    /// The blob, if the repository has it.
    pub(crate) fn blob(&self, repository: &str, digest: &str) -> Option<&Content> {
        self.blob_linked(repository, digest)
            .then(|| self.blobs.get(digest))?
    }

    /// Stores a manifest, under a tag too if one is given; returns its digest.
    pub(crate) fn manifest_put(
        &mut self,
        repository: &str,
        tag: Option<&str>,
        manifest: Manifest,
    ) -> String {
        let digest = digest_of(&manifest.bytes);
        let repository = self.repository(repository);
        repository.manifests.insert(digest.clone(), manifest);
        if let Some(tag) = tag {
            repository.tags.insert(tag.to_owned(), digest.clone());
        }
        digest
    }

    /// The digest and manifest of a tag or digest.
    pub(crate) fn manifest(&self, repository: &str, reference: &str) -> Option<(String, Manifest)> {
        let repository = self.repositories.get(repository)?;
        let tagged = repository.tags.get(reference).map(String::as_str);
        let digest = tagged.unwrap_or(reference);
        let manifest = repository.manifests.get(digest)?;
        Some((digest.to_owned(), manifest.clone()))
    }

    /// Starts an upload session and gives its id.
    pub(crate) fn upload_start(&mut self) -> String {
        self.uploads_started += 1;
        let id = format!("upload-{}", self.uploads_started);
        self.uploads.insert(id.clone(), Arc::default());
        id
    }

    /// Digests that the manifest refers to and the repository lacks: blobs, then children.
    pub(crate) fn missing(&self, repository: &str, manifest: &[u8]) -> (Vec<String>, Vec<String>) {
        let References { blobs, children } = References::of(manifest);
        let found = self.repositories.get(repository);
        let has_child = |digest: &String| found.is_some_and(|r| r.manifests.contains_key(digest));
        (
            (blobs
                .into_iter()
                .filter(|digest| !self.blob_linked(repository, digest)))
            .collect(),
            (children.into_iter().filter(|digest| !has_child(digest))).collect(),
        )
    }

    /// `repository: digest lacks digest`, for each reference of a stored manifest to something
    /// missing.
    pub(crate) fn broken_references(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for (name, repository) in &self.repositories {
            for (digest, manifest) in &repository.manifests {
                let (blobs, children) = self.missing(name, &manifest.bytes);
                let missing = blobs.into_iter().chain(children);
                broken.extend(missing.map(|lost| format!("{name}: {digest} lacks {lost}")));
            }
        }
        broken
    }
}

/// What a manifest refers to and must exist first. Foreign layers (those with `urls`) and the
/// subject needn't.
struct References {
    blobs: Vec<String>,
    children: Vec<String>,
}

impl References {
    fn of(manifest: &[u8]) -> Self {
        let json: Value = serde_json::from_slice(manifest).unwrap_or_default();
        let list = |key: &str| json[key].as_array().cloned().unwrap_or_default();
        let digests = |descriptors: Vec<Value>| {
            let own = descriptors.into_iter().filter(|d| d["urls"].is_null());
            own.filter_map(|d| d["digest"].as_str().map(str::to_owned))
                .collect::<Vec<_>>()
        };
        let blobs = [vec![json["config"].clone()], list("layers"), list("blobs")].concat();
        Self {
            blobs: digests(blobs),
            children: digests(list("manifests")),
        }
    }
}
