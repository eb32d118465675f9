//! How an image and its platforms look on the wire.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::api::value::ByteCount;
use crate::oci::Descriptor;
use crate::oci::registry::image::{HistoryStep, ImagePlatform};
use crate::service::stores::browse::ImageDetails;

/// One platform of an image.
#[derive(Serialize, JsonSchema)]
pub(in crate::api::namespaces::registrysync) struct PlatformAnswer {
    os: String,
    architecture: String,
    variant: Option<String>,
    /// Such as `10.0.17763.1234`, of Windows.
    os_version: Option<String>,
    digest: String,
    size: ByteCount,
}

impl From<ImagePlatform> for PlatformAnswer {
    fn from(image: ImagePlatform) -> PlatformAnswer {
        PlatformAnswer {
            os: image.platform.os,
            architecture: image.platform.architecture,
            variant: image.platform.variant,
            os_version: image.platform.os_version,
            digest: image.digest.into(),
            size: ByteCount(image.size),
        }
    }
}

/// An image. Lists and maps are present even if empty; missing texts are omitted.
#[derive(Serialize, JsonSchema)]
pub(in crate::api::namespaces::registrysync) struct ImageAnswer {
    digest: String,
    media_type: String,
    size: ByteCount,
    created: Option<String>,
    author: Option<String>,
    os: String,
    architecture: String,
    variant: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    env: Vec<String>,
    entrypoint: Vec<String>,
    cmd: Vec<String>,
    exposed_ports: Vec<String>,
    user: Option<String>,
    working_dir: Option<String>,
    layers: Vec<Layer>,
    history: Vec<HistoryEntry>,
    referrers: Vec<Referrer>,
}

#[derive(Serialize, JsonSchema)]
struct Layer {
    digest: String,
    size: ByteCount,
    media_type: String,
}

#[derive(Serialize, JsonSchema)]
struct HistoryEntry {
    created: Option<String>,
    created_by: Option<String>,
    comment: Option<String>,
    empty_layer: bool,
}

#[derive(Serialize, JsonSchema)]
struct Referrer {
    digest: String,
    media_type: String,
    artifact_type: Option<String>,
    size: ByteCount,
    annotations: BTreeMap<String, String>,
}

impl From<Descriptor> for Layer {
    fn from(layer: Descriptor) -> Layer {
        Layer {
            digest: layer.digest.into(),
            size: ByteCount(layer.size),
            media_type: layer.media_type,
        }
    }
}

impl From<HistoryStep> for HistoryEntry {
    fn from(step: HistoryStep) -> HistoryEntry {
        HistoryEntry {
            created: step.created,
            created_by: step.created_by,
            comment: step.comment,
            empty_layer: step.empty_layer,
        }
    }
}

impl From<Descriptor> for Referrer {
    fn from(referrer: Descriptor) -> Referrer {
        Referrer {
            digest: referrer.digest.into(),
            media_type: referrer.media_type,
            artifact_type: referrer.artifact_type,
            size: ByteCount(referrer.size),
            annotations: referrer.annotations,
        }
    }
}

impl From<ImageDetails> for ImageAnswer {
    fn from(details: ImageDetails) -> ImageAnswer {
        let ImageDetails {
            manifest,
            config,
            annotations,
            referrers,
        } = details;
        let run = config.config;
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        ImageAnswer {
            size: ByteCount(manifest.blobs().map(|blob| blob.size).sum()),
            layers: manifest.layers().iter().cloned().map(Layer::from).collect(),
            digest: manifest.digest.into(),
            media_type: manifest.media_type,
            created: config.created,
            author: config.author,
            os: config.platform.os,
            architecture: config.platform.architecture,
            variant: config.platform.variant,
            labels: run.labels,
            annotations,
            env: run.env,
            entrypoint: run.entrypoint,
            cmd: run.cmd,
            exposed_ports: run.exposed_ports.into_keys().collect(),
            user: given(run.user),
            working_dir: given(run.working_dir),
            history: config.history.into_iter().map(HistoryEntry::from).collect(),
            referrers: referrers.into_iter().map(Referrer::from).collect(),
        }
    }
}
