//! Images generated from seeds: the same seed gives the same digests, everywhere. An [`Image`] is
//! everything that one reference needs, in push order; it can be put directly into a test registry
//! ([`Image::store`]) or pushed over HTTP to any registry ([`Image::push`]).

use bytes::Bytes;
use futures_util::stream;
use reqwest::{Client, StatusCode, header};
use serde_json::{Value, json};

use super::registry::{
    Registry,
    content::{Content, digest_of},
};

pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// Os, architecture and variant (empty for none).
pub(crate) type Platform = [&'static str; 3];

pub(crate) const AMD64: Platform = ["linux", "amd64", ""];
pub(crate) const ARM64: Platform = ["linux", "arm64", ""];
pub(crate) const ARM_V7: Platform = ["linux", "arm", "v7"];
const UNKNOWN: Platform = ["unknown", "unknown", ""];

/// The family of media types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Oci,
    Docker,
}

impl Format {
    fn manifest(self) -> &'static str {
        match self {
            Self::Oci => OCI_MANIFEST,
            Self::Docker => DOCKER_MANIFEST,
        }
    }

    fn index(self) -> &'static str {
        match self {
            Self::Oci => OCI_INDEX,
            Self::Docker => DOCKER_LIST,
        }
    }

    fn config(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.config.v1+json",
            Self::Docker => "application/vnd.docker.container.image.v1+json",
        }
    }

    fn layer(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Docker => "application/vnd.docker.image.rootfs.diff.tar.gzip",
        }
    }
}

/// A blob and its digest.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    pub(crate) digest: String,
    pub(crate) content: Content,
}

impl Blob {
    /// A layer of `size` bytes; layers of the same seed and size are the same blob. None of it is in memory.
    pub(crate) fn layer(seed: u64, size: u64) -> Self {
        let content = Content::generated(seed, size);
        Self {
            digest: content.digest(),
            content,
        }
    }

    fn json(json: &Value) -> Self {
        let bytes = Bytes::from(json.to_string());
        Self {
            digest: digest_of(&bytes),
            content: Content::Kept(bytes),
        }
    }

    fn descriptor(&self, media_type: &str) -> Value {
        json!({ "mediaType": media_type, "digest": self.digest, "size": self.content.size() })
    }
}

/// A manifest or index.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) digest: String,
    pub(crate) media_type: String,
    pub(crate) bytes: Bytes,
}

/// All that one reference needs.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// Configs and layers; shared ones only once.
    pub(crate) blobs: Vec<Blob>,
    /// Children before their index.
    pub(crate) children: Vec<Manifest>,
    /// The object of the reference.
    pub(crate) top: Manifest,
}

impl Image {
    fn new(media_type: &str, json: &Value, blobs: Vec<Blob>, children: Vec<Manifest>) -> Self {
        let bytes = Bytes::from(json.to_string());
        Self {
            blobs,
            children,
            top: Manifest {
                digest: digest_of(&bytes),
                media_type: media_type.to_owned(),
                bytes,
            },
        }
    }

    /// An image for one platform.
    pub(crate) fn single(format: Format, platform: Platform, layers: &[Blob]) -> Self {
        let [os, architecture, _] = platform;
        let diff_ids: Vec<_> = layers.iter().map(|layer| &layer.digest).collect();
        let mut config = json!({
            "created": "2024-01-01T00:00:00Z", "os": os, "architecture": architecture, "config": {},
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        variant_set(&mut config, platform);
        Self::configured(format, &config, layers)
    }

    fn configured(format: Format, config: &Value, layers: &[Blob]) -> Self {
        let config = Blob::json(config);
        let descriptors: Vec<_> = (layers.iter().map(|l| l.descriptor(format.layer()))).collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": format.manifest(),
            "config": config.descriptor(format.config()), "layers": descriptors,
        });
        let blobs = distinct([&[config], layers].concat());
        Self::new(format.manifest(), &manifest, blobs, Vec::new())
    }

