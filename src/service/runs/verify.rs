//! The check that copied tags are still intact at their targets: manifests with their digests, and all
//! their blobs. Changed or incomplete tags are recorded, so that the next run of their project checks
//! and repairs them; until then each check reports them and fails.

use std::collections::HashSet;

use crate::blocking::spawn_blocking;
use crate::oci::types::large::Room;
use crate::oci::{Client, Digest, Manifest, Reference, Repository};
use crate::service::stores::settings::client_options;
use crate::service::{Error, RunLogger};
use crate::store::base::clock::clock;
use crate::store::projects::synced_tag::{
    StorePair, SyncedKey, SyncedPlace, SyncedState, synced_forget, synced_is_left, synced_lookup,
    synced_lost_set, synced_places,
};
use crate::store::runs::log::LogLevel;
use crate::store::stores::image_store::{ImageStore, image_store_by_id};
use crate::store::{Db, DbConnection};

/// Number of consecutive failed requests to one store after which the rest of it is skipped.
const FAILURES: u32 = 3;

/// The result of checking a target.
enum TargetState {
    /// All is there.
    Intact,
    /// It is changed or incomplete.
    Lost(String),
}

/// The counts of a check.
#[derive(Default)]
struct Count {
    checked: u64,
    lost: u64,
    unknown: u64,
}

/// A target store being checked.
struct Target {
    client: Client,
    label: String,
    failures: u32,
    /// What was already found there.
    seen: HashSet<(Repository, Digest)>,
}

/// Checks everything, logs what it finds, and summarises it. Err: something couldn't be checked, or
/// isn't intact.
pub async fn targets_verify(db: &Db, tell: &RunLogger) -> Result<String, Error> {
    let places = db.run(synced_places).await?;
    let mut count = Count::default();
    let mut target: Option<(i64, Option<Target>)> = None;
    for place in places {
        let id = place.pair.dest;
        if target.as_ref().is_none_or(|(known, _)| *known != id) {
            target = Some((id, target_open(db, &place, tell).await));
        }
        if let Some((_, target)) = &mut target {
            place_verify(db, &place, target.as_mut(), tell, &mut count).await?;
        }
    }
    let sum = format!(
        "{} targets checked, {} changed or incomplete, {} could not be checked",
        count.checked, count.lost, count.unknown
    );
    if count.unknown + count.lost == 0 {
        Ok(sum)
    } else {
        Err(Error::Refused(sum))
    }
}

async fn target_open(db: &Db, place: &SyncedPlace, tell: &RunLogger) -> Option<Target> {
    let (id, org, key) = (place.pair.dest, place.org_id, db.key().clone());
    let opened = async {
        let store: Option<ImageStore> =
            db.run(move |conn| image_store_by_id(conn, org, id)).await?;
        let store = store.ok_or_else(|| Error::NotFound("the store was deleted".into()))?;
        let options = client_options(&store, &key)?;
        // Building a TLS client reads the system's certificates.
        let client = spawn_blocking(|| super::job::client::client(options))
            .await
            .map_err(Error::unexpected)??;
        Ok::<_, Error>(Target {
            client,
            label: store.label,
            failures: 0,
            seen: HashSet::new(),
        })
    };
    match opened.await {
        Ok(target) => Some(target),
        Err(error) => {
            let line = format!("the store with the id {id} can't be checked: {error}");
            tell.line(LogLevel::Error, line).await;
            None
        }
    }
}

/// Checks what came from one repository.
async fn place_verify(
    db: &Db,
    place: &SyncedPlace,
    mut target: Option<&mut Target>,
    tell: &RunLogger,
    count: &mut Count,
) -> Result<(), Error> {
    let (pair, repository) = (place.pair, place.repository.clone());
    let known = db
        .run(move |conn| synced_lookup(conn, pair, &repository))
        .await?;
    for (key, state) in known {
        let Some(target) = target.as_mut().filter(|target| target.failures < FAILURES) else {
            count.unknown += 1;
            continue;
        };
        let name = format!(
            "`{}` at `{}/{}:{}`",
            target.label,
            target.client.host(),
            key.target_repository,
            key.target_tag
        );
        match target.verify(&key, &state).await {
            Ok(TargetState::Intact) => {
                count.checked += 1;
                note(db, pair, &place.repository, key, state, Note::Intact).await?;
            }
            Ok(TargetState::Lost(why)) => {
                count.checked += 1;
                count.lost += 1;
                let kept = note(db, pair, &place.repository, key, state, Note::Lost).await?;
                let then = if kept {
                    "the next run of its project repairs it"
                } else {
                    "no project copies it any more, so its record is removed"
                };
                tell.line(LogLevel::Warn, format!("{name}: {why}; {then}"))
                    .await;
            }
            Err(error) => {
                count.unknown += 1;
                tell.line(LogLevel::Error, format!("{name} can't be checked: {error}"))
                    .await;
                if target.failures == FAILURES {
                    let line = format!("the rest of `{}` is skipped", target.label);
                    tell.line(LogLevel::Error, line).await;
                }
            }
        }
    }
    Ok(())
}

