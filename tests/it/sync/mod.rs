//! The native engine between two registries: what is copied, the number of requests, and the state
//! after failures.
//!
//! - `copying`: every kind of image, repeated runs, shared blobs, updates; between real and in-process registries.
//! - `platforms`: some platforms of an index; `index_modes`: every form in which it can be written.
//! - `odd_manifests`: what no ordinary tool writes.
//! - `blobs`: failing transfers, refused mounts, content that doesn't match its digest.
//! - `referrers`: signatures, SBOMs and attestations, with and without the referrers API.
//! - `selecting`: listings, conflicts, sources that are the target; `newest`: the youngest images;
//!   `naming`: target tags and repositories from templates; `several_items`: a tag of more than one.
//! - `requests`: how many requests a copy takes.
//! - `skopeo`: the same files with the real skopeo.
//! - `writers`: one writer per place.
//!
//! This file: a run from its items to its outcomes, and the registry's content afterwards.

mod blobs;
mod copying;
mod index_modes;
mod naming;
mod newest;
mod odd_manifests;
mod platforms;
mod referrers;
mod requests;
pub(crate) mod selecting;
mod several_items;
mod skopeo;
mod writers;

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::ACCEPT;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use registrysync::oci::{Client, ClientOptions, RegistryAddress, Repository};
use registrysync::sync::input::referrer_choice::ReferrerChoice;
use registrysync::sync::input::spec::{KnownTags, LostTags, MAX_PARALLEL};
use registrysync::sync::progress::{Event, Reporter};
use registrysync::sync::{
    Action, Engine, OnEmpty, Placement, RunEnd, Selector, SelectorSpec, Status, SyncItem, SyncSpec,
    TagOutcome,
};

use crate::support::images;
use crate::support::registry::{Registry, tls};

/// No run of these tests may take longer, whatever is broken.
const BOUND: Duration = Duration::from_mins(2);

/// The usual options for the registry at `HOST:PORT`, over plain http.
pub(crate) fn options(address: &str) -> ClientOptions {
    ClientOptions::new(RegistryAddress::parse(&format!("http://{address}")).unwrap())
}

/// The usual options for a registry of this process; one with TLS is trusted.
pub(crate) fn options_for(registry: &Registry) -> ClientOptions {
    let mut options = ClientOptions::new(RegistryAddress::parse(&registry.url()).unwrap());
    options.ca_certificate = Some(tls::certificate());
    options
}

pub(crate) fn client(address: &str) -> Client {
    Client::new(options(address)).unwrap()
}

pub(crate) fn repository(path: &str) -> Repository {
    Repository::parse(path).unwrap()
}

pub(crate) fn everything() -> SelectorSpec {
    SelectorSpec::default()
}

pub(crate) fn literal(tags: &[&str]) -> SelectorSpec {
    SelectorSpec {
        tags: tags.iter().map(ToString::to_string).collect(),
        ..SelectorSpec::default()
    }
}

pub(crate) fn regex(pattern: &str) -> SelectorSpec {
    SelectorSpec {
        tags_regex: Some(pattern.to_owned()),
        ..SelectorSpec::default()
    }
}

pub(crate) fn item(source: &Client, path: &str, selector: &SelectorSpec) -> SyncItem {
    SyncItem {
        source: source.clone().into(),
        repository: repository(path),
        selector: Selector::compile(selector).unwrap(),
        architectures: Vec::new(),
        target_repository: None,
        on_empty: OnEmpty::Warn,
    }
}

pub(crate) fn spec(items: Vec<SyncItem>) -> SyncSpec {
    SyncSpec {
        items,
        unmatched: Vec::new(),
        placement: Placement::Path,
        target_tag: None,
        date: "2026-03-09".parse().unwrap(),
        index: None,
        max_parallel: MAX_PARALLEL,
        known: KnownTags::new(),
        lost: LostTags::new(),
        only: None,
        referrers: ReferrerChoice::None,
        backup_tag: None,
        prune: None,
    }
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) end: RunEnd,
    pub(crate) outcomes: Vec<TagOutcome>,
    pub(crate) warnings: Vec<String>,
    /// Places and tags that shall not be recorded any more.
    pub(crate) forgotten: Vec<(String, Vec<String>)>,
}

impl Ran {
    /// The outcome of the only tag with this name.
    pub(crate) fn of(&self, tag: &str) -> &TagOutcome {
        let mut found = self.outcomes.iter().filter(|o| o.tag == tag);
        let outcome = found
            .next()
            .unwrap_or_else(|| panic!("`{tag}` in {self:?}"));
        assert!(found.next().is_none(), "`{tag}` twice in {self:?}");
        outcome
    }