    /// An index over images for one platform each.
    /// An image for one platform that was created then; an empty text: it doesn't say.
    pub(crate) fn dated(seed: u64, created: &str) -> Self {
        let mut config = json!({"os": "linux", "architecture": "amd64", "config": {},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{seed:064}")]}});
        if !created.is_empty() {
            config["created"] = created.into();
        }
        Self::configured(Format::Oci, &config, &[Blob::layer(seed, 100)])
    }

    pub(crate) fn index(format: Format, images: &[(Platform, Image)]) -> Self {
        let entries = images
            .iter()
            .map(|(platform, image)| image.entry(*platform));
        let entries: Vec<_> = entries.collect();
        let images = images.iter().map(|(_, image)| image);
        Self::over(format, &entries, &images.collect::<Vec<_>>())
    }

    /// An index that states one byte too many for its only image.
    pub(crate) fn index_mistaken(format: Format, seed: u64) -> Self {
        let image = Self::single(format, AMD64, &[Blob::layer(seed, 1000)]);
        let mut entry = image.entry(AMD64);
        entry["size"] = json!(image.top.bytes.len() + 1);
        Self::over(format, &[entry], &[&image])
    }

    /// An index over amd64, arm64 and arm/v7: one shared layer of `size` bytes, and one of their
    /// own each.
    pub(crate) fn multi(format: Format, seed: u64, size: u64) -> Self {
        let image = |(number, platform): (u64, Platform)| {
            let layers = [Blob::layer(seed, size), Blob::layer(seed + number, size)];
            (platform, Self::single(format, platform, &layers))
        };
        let images = [(1, AMD64), (2, ARM64), (3, ARM_V7)].map(image);
        Self::index(format, &images)
    }

    /// An index over amd64 and arm64, each followed by an attestation as `BuildKit` writes it.
    pub(crate) fn attested(seed: u64, size: u64) -> Self {
        let mut entries = Vec::new();
        let mut images = Vec::new();
        for (number, platform) in [(1, AMD64), (2, ARM64)] {
            let image = Self::single(Format::Oci, platform, &[Blob::layer(seed + number, size)]);
            let statement = Blob::json(&json!({
                "_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://slsa.dev/provenance/v0.2",
                "subject": [{ "digest": image.top.digest }],
            }));
            let attestation = Self::single(Format::Oci, UNKNOWN, &[statement]);
            let mut entry = attestation.entry(UNKNOWN);
            entry["annotations"] = json!({
                "vnd.docker.reference.digest": image.top.digest,
                "vnd.docker.reference.type": "attestation-manifest",
            });
            entries.extend([image.entry(platform), entry]);
            images.extend([image, attestation]);
        }
        Self::over(Format::Oci, &entries, &images.iter().collect::<Vec<_>>())
    }

    /// An artifact: a config of this media type and one layer, such as a Helm chart.
    pub(crate) fn artifact(seed: u64, config_type: &str) -> Self {
        let config = Blob::json(&json!({ "name": "artifact", "seed": seed }));
        let layer = Blob::layer(seed, 1000);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config.descriptor(config_type),
            "layers": [layer.descriptor("application/octet-stream")],
        });
        Self::new(OCI_MANIFEST, &manifest, vec![config, layer], Vec::new())
    }

