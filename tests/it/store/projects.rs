use super::account;
use crate::support::build::ProjectBuilder;
use registrysync::store::Error;
use registrysync::store::projects::item::{
    item_by_id, item_create, item_delete, item_list, item_update,
};
use registrysync::store::projects::project::{
    ProjectChange, project_by_id, project_by_label, project_delete, project_list, project_lock,
    project_update,
};

on_both_databases! {
    async fn a_project_is_changed_by_version(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            let id = ProjectBuilder::new("mirror").make(conn, &key, org).id;
            let made = project_by_label(conn, org, "mirror")?.expect("the project");
            assert_eq!((made.id, made.version, &*made.modified_by), (id, 1, "somebody"));
            let change = ProjectChange {
                enabled: Some(false),
                options: Some("{\"x\":1}"),
                modified_by: "first",
                ..ProjectChange::default()
            };
            assert!(project_update(conn, org, id, Some(1), &change)?);
            let changed = project_by_id(conn, org, id)?.expect("the project");
            assert_eq!((changed.version, changed.enabled), (2, false));
            assert_eq!(&*changed.options, "{\"x\":1}");
            assert_eq!(changed.src_store_id, made.src_store_id);

            let late = ProjectChange { modified_by: "second", ..ProjectChange::default() };
            match project_update(conn, org, id, Some(1), &late) {
                Err(Error::Stale { version: 2, modified_by, .. }) => {
                    assert_eq!(modified_by, "first");
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(project_by_id(conn, org, id)?.as_ref(), Some(&changed));
            // Changes without a version apply to the current state.
            assert!(project_update(conn, org, id, None, &late)?);
            assert!(!project_update(conn, org, id + 1, None, &late)?);
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn of_two_changes_at_once_one_is_refused(db) {
        let key = db.key().clone();
        let (org, id) = db
            .run(move |conn| {
                let (org, _) = account(conn, "acme");
                Ok((org, ProjectBuilder::new("mirror").make(conn, &key, org).id))
            })
            .await
            .expect("no error");
        let writers: Vec<_> = (0..4)
            .map(|_| {
                let db = (*db).clone();
                tokio::spawn(async move {
                    db.run(move |conn| {
                        let change = ProjectChange { modified_by: "w", ..ProjectChange::default() };
                        project_update(conn, org, id, Some(1), &change)
                    })
                    .await
                })
            })
            .collect();
        let mut done = 0;
        for writer in writers {
            match writer.await.expect("no panic") {
                Ok(true) => done += 1,
                Err(Error::Stale { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(done, 1);
    }
}

on_both_databases! {
    async fn labels_are_unique_and_stores_must_exist(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            let made = ProjectBuilder::new("mirror").make(conn, &key, org);
            let again = ProjectBuilder::new("mirror").stores(made.src_store_id, made.dest_store_id);
            let again = again.try_make(conn, &key, org);
            assert!(matches!(again, Err(Error::Exists(_))), "{again:?}");
            let nowhere = ProjectBuilder::new("b").stores(made.src_store_id, 4711);
            let nowhere = nowhere.try_make(conn, &key, org);
            assert!(matches!(nowhere, Err(Error::Reference(_))), "{nowhere:?}");
            assert_eq!(project_list(conn, org, 0, 10)?, [made]);
            assert!(project_list(conn, org, 1, 10)?.is_empty());
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn items_belong_to_a_project(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            let id = ProjectBuilder::new("mirror").make(conn, &key, org).id;
            let first = item_create(conn, org, id, "library/nginx", "{}")?.expect("an id");
            let second = item_create(conn, org, id, "library/redis", "{\"tags\":[]}")?.expect("an id");
            let listed = item_list(conn, org, id, 0, 10)?;
            assert_eq!(listed.iter().map(|item| item.id).collect::<Vec<_>>(), [first, second]);
            assert_eq!(item_list(conn, org, id, first, 10)?, listed[1..]);
            assert!(item_update(conn, org, first, "library/httpd", "{\"a\":1}")?);
            let changed = item_by_id(conn, org, first)?.expect("the item");
            assert_eq!((&*changed.repository, &*changed.options), ("library/httpd", "{\"a\":1}"));
            assert!(item_delete(conn, org, second)?);
            assert!(!item_delete(conn, org, second)?);
            assert!(project_delete(conn, org, id)?);
            assert!(item_by_id(conn, org, first)?.is_none());
            assert_eq!(item_create(conn, org, id, "a", "{}")?, None);
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn another_organisation_sees_and_changes_nothing(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            let (other, _) = account(conn, "other");
            let id = ProjectBuilder::new("mirror").make(conn, &key, org).id;
            let item = item_create(conn, org, id, "library/nginx", "{}")?.expect("an id");
            let change = ProjectChange { modified_by: "x", ..ProjectChange::default() };
            assert!(project_by_id(conn, other, id)?.is_none());
            assert!(project_by_label(conn, other, "mirror")?.is_none());
            assert!(project_list(conn, other, 0, 10)?.is_empty());
            assert!(!project_lock(conn, other, id)?);
            assert!(!project_update(conn, other, id, None, &change)?);
            assert!(!project_delete(conn, other, id)?);
            assert!(item_create(conn, other, id, "a", "{}")?.is_none());
            assert!(item_by_id(conn, other, item)?.is_none());
            assert!(item_list(conn, other, id, 0, 10)?.is_empty());
            assert!(!item_update(conn, other, item, "b", "{}")?);
            assert!(!item_delete(conn, other, item)?);
            assert_eq!(project_by_id(conn, org, id)?.expect("the project").version, 1);
            assert_eq!(item_by_id(conn, org, item)?.expect("the item").repository, "library/nginx");
            Ok(())
        })
        .await
        .expect("no error");
    }
}