    /// Why the tag failed.
    pub(crate) fn error(&self, tag: &str) -> &str {
        let outcome = self.of(tag);
        assert_eq!(outcome.status, Status::Failed, "{outcome:?}");
        outcome.error.as_deref().unwrap()
    }

    /// Asserts that all of them ended with this action, as intended.
    pub(crate) fn all_done(&self, action: Action, count: usize) {
        assert_eq!(self.outcomes.len(), count, "{self:?}");
        for outcome in &self.outcomes {
            assert_eq!(
                (outcome.status, outcome.action),
                (Status::Done, action),
                "{outcome:?}"
            );
        }
    }
}

pub(crate) async fn run(target: &Client, spec: SyncSpec) -> Ran {
    run_engine(&Engine::new(target.clone(), spec)).await
}

/// Runs an engine, or a part of one.
pub(crate) async fn run_engine(engine: &Engine) -> Ran {
    let (sender, mut receiver) = mpsc::channel(4);
    let listen = async {
        let (mut outcomes, mut warnings, mut forgotten) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(event) = receiver.recv().await {
            match event {
                Event::Finished(outcome) | Event::Recovered(outcome) => outcomes.push(*outcome),
                Event::Warning(text) | Event::Empty(text) => warnings.push(text),
                Event::Forgotten { place, tags } => forgotten.push((place, tags)),
                Event::Selected { .. } | Event::Note(_) => {}
            }
        }
        (outcomes, warnings, forgotten)
    };
    let work = engine.run(Reporter::new(sender), CancellationToken::new());
    let both = tokio::time::timeout(BOUND, async { tokio::join!(work, listen) });
    let (end, (outcomes, warnings, forgotten)) = both.await.expect("the run to end");
    Ran {
        end,
        outcomes,
        warnings,
        forgotten,
    }
}

/// The digest of each tag of a repository, as stated by the registry.
pub(crate) async fn tags_at(address: &str, path: &str) -> BTreeMap<String, String> {
    let base = format!("http://{address}/v2/{path}");
    let list = format!("{base}/tags/list?n=1000");
    let answer = images::client().get(list).send().await.unwrap();
    if answer.status() == 404 {
        return BTreeMap::new();
    }
    let listing: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    let mut tags = BTreeMap::new();
    for tag in listing["tags"].as_array().into_iter().flatten() {
        let tag = tag.as_str().unwrap();
        let digest = digest_at(address, path, tag).await;
        tags.insert(
            tag.to_owned(),
            digest.expect("the digest of a tag that is listed"),
        );
    }
    tags
}

/// The digest of a manifest at a registry, if it exists.
pub(crate) async fn digest_at(address: &str, path: &str, reference: &str) -> Option<String> {
    let url = format!("http://{address}/v2/{path}/manifests/{reference}");
    let request = images::client().head(url).header(ACCEPT, accepted());
    let answer = request.send().await.unwrap();
    let digest = answer.headers().get("docker-content-digest");
    digest.map(|digest| digest.to_str().unwrap().to_owned())
}

fn accepted() -> String {
    [
        images::OCI_INDEX,
        images::OCI_MANIFEST,
        images::DOCKER_LIST,
        images::DOCKER_MANIFEST,
    ]
    .join(",")
}

/// What the tags of a repository refer to and the registry lacks, except for foreign layers.
pub(crate) async fn lacking(address: &str, path: &str) -> Vec<String> {
    let base = format!("http://{address}/v2/{path}");
    let client = images::client();
    let mut todo: Vec<String> = tags_at(address, path).await.into_keys().collect();
    let mut lacking = Vec::new();
    while let Some(reference) = todo.pop() {
        let url = format!("{base}/manifests/{reference}");
        let answer = client.get(url).header(ACCEPT, accepted()).send().await;
        let answer = answer.unwrap();
        if answer.status() != 200 {
            lacking.push(reference);
            continue;
        }
        let json: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        let list = |key: &str| json[key].as_array().cloned().unwrap_or_default();
        let digest = |json: &Value| json["digest"].as_str().unwrap_or_default().to_owned();
        todo.extend(list("manifests").iter().map(digest));
        let own = list("layers").into_iter().filter(|l| l["urls"].is_null());
        for blob in own.chain(Some(json["config"].clone()).filter(|c| !c.is_null())) {
            let url = format!("{base}/blobs/{}", digest(&blob));
            if client.head(url).send().await.unwrap().status() != 200 {
                lacking.push(digest(&blob));
            }
        }
    }
    lacking
}
