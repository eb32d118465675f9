//! Manifests and indexes: the raw bytes, which are what is pushed, and their meaning.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::digest::Digest;
use super::large::Room;
use super::platform::Platform;

/// Media types of manifests that this client requests, in one `Accept` value.
pub const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.oci.artifact.manifest.v1+json, */*;q=0.5";

/// `application/vnd.oci.image.index.v1+json`
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// `application/vnd.oci.image.manifest.v1+json`
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker's manifest of an image.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_SCHEMA1: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];

/// The longest media type in bytes. Source: RFC 6838, section 4.2.
const LONGEST_TYPE: usize = 255;

/// A pointer to content, as in the OCI image specification ("Content Descriptors").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The content's media type; "" if the manifest has none.
    #[serde(default)]
    pub media_type: String,
    /// The content's digest.
    pub digest: Digest,
    /// The content's length in bytes.
    pub size: u64,
    /// For a child of an index: its platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Free key-value pairs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// For a referrer: what kind of artifact it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

impl Descriptor {
    /// What is needed to get the content, for long lists: without platform and annotations, which take
    /// ten times their size in memory, and without types that are too long to be any.
    pub(crate) fn bare(self) -> Self {
        let is_type = |kind: &String| kind.len() <= LONGEST_TYPE;
        Self {
            media_type: Some(self.media_type).filter(is_type).unwrap_or_default(),
            platform: None,
            annotations: BTreeMap::new(),
            artifact_type: self.artifact_type.filter(is_type),
            ..self
        }
    }

    /// A layer that is downloaded from elsewhere and never stored in a registry.
    pub fn is_foreign(&self) -> bool {
        self.media_type.contains(".foreign.") || self.media_type.contains(".nondistributable.")
    }

    /// The digest of the image that this attestation belongs to, if it is an attestation.
    pub fn attested(&self) -> Option<&str> {
        self.annotations
            .get("vnd.docker.reference.digest")
            .map(String::as_str)
    }
}

/// The content of a manifest.
#[derive(Clone, Debug)]
pub enum Content {
    /// An index (or Docker manifest list): its children.
    Index(Vec<Descriptor>),
    /// An image or artifact: configuration and layers, all blobs in order.
    Image {
        /// The configuration, if there is one.
        config: Option<Descriptor>,
        /// Layers, or an artifact's blobs.
        layers: Vec<Descriptor>,
    },
    /// Docker's schema 1, which current registries don't accept.
    Schema1,
}

/// A manifest as a registry sent it.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The bytes, pushed unchanged so that the digest stays the same.
    pub bytes: Bytes,
    /// The media type, without parameters.
    pub media_type: String,
    /// The digest of `bytes`.
    pub digest: Digest,
    /// What it means.
    pub content: Content,
    /// For a large one: its memory permit.
    room: Arc<Room>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawManifest {
    schema_version: Option<i64>,
    media_type: Option<String>,
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    blobs: Option<Vec<Descriptor>>,
    fs_layers: Option<serde::de::IgnoredAny>,
}

impl Manifest {
    /// Parses a manifest. Its kind comes from `content_type` (parameters ignored), else from its
    /// structure. Err: why this isn't a manifest.
    pub fn parse(bytes: Bytes, content_type: Option<&str>) -> Result<Self, String> {
        let raw: RawManifest =
            serde_json::from_slice(&bytes).map_err(|e| format!("not a manifest: {e}"))?;
        let media_type = media_type(&raw, content_type);
        let content = if DOCKER_SCHEMA1.contains(&media_type.as_str()) {
            Content::Schema1
        } else if let Some(children) = raw.manifests {
            Content::Index(children)
        } else if raw.config.is_some() || raw.layers.is_some() || raw.blobs.is_some() {
            let mut layers = raw.layers.unwrap_or_default();
            layers.extend(raw.blobs.unwrap_or_default());
            Content::Image {
                config: raw.config,
                layers,
            }
        } else {
            return Err(
                "not a manifest: it has neither `manifests` nor `config` nor `layers`".into(),
            );
        };
        Ok(Self {
            digest: Digest::of(&bytes),
            bytes,
            media_type,
            content,
            room: Arc::default(),
        })
    }

    /// The same, holding this room as long as it or something derived from it is kept.
    pub(in crate::oci) fn within(self, room: Room) -> Self {
        Self {
            room: Arc::new(room),
            ..self
        }
    }

    /// The children of an index; none for an image.
    pub fn children(&self) -> &[Descriptor] {
        match &self.content {
            Content::Index(children) => children,
            _ => &[],
        }
    }

    /// The blobs that a registry must have before it accepts this manifest; without foreign layers.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        let (config, layers) = match &self.content {
            Content::Image { config, layers } => (config.as_ref(), layers.as_slice()),
            _ => (None, [].as_slice()),
        };
        config
            .into_iter()
            .chain(layers)
            .filter(|blob| !blob.is_foreign())
    }

    /// The layers of an image, including foreign ones; none for an index.
    pub fn layers(&self) -> &[Descriptor] {
        match &self.content {
            Content::Image { layers, .. } => layers,
            _ => &[],
        }
    }

    /// Its annotations.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        #[derive(Deserialize)]
        struct Annotated {
            #[serde(default)]
            annotations: BTreeMap<String, String>,
        }
        serde_json::from_slice(&self.bytes).map_or_else(
            |_| BTreeMap::new(),
            |annotated: Annotated| annotated.annotations,
        )
    }

    /// Whether the configuration is an image's, and so has a platform.
    pub fn has_image_config(&self) -> bool {
        matches!(&self.content, Content::Image { config: Some(config), .. }
            if matches!(config.media_type.as_str(),
                "application/vnd.oci.image.config.v1+json" | "application/vnd.docker.container.image.v1+json"))
    }

    /// The same index with only the children in `keep`; everything else stays as written. The same
    /// input gives the same bytes. Err: why this isn't an index.
    pub fn with_children(&self, keep: &HashSet<Digest>) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Child {
            digest: Digest,
        }
        #[derive(Deserialize)]
        struct Index<'a> {
            #[serde(borrow)]
            manifests: Vec<&'a RawValue>,
        }
        let mut index: Index<'_> =
            serde_json::from_slice(&self.bytes).map_err(|e| format!("not an index: {e}"))?;
        index.manifests.retain(|raw| {
            serde_json::from_str::<Child>(raw.get()).is_ok_and(|child| keep.contains(&child.digest))
        });
        let failed = |e: serde_json::Error| format!("can't rewrite the index: {e}");
        let kept = serde_json::value::to_raw_value(&index.manifests).map_err(failed)?;
        let mut members: indexmap::IndexMap<String, &RawValue> =
            serde_json::from_slice(&self.bytes).map_err(failed)?;
        members.insert("manifests".into(), &kept);
        let bytes = serde_json::to_vec(&members).map_err(failed)?;
        let smaller = Self::parse(bytes.into(), Some(&self.media_type))?;
        Ok(Self {
            room: Arc::clone(&self.room),
            ..smaller
        })
    }
}

/// Whether a `Content-Type` is that of Docker's schema 1.
pub(in crate::oci) fn is_schema1(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|value| DOCKER_SCHEMA1.contains(&essence(value).as_str()))
}

/// A media type without its parameters.
fn essence(content_type: &str) -> String {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

fn media_type(raw: &RawManifest, content_type: Option<&str>) -> String {
    let header = content_type
        .map(essence)
        .filter(|value| value.contains("manifest") || value.contains("index"));
    // The media type in the body takes precedence, but schema 1 has none.
    if let Some(own) = &raw.media_type {
        return own.clone();
    }
    if let Some(header) = header {
        return header;
    }
    if raw.schema_version == Some(1) || raw.fs_layers.is_some() {
        return DOCKER_SCHEMA1[1].to_owned();
    }
    let docker =
        |descriptor: &Descriptor| descriptor.media_type.starts_with("application/vnd.docker.");
    match (&raw.manifests, &raw.config) {
        (Some(children), _) if children.first().is_some_and(docker) => DOCKER_LIST,
        (Some(_), _) => OCI_INDEX,
        (None, Some(config)) if docker(config) => DOCKER_MANIFEST,
        _ => OCI_MANIFEST,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, content_type: Option<&str>) -> Manifest {
        Manifest::parse(Bytes::copy_from_slice(text.as_bytes()), content_type).unwrap()
    }

    #[test]
    fn kind_comes_from_the_type_else_from_the_shape() {
        let empty = Digest::of(b"");
        let config = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.docker.container.image.v1+json","digest":"{empty}","size":0}},"layers":[]}}"#
        );
        assert_eq!(parse(&config, None).media_type, DOCKER_MANIFEST);
        assert_eq!(
            parse(&config, Some("text/plain")).media_type,
            DOCKER_MANIFEST
        );
        assert_eq!(
            parse(
                &config,
                Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8")
            )
            .media_type,
            OCI_MANIFEST
        );
        assert_eq!(
            parse(r#"{"schemaVersion":2,"manifests":[]}"#, None).media_type,
            OCI_INDEX
        );
        for schema1 in [
            r#"{"schemaVersion":1,"fsLayers":[]}"#,
            r#"{"schemaVersion":1,"name":"x","fsLayers":[],"history":[]}"#,
        ] {
            assert!(matches!(parse(schema1, None).content, Content::Schema1));
        }
        assert!(Manifest::parse(Bytes::from_static(b"{}"), None).is_err());
        assert!(Manifest::parse(Bytes::from_static(b"<html>"), None).is_err());
    }

    #[test]
    fn a_smaller_index_keeps_all_else() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let index = parse(
            &format!(
                r#"{{ "z": 1.50, "manifests": [ {{"digest":"{a}", "size":1, "x": [1, 2]}}, {{"digest":"{b}","size":2}} ], "annotations": {{"k":"v"}} }}"#
            ),
            Some(OCI_INDEX),
        );
        let smaller = index.with_children(&HashSet::from([a.clone()])).unwrap();
        let text = std::str::from_utf8(&smaller.bytes).unwrap();
        assert_eq!(
            text,
            format!(
                r#"{{"z":1.50,"manifests":[{{"digest":"{a}", "size":1, "x": [1, 2]}}],"annotations":{{"k":"v"}}}}"#
            )
        );
        assert_eq!(
            smaller.digest,
            index.with_children(&HashSet::from([a])).unwrap().digest
        );
    }
}
