//! The content of an image: its platforms, and the configuration of one of them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::oci::error::Error;
use crate::oci::http::client::Client;
use crate::oci::types::digest::Digest;
use crate::oci::types::large::Room;
use crate::oci::types::manifest::{Content, Descriptor, Manifest};
use crate::oci::types::platform::{Platform, PlatformChoice};
use crate::oci::types::reference::{Reference, Repository};

/// Maximum size of an image configuration; long histories reach some hundred KiB.
const MAX_CONFIG: u64 = 16 * 1024 * 1024;

/// Maximum number of an index's images that are read one by one; real ones have a few dozen at
/// most.
const MAX_PLATFORMS: usize = 500;

/// When an image was created. Source: OCI image specification, "Pre-Defined Annotation Keys".
const CREATED: &str = "org.opencontainers.image.created";

/// One platform of an image.
#[derive(Clone, Debug)]
pub struct ImagePlatform {
    /// The platform.
    pub platform: Platform,
    /// The digest of its manifest.
    pub digest: Digest,
    /// Bytes of configuration and layers as stored.
    pub size: u64,
}

/// An image configuration, for output.
///
/// Source: OCI image specification, "OCI Image Configuration".
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ImageConfig {
    /// Time of creation, RFC 3339.
    pub created: Option<String>,
    /// Who made it.
    pub author: Option<String>,
    /// The platform.
    #[serde(flatten)]
    pub platform: Platform,
    /// How it runs.
    #[serde(default)]
    pub config: RunConfig,
    /// How its layers were built.
    #[serde(default)]
    pub history: Vec<HistoryStep>,
}

/// How to run the image.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RunConfig {
    /// Labels.
    #[serde(deserialize_with = "null_is_default")]
    pub labels: BTreeMap<String, String>,
    /// `NAME=value`.
    #[serde(deserialize_with = "null_is_default")]
    pub env: Vec<String>,
    /// The fixed part of the command.
    #[serde(deserialize_with = "null_is_default")]
    pub entrypoint: Vec<String>,
    /// The default part of the command.
    #[serde(deserialize_with = "null_is_default")]
    pub cmd: Vec<String>,
    /// `80/tcp`, as keys.
    #[serde(deserialize_with = "null_is_default")]
    pub exposed_ports: BTreeMap<String, serde_json::Value>,
    /// The user to run as.
    pub user: Option<String>,
    /// Where it starts.
    pub working_dir: Option<String>,
}

/// One step of an image's history.
#[derive(Clone, Debug, Deserialize)]
pub struct HistoryStep {
    /// RFC 3339 time.
    pub created: Option<String>,
    /// The command.
    pub created_by: Option<String>,
    /// Free text.
    pub comment: Option<String>,
    /// Whether the step created no layer.
    #[serde(default)]
    pub empty_layer: bool,
}

fn null_is_default<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Client {
    /// The platforms of an image, without attestations; one for a single-platform image.
    pub async fn image_platforms(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Vec<ImagePlatform>, Error> {
        let manifest = self.manifest_get(repository, reference).await?;
        let Content::Index(children) = &manifest.content else {
            let platform = self.image_config(repository, &manifest).await?.platform;
            return Ok(vec![image_platform(platform, &manifest)]);
        };
        let images = || children.iter().filter(|child| child.attested().is_none());
        let count = images().count();
        if count > MAX_PLATFORMS {
            return Err(Error::Protocol {
                host: self.host().to_owned(),
                what: format!("index `{}`", reference.on(repository)),
                detail: format!("it has {count} images; at most {MAX_PLATFORMS} are supported"),
            });
        }
        let mut found = Vec::new();
        for child in images() {
            let place = Room::take(child.size, 1).await;
            let image = self.child_get(repository, child, place).await?;
            let platform = match &child.platform {
                Some(platform) => platform.clone(),
                None => self.image_config(repository, &image).await?.platform,
            };
            found.push(image_platform(platform, &image));
        }
        Ok(found)
    }

    /// The manifest in `root` for `choice`, or the first one by default; `None` if an index has no
    /// such platform. Without an index it is the image itself.
    pub async fn image_manifest(
        &self,
        repository: &Repository,
        root: &Manifest,
        choice: Option<&PlatformChoice>,
    ) -> Result<Option<Manifest>, Error> {
        let Content::Index(children) = &root.content else {
            return Ok(Some(root.clone()));
        };
        let wanted = |child: &&Descriptor| match (choice, &child.platform) {
            (None, _) => child.attested().is_none(),
            (Some(choice), Some(platform)) => choice.matches(platform),
            (Some(_), None) => false,
        };
        match children.iter().find(wanted) {
            Some(child) => {
                let place = Room::take(child.size, 1).await;
                self.child_get(repository, child, place).await.map(Some)
            }
            None => Ok(None),
        }
    }

    /// When an image was created: what its annotation says, else its configuration; of an index, its
    /// first image's. `None`: it doesn't say.
    pub async fn image_created(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Option<DateTime<Utc>>, Error> {
        let root = self.manifest_get(repository, reference).await?;
        let annotated = root
            .annotations()
            .get(CREATED)
            .and_then(|time| moment(time));
        if annotated.is_some() {
            return Ok(annotated);
        }
        let Some(image) = self.image_manifest(repository, &root, None).await? else {
            return Ok(None);
        };
        let config = self.image_config(repository, &image).await?;
        Ok(config.created.as_deref().and_then(moment))
    }

    /// The configuration of an image; empty for artifacts without one.
    pub async fn image_config(
        &self,
        repository: &Repository,
        manifest: &Manifest,
    ) -> Result<ImageConfig, Error> {
        let Content::Image {
            config: Some(config),
            ..
        } = &manifest.content
        else {
            return Ok(ImageConfig::default());
        };
        if !manifest.has_image_config() {
            return Ok(ImageConfig::default());
        }
        let bytes = self.blob_get(repository, config, MAX_CONFIG).await?;
        serde_json::from_slice(&bytes).map_err(|e| Error::Protocol {
            host: self.host().to_owned(),
            what: format!("configuration `{repository}@{}`", config.digest),
            detail: format!("it can't be parsed: {e}"),
        })
    }
}

fn moment(text: &str) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    Some(time.to_utc())
}

fn image_platform(platform: Platform, manifest: &Manifest) -> ImagePlatform {
    ImagePlatform {
        platform,
        digest: manifest.digest.clone(),
        // The sizes come from the source, and their sum may overflow.
        size: manifest
            .blobs()
            .fold(0, |sum: u64, blob| sum.saturating_add(blob.size)),
    }
}
