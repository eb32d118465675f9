//! Deleting at the target: what goes, what stays, and each guard.
//!
//! - `choosing`: which tags go; `guards`: what forbids all deletes of a place.
//! - `requests`: by tag and by digest, on both kinds of registries, and refusals; `last_look`: what is
//!   asked right before each of them.
//! - `renamed`: tags that have other names at the target.
//! - `lists`: lists of tags that lack some.
//! - `notes`: what a plan says besides.
//! - `backups`: what a tag was before it is overwritten.
//!
//! This file: a source, a target with copies, and what the project wrote.

mod backups;
mod choosing;
mod guards;
mod last_look;
mod lists;
mod notes;
mod renamed;
mod requests;

use std::collections::HashMap;

use registrysync::oci::Client;
use registrysync::sync::prune::settings::{Prune, PruneKind, WrittenTag};
use registrysync::sync::{Action, Engine, Plan, SelectorSpec, Status, SyncSpec};

use crate::support::images::Image;
use crate::support::registry::Registry;
use crate::support::registry::faults::Action as Happens;
use crate::support::registry::log::Kind;
use crate::sync::{Ran, client, everything, item, run, spec};

/// Two registries: tags `1` to `10` of `app` were copied from the source to the target.
pub(crate) struct World {
    pub(crate) source: Registry,
    pub(crate) target: Registry,
    pub(crate) from: Client,
    pub(crate) to: Client,
    pub(crate) written: Vec<WrittenTag>,
}

/// A different one for each number.
pub(crate) fn image(seed: u64) -> Image {
    Image::artifact(seed, "a/b")
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With some of the tags at the same image, the one with this number.
    pub(crate) async fn with(same: &[u64]) -> Self {
        let (source, target) = (Registry::start().await, Registry::start().await);
        for number in 1..=10 {
            let seed = if same.contains(&number) {
                same[0]
            } else {
                number
            };
            image(seed).store(&source, "app", Some(&number.to_string()));
        }
        let (from, to) = (client(source.address()), client(target.address()));
        let ran = run(&to, spec(vec![item(&from, "app", &everything())])).await;
        ran.all_done(Action::Copy, 10);
        target.requests_clear();
        Self {
            written: written(&ran),
            source,
            target,
            from,
            to,
        }
    }

    /// Removes tags at the source.
    pub(crate) fn leave(&self, tags: &[&str]) {
        for tag in tags {
            self.source.tag_remove("app", tag);
        }
    }

    /// What the project may delete.
    pub(crate) fn rules(&self, kind: PruneKind) -> Prune {
        let place = format!("{}/app", self.target.address());
        rules(kind, HashMap::from([(place, self.written.clone())]))
    }

    /// What the project copies and deletes.
    pub(crate) fn spec(&self, selector: &SelectorSpec, rules: Prune) -> SyncSpec {
        SyncSpec {
            prune: Some(rules),
            ..spec(vec![item(&self.from, "app", selector)])
        }
    }

    pub(crate) async fn plan(&self, spec: SyncSpec) -> Plan {
        Engine::new(self.to.clone(), spec).plan().await
    }

    /// The tags at the target, joined.
    pub(crate) fn tags(&self) -> String {
        self.target
            .tags("app")
            .into_keys()
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The deletes that the target was asked for, by path.
    pub(crate) fn deletes(&self) -> usize {
        self.target.requests().count("DELETE", Kind::Manifest)
    }
}

pub(crate) fn rules(kind: PruneKind, written: HashMap<String, Vec<WrittenTag>>) -> Prune {
    Prune {
        kind,
        limit: 100,
        protect: None,
        retain: 0,
        force: false,
        by_pattern: false,
        written,
    }
}

/// The answer to a HEAD for a manifest.
pub(crate) fn head(digest: &str, media_type: &str) -> Happens {
    Happens::Answer {
        status: 200,
        headers: vec![
            ("docker-content-digest", digest.to_owned()),
            ("content-type", media_type.to_owned()),
        ],
        body: String::new(),
    }
}

/// What a run recorded.
pub(crate) fn written(ran: &Ran) -> Vec<WrittenTag> {
    let written = ran.outcomes.iter().filter(|outcome| outcome.is_written);
    let record = |outcome: &registrysync::sync::TagOutcome| {
        let (_, source) = outcome.places().expect("a tag");
        WrittenTag {
            tag: outcome.target_tag.clone(),
            source: source.to_owned(),
            source_tag: outcome.tag.clone(),
            digest: outcome.target_digest.clone().expect("a digest"),
            written_at: "2026-03-01T12:00:00".parse().unwrap(),
            is_shared: false,
        }
    };
    let mut records: Vec<_> = written.map(record).collect();
    records.sort_by(|one, other| one.tag.cmp(&other.tag));
    records
}

/// The tags of a run's deletes that ended so, joined.
pub(crate) fn deleted(ran: &Ran, status: Status) -> String {
    let these = ran.outcomes.iter();
    let these = these.filter(|o| o.action == Action::Delete && o.status == status);
    let mut tags: Vec<&str> = these.map(|o| o.target_tag.as_str()).collect();
    tags.sort_unstable();
    tags.join(" ")
}

/// The tags of a plan's actions of this kind, with why, one a line.
pub(crate) fn planned(plan: &Plan, action: Action) -> String {
    let these = plan.actions.iter().filter(|a| a.action == action);
    let mut tags: Vec<String> = these.map(|a| a.tag.clone()).collect();
    tags.sort_unstable();
    tags.join(" ")
}
