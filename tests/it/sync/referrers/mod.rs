//! Signatures, SBOMs and attestations follow their images, between registries with and without the
//! referrers API.
//!
//! - `arriving`: a whole release, repeated runs, plans, types.
//! - `platforms`: some platforms of an index.
//! - `writers`: several writers of one index of referrers.
//! - `lists`: which lists of referrers are read and written; `excess`: those that are too long.
//! - `faults`: sources and targets that misbehave.
//!
//! This file: a release with everything that refers to it, and what a registry has of it.

mod arriving;
mod excess;
mod faults;
mod lists;
mod platforms;
mod writers;

use std::collections::BTreeMap;

use serde_json::Value;

use registrysync::oci::Client;
use registrysync::sync::SyncSpec;
use registrysync::sync::input::referrer_choice::ReferrerChoice;

use super::{item, literal, spec};
use crate::support::docker_registry::AnyRegistry;
use crate::support::images::{self, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::Quirk;

pub(super) const SBOM: &str = "application/spdx+json";
const SIGNATURE: &str = "application/vnd.example.signature";
const PROVENANCE: &str = "application/vnd.in-toto+json";

/// Registries with and without the referrers API; the real one has none.
async fn each() -> Vec<AnyRegistry> {
    let without = Registry::builder().quirk(Quirk::NoReferrers).start();
    let mut each = AnyRegistry::each().await;
    each.push(AnyRegistry::InProcess(without.await));
    each
}

/// Tag `1` of `app`, with all its referrers.
fn wanted(from: &Client) -> SyncSpec {
    SyncSpec {
        referrers: ReferrerChoice::All,
        ..spec(vec![item(from, "app", &literal(&["1"]))])
    }
}

/// `sha256-…` with an ending.
fn tag_for(subject: &str, ending: &str) -> String {
    format!("{}{ending}", subject.replace(':', "-"))
}

/// A multi-platform image, and everything that refers to it and to its children.
struct Release {
    image: Image,
    /// By subject.
    referrers: Vec<(String, Image)>,
    /// What cosign keeps, by tag.
    tagged: Vec<(String, Image)>,
}

impl Release {
    fn new(seed: u64) -> Self {
        let image = Image::multi(Format::Oci, seed, 2000);
        let child = &image.children[0];
        let sbom = Image::referrer(seed + 1, SBOM, &image.top);
        let signature = Image::referrer(seed + 2, SIGNATURE, &sbom.top);
        let provenance = Image::referrer(seed + 3, PROVENANCE, child);
        let of_cosign = |seed| Image::artifact(seed, "application/vnd.oci.image.config.v1+json");
        let attestation = of_cosign(seed + 5);
        let tagged = vec![
            (tag_for(image.digest(), ".sig"), of_cosign(seed + 4)),
            (tag_for(attestation.digest(), ".sig"), of_cosign(seed + 6)),
            (tag_for(image.digest(), ".att"), attestation),
            (
                tag_for(&image.children[1].digest, ".sbom"),
                of_cosign(seed + 7),
            ),
        ];
        Self {
            referrers: vec![
                (image.digest().to_owned(), sbom.clone()),
                (sbom.digest().to_owned(), signature),
                (child.digest.clone(), provenance),
            ],
            tagged,
            image,
        }
    }

    /// Puts it all at a registry; the indexes of referrers if it doesn't list them itself.
    async fn push(&self, address: &str) {
        self.image.push(address, "app", Some("1")).await;
        for (subject, referrer) in &self.referrers {
            referrer.push(address, "app", None).await;
            if listed(address, subject).await.is_none() {
                let tag = tag_for(subject, "");
                Image::fallback(&[referrer])
                    .push(address, "app", Some(&tag))
                    .await;
            }
        }
        for (tag, image) in &self.tagged {
            image.push(address, "app", Some(tag)).await;
        }
    }

    /// How many referrers it has.
    fn count(&self) -> u64 {
        (self.referrers.len() + self.tagged.len()) as u64
    }

    /// Asserts that a registry has all of it.
    async fn assert_whole(&self, address: &str) {
        assert_eq!(super::lacking(address, "app").await, Vec::<String>::new());
        for (subject, referrer) in &self.referrers {
            let found = referrers_at(address, subject).await;
            let json: Value = serde_json::from_slice(&referrer.top.bytes).unwrap();
            let entry = &found[referrer.digest()];
            for key in ["artifactType", "annotations"] {
                assert_eq!(entry[key], json[key], "{entry}");
            }
            let there = super::digest_at(address, "app", referrer.digest()).await;
            assert!(there.is_some(), "{subject}");
            for blob in &referrer.blobs {
                let url = format!("http://{address}/v2/app/blobs/{}", blob.digest);
                assert_eq!(
                    images::client().head(url).send().await.unwrap().status(),
                    200
                );
            }
        }
        for (tag, image) in &self.tagged {
            let digest = super::digest_at(address, "app", tag).await;
            assert_eq!(digest.as_deref(), Some(image.digest()), "{tag}");
        }
    }
}

/// The answer of the referrers API; `None`: there is no such API.
async fn listed(address: &str, subject: &str) -> Option<Value> {
    let url = format!("http://{address}/v2/app/referrers/{subject}");
    let answer = images::client().get(url).send().await.unwrap();
    if answer.status() == 404 {
        return None;
    }
    Some(serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
}

/// What is under the fallback tag of a subject.
async fn fallback_at(address: &str, subject: &str) -> Value {
    let tag = tag_for(subject, "");
    let url = format!("http://{address}/v2/app/manifests/{tag}");
    let request = images::client()
        .get(url)
        .header("accept", images::OCI_INDEX);
    let answer = request.send().await.unwrap();
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

/// The referrers of a subject as a client finds them: digest -> entry.
async fn referrers_at(address: &str, subject: &str) -> BTreeMap<String, Value> {
    let index = match listed(address, subject).await {
        Some(index) => index,
        None => fallback_at(address, subject).await,
    };
    let entries = index["manifests"].as_array().cloned().unwrap_or_default();
    let digest = |entry: &Value| entry["digest"].as_str().unwrap().to_owned();
    let by_digest = entries.into_iter().map(|entry| (digest(&entry), entry));
    by_digest.collect()
}