/// The findings of a check, for the next run and the next check.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Note {
    Intact,
    Lost,
}

/// Records what was found. Returns whether the tag is still tracked: tags that all their projects
/// left untouched in runs after an earlier check are no longer tracked.
async fn note(
    db: &Db,
    pair: StorePair,
    repository: &str,
    key: SyncedKey,
    state: SyncedState,
    note: Note,
) -> Result<bool, Error> {
    if note == Note::Intact && state.lost_at.is_none() {
        return Ok(true);
    }
    let repository = repository.to_owned();
    let write = move |conn: &mut DbConnection| {
        let lost_at = match (note, state.lost_at) {
            (Note::Intact, _) => None,
            (Note::Lost, None) => Some(clock(conn)?),
            (Note::Lost, Some(since)) => {
                if synced_is_left(conn, pair, &repository, since)? {
                    synced_forget(conn, pair, &repository, &key, &state)?;
                    return Ok(false);
                }
                return Ok(true);
            }
        };
        synced_lost_set(conn, pair, &repository, &key, &state, lost_at)?;
        Ok(true)
    };
    Ok(db.run(write).await?)
}

impl Target {
    async fn verify(
        &mut self,
        key: &SyncedKey,
        state: &SyncedState,
    ) -> Result<TargetState, crate::oci::Error> {
        let (Ok(repository), Ok(reference), Ok(wanted)) = (
            Repository::parse(&key.target_repository),
            Reference::parse(&key.target_tag),
            Digest::parse(&state.target_digest),
        ) else {
            return Ok(TargetState::Lost("its record can't be read".into()));
        };
        let found = self.whole(&repository, &reference, &wanted).await;
        self.failures = match &found {
            Ok(_) => 0,
            Err(_) => self.failures + 1,
        };
        found
    }

    async fn whole(
        &mut self,
        repository: &Repository,
        reference: &Reference,
        wanted: &Digest,
    ) -> Result<TargetState, crate::oci::Error> {
        let top = self.client.manifest_get(repository, reference).await;
        let Some(top) = there(top)? else {
            let what = match reference {
                Reference::Tag(_) => "the tag is gone",
                Reference::Digest(_) => "its manifest is gone",
            };
            return Ok(TargetState::Lost(what.into()));
        };
        if top.digest != *wanted {
            let why = format!("it is `{}` now, and was `{wanted}`", top.digest);
            return Ok(TargetState::Lost(why));
        }
        if let Some(missing) = self.blob_missing(repository, &top).await? {
            return Ok(TargetState::Lost(missing));
        }
        for child in top.children() {
            if self
                .seen
                .contains(&(repository.clone(), child.digest.clone()))
            {
                continue;
            }
            let room = Room::take(child.size, 1).await;
            let manifest = self.client.child_get(repository, child, room).await;
            let Some(manifest) = there(manifest)? else {
                return Ok(TargetState::Lost(format!(
                    "its manifest `{}` is gone",
                    child.digest
                )));
            };
            if let Some(missing) = self.blob_missing(repository, &manifest).await? {
                return Ok(TargetState::Lost(missing));
            }
            self.seen.insert((repository.clone(), child.digest.clone()));
        }
        Ok(TargetState::Intact)
    }

    async fn blob_missing(
        &mut self,
        repository: &Repository,
        manifest: &Manifest,
    ) -> Result<Option<String>, crate::oci::Error> {
        for blob in manifest.blobs() {
            let place = (repository.clone(), blob.digest.clone());
            if self.seen.contains(&place) {
                continue;
            }
            if !self.client.blob_exists(repository, &blob.digest).await? {
                return Ok(Some(format!("its blob `{}` is gone", blob.digest)));
            }
            self.seen.insert(place);
        }
        Ok(None)
    }
}

/// A manifest; one with wrong content counts as missing.
fn there(
    found: Result<Manifest, crate::oci::Error>,
) -> Result<Option<Manifest>, crate::oci::Error> {
    match found {
        Ok(manifest) => Ok(Some(manifest)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(crate::oci::Error::Corrupt { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