    /// An artifact of this type with a `subject`, such as a signature or an SBOM.
    pub(crate) fn referrer(seed: u64, artifact_type: &str, subject: &Manifest) -> Self {
        let config = Blob::json(&json!({}));
        let layer = Blob::layer(seed, 500);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": artifact_type,
            "config": config.descriptor("application/vnd.oci.empty.v1+json"),
            "layers": [layer.descriptor("application/octet-stream")],
            "annotations": { "org.example.number": seed.to_string() },
            "subject": { "mediaType": subject.media_type, "digest": subject.digest, "size": subject.bytes.len() },
        });
        Self::new(OCI_MANIFEST, &manifest, vec![config, layer], Vec::new())
    }

    /// An index of these referrers, as clients keep it under the fallback tag of their subject.
    pub(crate) fn fallback(referrers: &[&Image]) -> Self {
        let entries: Vec<Value> = referrers
            .iter()
            .map(|referrer| {
                let json: Value = serde_json::from_slice(&referrer.top.bytes).unwrap();
                json!({
                    "mediaType": referrer.top.media_type, "digest": referrer.top.digest,
                    "size": referrer.top.bytes.len(), "artifactType": json["artifactType"],
                    "annotations": json["annotations"],
                })
            })
            .collect();
        Self::over(Format::Oci, &entries, referrers)
    }

    fn over(format: Format, entries: &[Value], images: &[&Image]) -> Self {
        let index = json!({
            "schemaVersion": 2, "mediaType": format.index(), "manifests": entries,
        });
        let blobs = images.iter().flat_map(|image| image.blobs.clone());
        let children = images.iter().map(|image| image.top.clone());
        Self::new(
            format.index(),
            &index,
            distinct(blobs.collect()),
            children.collect(),
        )
    }

    /// Its entry in an index.
    fn entry(&self, platform: Platform) -> Value {
        let [os, architecture, _] = platform;
        let mut described = json!({ "os": os, "architecture": architecture });
        variant_set(&mut described, platform);
        json!({
            "mediaType": self.top.media_type, "digest": self.top.digest, "size": self.top.bytes.len(),
            "platform": described,
        })
    }

    /// Digest of the reference's object.
    pub(crate) fn digest(&self) -> &str {
        &self.top.digest
    }

    /// Puts it directly into a test registry, under a tag if one is given.
    pub(crate) fn store(&self, registry: &Registry, repository: &str, tag: Option<&str>) {
        for blob in &self.blobs {
            registry.content_put(repository, &blob.digest, blob.content.clone());
        }
        for child in &self.children {
            registry.manifest_put(repository, None, &child.media_type, child.bytes.clone());
        }
        let Manifest {
            media_type, bytes, ..
        } = &self.top;
        registry.manifest_put(repository, tag, media_type, bytes.clone());
    }

    /// Pushes it to the registry at `HOST:PORT`, without TLS and credentials, under a tag if one is given.
    pub(crate) async fn push(&self, address: &str, repository: &str, tag: Option<&str>) {
        let client = client();
        let base = format!("http://{address}/v2/{repository}");
        for blob in &self.blobs {
            blob_push(&client, address, &base, blob).await;
        }
        let top = (tag.unwrap_or(&self.top.digest), &self.top);
        let children = self
            .children
            .iter()
            .map(|child| (child.digest.as_str(), child));
        for (reference, manifest) in children.chain([top]) {
            let put = client
                .put(format!("{base}/manifests/{reference}"))
                .header(header::CONTENT_TYPE, &manifest.media_type)
                .body(manifest.bytes.clone());
            answered(put, StatusCode::CREATED).await;
        }
    }
}

async fn blob_push(client: &Client, address: &str, base: &str, blob: &Blob) {
    let start = client.post(format!("{base}/blobs/uploads/"));
    let started = answered(start, StatusCode::ACCEPTED).await;
    let location = started.headers()[header::LOCATION].to_str().unwrap();
    let (digest, size) = (&blob.digest, blob.content.size());
    let and = if location.contains('?') { '&' } else { '?' };
    let host = if location.starts_with('/') {
        format!("http://{address}")
    } else {
        String::new()
    };
    let chunks = blob.content.clone().chunks(0..size);
    let body = reqwest::Body::wrap_stream(stream::iter(chunks.map(Ok::<_, std::io::Error>)));
    let put = client
        .put(format!("{host}{location}{and}digest={digest}"))
        .header(header::CONTENT_LENGTH, size)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .body(body);
    answered(put, StatusCode::CREATED).await;
}

async fn answered(request: reqwest::RequestBuilder, status: StatusCode) -> reqwest::Response {
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status(), status, "{}", response.url());
    response
}

/// A plain HTTP client: no proxy, no redirects followed.
pub(crate) fn client() -> Client {
    // An error only means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .tls_certs_only([])
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client")
}

fn variant_set(json: &mut Value, [_, _, variant]: Platform) {
    if !variant.is_empty() {
        json["variant"] = variant.into();
    }
}

/// Each blob once.
fn distinct(mut blobs: Vec<Blob>) -> Vec<Blob> {
    let mut seen = std::collections::HashSet::new();
    blobs.retain(|blob| seen.insert(blob.digest.clone()));
    blobs
}
