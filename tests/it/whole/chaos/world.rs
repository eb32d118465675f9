//! Two real registries, projects between them, and tags that move at the source.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::super::server::Session;
use crate::support::docker_registry::DockerRegistry;
use crate::support::images::{AMD64, Blob, Format, Image, OCI_MANIFEST, client};
use crate::support::registry::Registry;
use crate::support::registry::content::digest_of;

const PROJECTS: u64 = 30;
/// One more, of the registry with odd tags.
const ODD: &str = "odd";
const TAGS: u64 = 4;
/// Seconds between two fire times of a project.
pub(super) const PERIOD: i64 = 10;
const LAYER: u64 = 300_000;
/// The pause between two moves.
const MOVE_EVERY: Duration = Duration::from_millis(100);

/// Numbers that look random, the same for the same seed (`SplitMix64`).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// The registries.
pub(super) struct World {
    source: Arc<DockerRegistry>,
    /// Lists tags that no database can store and no terminal should show.
    odd: Registry,
    target: DockerRegistry,
}

/// Moves tags until it is stopped.
pub(super) struct Mover {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Mover {
    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

fn repository(project: u64) -> String {
    format!("app{project}")
}

/// Of all projects.
fn labels() -> impl Iterator<Item = String> {
    (0..PROJECTS).map(repository).chain([ODD.to_owned()])
}

/// Pushes a new image under a tag.
async fn push(source: &DockerRegistry, seed: u64, project: u64, tag: u64) {
    let image = Image::single(Format::Oci, AMD64, &[Blob::layer(seed, LAYER)]);
    let tag = format!("v{tag}");
    image
        .push(source.address(), &repository(project), Some(&tag))
        .await;
}

impl World {
    /// `None` if there is no `docker-registry`.
    pub(super) async fn new() -> Option<World> {
        let source = DockerRegistry::start().await?;
        let target = DockerRegistry::start().await?;
        let odd = Registry::start().await;
        for tag in ["v1", "bad\0tag", "esc\u{1b}[2J", "two words"] {
            Image::single(Format::Oci, AMD64, &[Blob::layer(1, LAYER)]).store(&odd, ODD, Some(tag));
        }
        for project in 0..PROJECTS {
            for tag in 0..TAGS {
                push(&source, project * TAGS + tag, project, tag).await;
            }
        }
        Some(World {
            source: Arc::new(source),
            odd,
            target,
        })
    }

    /// Creates the projects, each with a schedule.
    pub(super) async fn projects_make(&self, session: &Session) {
        session.store("from", self.source.address()).await;
        session.store("to", self.target.address()).await;
        session.store("odd", self.odd.address()).await;
        for (number, label) in (0..).zip(labels()) {
            let from = if label == ODD { "odd" } else { "from" };
            let project = json!({"label": label, "srcStore": from, "destStore": "to"});
            session.post("registrysync/create", project).await.unwrap();
            let item = json!({"label": label, "repository": label, "tags": []});
            session.post("registrysync/addImage", item).await.unwrap();
            let line = format!("{}/{PERIOD} * * * * ?", number % PERIOD);
            let schedule = json!({"label": label, "cronExpr": line});
            session
                .post("registrysync/setSchedule", schedule)
                .await
                .unwrap();
        }
    }

    /// Stops all schedules.
    pub(super) async fn projects_disable(&self, session: &Session) {
        for label in labels() {
            let change = json!({"label": label, "details": {"enabled": false}});
            session
                .post("registrysync/setDetails", change)
                .await
                .unwrap();
        }
    }

    /// Moves a tag of some project every now and then.
    pub(super) fn tags_move(&self, seed: u64) -> Mover {
        let stop = CancellationToken::new();
        let (source, stopped) = (Arc::clone(&self.source), stop.clone());
        let task = tokio::spawn(async move {
            let mut random = Random(seed);
            for image in PROJECTS * TAGS.. {
                if stopped.is_cancelled() {
                    return;
                }
                push(&source, image, random.below(PROJECTS), random.below(TAGS)).await;
                tokio::time::sleep(MOVE_EVERY).await;
            }
        });
        Mover { stop, task }
    }

    /// Fetches every tag of the target with all its dependencies, and checks it against its digest
    /// and the source's content.
    pub(super) async fn target_is_whole(&self) {
        assert_eq!(self.tags(ODD).await, BTreeSet::from(["v1".to_owned()]));
        for project in 0..PROJECTS {
            let repository = repository(project);
            let tags = self.tags(&repository).await;
            let wanted: BTreeSet<String> = (0..TAGS).map(|tag| format!("v{tag}")).collect();
            assert_eq!(tags, wanted, "{repository}");
            for tag in tags {
                let manifest = fetch(&self.target, &repository, &format!("manifests/{tag}")).await;
                let at_source = fetch(&self.source, &repository, &format!("manifests/{tag}")).await;
                assert_eq!(
                    manifest, at_source,
                    "{repository}:{tag} is what it was last"
                );
                let manifest: Value = serde_json::from_slice(&manifest).unwrap();
                let layers = manifest["layers"].as_array().unwrap().iter();
                for blob in layers.chain([&manifest["config"]]) {
                    let digest = blob["digest"].as_str().unwrap();
                    let bytes = fetch(&self.target, &repository, &format!("blobs/{digest}")).await;
                    assert_eq!(digest_of(&bytes), digest, "{repository}:{tag}");
                }
            }
        }
    }
}

impl World {
    async fn tags(&self, repository: &str) -> BTreeSet<String> {
        let listed = fetch(&self.target, repository, "tags/list").await;
        let listed: Value = serde_json::from_slice(&listed).unwrap();
        serde_json::from_value(listed["tags"].clone()).unwrap()
    }
}

async fn fetch(registry: &DockerRegistry, repository: &str, what: &str) -> bytes::Bytes {
    let url = format!("http://{}/v2/{repository}/{what}", registry.address());
    let get = client().get(&url).header(header::ACCEPT, OCI_MANIFEST);
    let answer = get.send().await.expect(&url);
    assert_eq!(answer.status(), 200, "{url}");
    answer.bytes().await.expect(&url)
}
