use super::account;
use crate::support::build::{ItemBuilder, ProjectBuilder, StoreBuilder};
use registrysync::store::projects::item::item_delete;
use registrysync::store::projects::synced_tag::{
    StorePair, SyncedKey, SyncedState, synced_forget_unused, synced_lookup, synced_upsert,
};
use registrysync::store::stores::image_store::image_store_delete;
use registrysync::store::{Moment, now};
use std::collections::HashMap;

fn tags(
    range: std::ops::Range<u32>,
    digest: &str,
    time: Moment,
) -> HashMap<SyncedKey, SyncedState> {
    range
        .map(|number| {
            let key = SyncedKey {
                tag: format!("{number}"),
                target_repository: "mirror/nginx".to_owned(),
                target_tag: format!("{number}"),
            };
            let state = SyncedState {
                source_digest: digest.to_owned(),
                target_digest: digest.to_owned(),
                platforms: String::new(),
                verified_at: time,
                lack: String::new(),
                lost_at: None,
            };
            (key, state)
        })
        .collect()
}

on_both_databases! {
    async fn new_digests_replace_the_recorded_ones(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            let pair = StorePair {
                src: StoreBuilder::new("src").make(conn, &key, org),
                dest: StoreBuilder::new("dest").make(conn, &key, org),
            };
            let back = StorePair { src: pair.dest, dest: pair.src };
            let [other_src, other_dest] = ["a", "b"].map(|label| StoreBuilder::new(label).make(conn, &key, org));
            let others = [
                StorePair { src: other_src, ..pair },
                StorePair { dest: other_dest, ..pair },
                back,
            ];
            let time = now();
            assert!(synced_lookup(conn, pair, "nginx")?.is_empty());
            synced_upsert(conn, pair, "nginx", &HashMap::new())?;
            // More than one statement handles.
            let mut known = tags(0..2300, "sha256:old", time);
            synced_upsert(conn, pair, "nginx", &known)?;
            assert_eq!(synced_lookup(conn, pair, "nginx")?, known);
            let newer = tags(1000..2400, "sha256:new", time + chrono::TimeDelta::seconds(1));
            synced_upsert(conn, pair, "nginx", &newer)?;
            known.extend(newer);
            assert_eq!(synced_lookup(conn, pair, "nginx")?, known);
            assert!(synced_lookup(conn, pair, "redis")?.is_empty());
            for other in others {
                assert!(synced_lookup(conn, other, "nginx")?.is_empty(), "{other:?}");
            }
            assert!(image_store_delete(conn, org, pair.dest)?);
            assert!(synced_lookup(conn, pair, "nginx")?.is_empty());
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn writers_of_the_same_tags_do_not_stop_each_other(db) {
        let key = db.key().clone();
        let pair = db
            .run(move |conn| {
                let (org, _) = account(conn, "acme");
                Ok(StorePair {
                    src: StoreBuilder::new("src").make(conn, &key, org),
                    dest: StoreBuilder::new("dest").make(conn, &key, org),
                })
            })
            .await
            .expect("no error");
        let writers: Vec<_> = (0..4)
            .map(|number| {
                let seen = tags(0..300, &format!("sha256:{number}"), now());
                let db = (*db).clone();
                tokio::spawn(async move {
                    db.run(move |conn| synced_upsert(conn, pair, "nginx", &seen)).await
                })
            })
            .collect();
        for writer in writers {
            writer.await.expect("no panic").expect("no error");
        }
    }
}

on_both_databases! {
    async fn tags_that_no_item_copies_are_forgotten(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            let mirror = ProjectBuilder::new("mirror").make(conn, &key, org);
            let pair = StorePair { src: mirror.src_store_id, dest: mirror.dest_store_id };
            let item = ItemBuilder::new("nginx").make(conn, &mirror);
            ItemBuilder::new("redis").make(conn, &mirror);
            for repository in ["nginx", "redis"] {
                synced_upsert(conn, pair, repository, &tags(0..25, "sha256:a", now()))?;
            }
            assert_eq!(synced_forget_unused(conn, 10)?, 0);
            assert!(item_delete(conn, org, item)?);
            let mut gone = 0;
            loop {
                let step = synced_forget_unused(conn, 10)?;
                assert!(step <= 10);
                gone += step;
                if step == 0 {
                    break;
                }
            }
            assert_eq!(gone, 25);
            assert!(synced_lookup(conn, pair, "nginx")?.is_empty());
            assert_eq!(synced_lookup(conn, pair, "redis")?.len(), 25);
            Ok(())
        })
        .await
        .expect("no error");
    }
}
