use super::account;
use crate::support::build::{ProjectBuilder, StoreBuilder};
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use registrysync::store::projects::project::project_delete;
use registrysync::store::schema::image_store;
use registrysync::store::stores::image_store::{
    ImageStoreChange, Login, image_store_by_id, image_store_by_label, image_store_delete,
    image_store_list, image_store_projects, image_store_update,
};
use registrysync::store::{Error, SealError};
use secrecy::ExposeSecret as _;

on_both_databases! {
    async fn a_password_is_sealed_and_comes_back(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            let id = StoreBuilder::new("hub").password("s3cret").make(conn, &key, org);
            let found = image_store_by_label(conn, org, "hub")?.expect("the store");
            assert_eq!((found.id, found.username.as_deref()), (id, Some("robot")));
            assert!(found.has_password());
            let password = found.password(&key)?.expect("a password");
            assert_eq!(password.expose_secret(), "s3cret");

            let none = ImageStoreChange { login: Some(None), ..ImageStoreChange::default() };
            assert!(image_store_update(conn, &key, org, id, &none)?);
            let found = image_store_by_id(conn, org, id)?.expect("the store");
            assert!(!found.has_password() && found.username.is_none());
            assert!(found.password(&key)?.is_none());
            assert_eq!(found.uri, "registry.example.org");

            let change = ImageStoreChange {
                uri: Some("other.example.org".to_owned()),
                options: Some("{\"a\":1}".to_owned()),
                login: Some(Some(Login { username: "you".to_owned(), password: "p2".into() })),
            };
            assert!(image_store_update(conn, &key, org, id, &change)?);
            let found = image_store_by_id(conn, org, id)?.expect("the store");
            assert_eq!((&*found.uri, &*found.options), ("other.example.org", "{\"a\":1}"));
            assert_eq!(found.password(&key)?.expect("a password").expose_secret(), "p2");
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn the_database_never_holds_a_password_in_the_clear(db) {
        let key = db.key().clone();
        let sealed = db
            .run(move |conn| {
                let (org, _) = account(conn, "acme");
                StoreBuilder::new("hub").password("s3cret-s3cret").make(conn, &key, org);
                Ok(image_store::table
                    .select(image_store::credential.assume_not_null())
                    .first::<Vec<u8>>(conn)?)
            })
            .await
            .expect("no error");
        assert!(!sealed.windows(6).any(|part| part == b"s3cret"));
    }
}

on_both_databases! {
    async fn a_seal_moved_to_another_row_does_not_open(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            StoreBuilder::new("theirs").password("s3cret").make(conn, &key, org);
            let mine = StoreBuilder::new("mine").password("own").make(conn, &key, org);
            conn.batch_execute(
                "UPDATE image_store SET credential =
                     (SELECT credential FROM image_store WHERE label = 'theirs')
                 WHERE label = 'mine'",
            )?;
            let moved = image_store_by_id(conn, org, mine)?.expect("the store");
            assert!(matches!(moved.password(&key), Err(SealError::Damaged)));
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn labels_are_unique_in_an_organisation_only(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (acme, _) = account(conn, "acme");
            let (other, _) = account(conn, "other");
            let hub = StoreBuilder::new("hub");
            let id = hub.make(conn, &key, acme);
            let theirs = hub.make(conn, &key, other);
            let again = hub.try_make(conn, &key, acme);
            assert!(matches!(again, Err(Error::Exists(_))), "{again:?}");
            // Another organisation's objects can neither be seen nor changed.
            assert!(image_store_by_id(conn, acme, theirs)?.is_none());
            let change = ImageStoreChange { uri: Some("y".to_owned()), ..Default::default() };
            assert!(!image_store_update(conn, &key, acme, theirs, &change)?);
            assert!(!image_store_delete(conn, acme, theirs)?);
            assert!(image_store_delete(conn, acme, id)?);
            assert!(image_store_by_id(conn, other, theirs)?.is_some_and(|store| store.uri != "y"));
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn a_store_in_use_stays(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            let mirror = ProjectBuilder::new("mirror").make(conn, &key, org);
            for used in [mirror.src_store_id, mirror.dest_store_id] {
                assert_eq!(image_store_projects(conn, org, used)?, ["mirror"]);
                let refused = image_store_delete(conn, org, used);
                assert!(matches!(refused, Err(Error::Reference(_))), "{refused:?}");
            }
            assert!(project_delete(conn, org, mirror.id)?);
            assert!(image_store_delete(conn, org, mirror.src_store_id)?);
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn stores_are_listed_by_pages(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            for label in ["c", "a", "e", "b", "d"] {
                StoreBuilder::new(label).make(conn, &key, org);
            }
            let mut seen: Vec<String> = Vec::new();
            loop {
                let after = seen.last().cloned().unwrap_or_default();
                let page = image_store_list(conn, org, &after, 2)?;
                if page.is_empty() {
                    break;
                }
                seen.extend(page.into_iter().map(|store| store.label));
            }
            assert_eq!(seen, ["a", "b", "c", "d", "e"]);
            Ok(())
        })
        .await
        .expect("no error");
    }
}
