//! The check of targets, on real registries.

use std::collections::HashMap;

use diesel::prelude::*;
use registrysync::store::projects::synced_tag::{StorePair, SyncedKey, SyncedState, synced_upsert};
use registrysync::store::runs::run::RunStatus;
use registrysync::store::schema::synced_tag;

use super::{Place, moment};
use crate::support::build::StoreBuilder;
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;

async fn tags_left(place: &Place) -> Vec<String> {
    let left = place.db.run(|conn| {
        Ok(synced_tag::table
            .order(synced_tag::target_tag)
            .select(synced_tag::target_tag)
            .load(conn)?)
    });
    left.await.expect("tags")
}

/// The tags that the next run repairs.
async fn tags_lost(place: &Place) -> Vec<String> {
    let lost = place.db.run(|conn| {
        Ok(synced_tag::table
            .filter(synced_tag::lost_at.is_not_null())
            .order(synced_tag::target_tag)
            .select(synced_tag::target_tag)
            .load(conn)?)
    });
    lost.await.expect("tags")
}

async fn target(place: &Place, address: &str) -> StorePair {
    let (key, org, src) = (place.db.key().clone(), place.org, place.stores.0);
    let store = StoreBuilder::new(&format!("at {address}").replace(':', " "))
        .uri(&format!("http://{address}"));
    let made = place.db.run(move |conn| store.try_make(conn, &key, org));
    StorePair {
        src,
        dest: made.await.expect("a store"),
    }
}

async fn known(place: &Place, pair: StorePair, tag: &'static str, digest: String) {
    let key = SyncedKey {
        tag: tag.to_owned(),
        target_repository: "app".to_owned(),
        target_tag: tag.to_owned(),
    };
    let state = SyncedState {
        source_digest: digest.clone(),
        target_digest: digest,
        platforms: String::new(),
        verified_at: moment("2026-03-01 12:00:00"),
        lack: String::new(),
        lost_at: None,
    };
    let tags = HashMap::from([(key, state)]);
    place
        .db
        .run(move |conn| synced_upsert(conn, pair, "app", &tags))
        .await
        .expect("no error");
}

on_both_databases! {
    async fn missing_images_are_reported_until_they_are_back(db) {
        let place = Place::new(db, "2026-03-01 12:00:00").await;
        let registry = Registry::start().await;
        // The store has a path, which is a part of what was copied there, too.
        let pair = target(&place, &format!("{}/app", registry.address())).await;
        let image = |seed: u64| Image::single(Format::Oci, AMD64, &[Blob::layer(seed, 1000)]);
        for (seed, tag) in [(1, "good"), (2, "moved"), (3, "hollow")] {
            let image = image(seed);
            image.store(&registry, "app", Some(tag));
            let digest = if tag == "moved" { format!("sha256:{}", "0".repeat(64)) } else { image.digest().to_owned() };
            known(&place, pair, tag, digest).await;
        }
        known(&place, pair, "gone", image(4).digest().to_owned()).await;
        registry.blob_remove("app", &Blob::layer(3, 1000).digest);

        let (status, message, log) = place.house_done("target-verify-bunch", "2026-03-01").await;
        assert_eq!(status, RunStatus::Failed, "{log}");
        assert_eq!(message, "4 targets checked, 3 changed or incomplete, 0 could not be checked");
        for part in [
            "app:moved`: it is `sha256:",
            "app:hollow`: its blob `sha256:",
            &format!("`{}/app:gone`: the tag is gone; the next run of its project repairs it", registry.address()),
        ] {
            assert!(log.contains(part), "{log}");
        }
        assert_eq!(tags_left(&place).await, ["gone", "good", "hollow", "moved"]);
        // Nothing has been repaired.
        let (status, message, _) = place.house_done("target-verify-bunch", "2026-03-02").await;
        assert_eq!(status, RunStatus::Failed);
        assert_eq!(message, "4 targets checked, 3 changed or incomplete, 0 could not be checked");
        image(3).store(&registry, "app", Some("hollow"));
        image(4).store(&registry, "app", Some("gone"));
        let (status, message, _) = place.house_done("target-verify-bunch", "2026-03-03").await;
        assert_eq!(status, RunStatus::Failed);
        assert_eq!(message, "4 targets checked, 1 changed or incomplete, 0 could not be checked");
        assert_eq!(tags_lost(&place).await, ["moved"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_away_loses_nothing() {
    let db = crate::support::database::TestDatabase::sqlite();
    let place = Place::new(db, "2026-03-01 12:00:00").await;
    let away = target(&place, "127.0.0.1:1").await;
    known(&place, away, "good", format!("sha256:{}", "0".repeat(64))).await;
    let (status, message, log) = place.house_done("target-verify-bunch", "2026-03-01").await;
    assert_eq!(status, RunStatus::Failed);
    assert_eq!(
        message,
        "0 targets checked, 0 changed or incomplete, 1 could not be checked"
    );
    assert!(log.contains("can't be checked"), "{log}");
    assert_eq!(tags_left(&place).await, ["good"]);
}
