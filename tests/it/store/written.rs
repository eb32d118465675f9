use super::account;
use super::needed::ran;
use crate::support::build::{ProjectBuilder, RunBuilder};
use crate::support::queue::{claim, end};
use chrono::TimeDelta;
use diesel::prelude::*;
use registrysync::store::Error;
use registrysync::store::now;
use registrysync::store::projects::project::{
    Project, ProjectChange, project_touch, project_update,
};
use registrysync::store::projects::write_intent::{
    IntentRow, intent_list, intents_put, intents_recovered, intents_remove, is_intended,
};
use registrysync::store::projects::written_tag::{
    DeleteBar, DeleteRight, WrittenKey, WrittenRow, delete_bar, written_forget, written_list,
    written_remove, written_upsert,
};
use registrysync::store::runs::cancel::run_cancel;
use registrysync::store::runs::result::{ResultAction, ResultStatus};
use registrysync::store::runs::run::{RunStatus, RunTotals};
use registrysync::store::schema::{run_part, sync_project};

const PLACE: &str = "target.example/app";

fn row(tag: &str, digest: &str) -> WrittenRow {
    WrittenRow {
        place: PLACE.to_owned(),
        tag: tag.to_owned(),
        source_repository: "source.example/app".to_owned(),
        source_tag: tag.to_owned(),
        digest: digest.to_owned(),
        written_at: now(),
    }
}

fn rows(range: std::ops::Range<u32>, digest: &str) -> Vec<WrittenRow> {
    range
        .map(|number| row(&number.to_string(), digest))
        .collect()
}

on_both_databases! {
    async fn what_was_written_is_listed_in_pages_and_forgotten(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            let web = ProjectBuilder::new("web").make(conn, &key, org);
            let other = ProjectBuilder::new("other").make(conn, &key, org);
            written_upsert(conn, web.id, &rows(0..1200, "sha256:1"))?;
            written_upsert(conn, web.id, &rows(0..2, "sha256:2"))?;
            written_upsert(conn, other.id, &rows(1..2, "sha256:1"))?;
            // A name that can't be stored as it is would name another tag.
            written_upsert(conn, web.id, &[row(&"x".repeat(600), "sha256:1")])?;
            let (mut after, mut all) = (WrittenKey::default(), Vec::new());
            loop {
                let page = written_list(conn, web.id, &after, 500)?;
                let Some((last, _)) = page.last() else { break };
                after = last.key();
                all.extend(page);
            }
            assert_eq!(all.len(), 1200);
            let shared: Vec<&str> = all.iter().filter(|(_, shared)| *shared).map(|(row, _)| row.tag.as_str()).collect();
            assert_eq!(shared, ["1"]);
            let newer = all.iter().filter(|(row, _)| row.digest == "sha256:2").count();
            assert_eq!(newer, 2);
            written_forget(conn, web.id, &row("1", "").key())?;
            assert_eq!(written_list(conn, other.id, &WrittenKey::default(), 9)?.len(), 1);
            assert_eq!(written_remove(conn, web.id, 1000)?, 1000);
            assert_eq!(written_remove(conn, web.id, 1000)?, 199);
            Ok(())
        })
        .await
        .expect("no error");
    }
}

/// A project with a recorded tag and a run in progress.
fn world(
    conn: &mut registrysync::store::DbConnection,
    key: &registrysync::store::SealKey,
    name: &str,
) -> (Project, DeleteRight) {
    let (org, _) = account(conn, name);
    let web = ProjectBuilder::new("web").make(conn, key, org);
    RunBuilder::of(&web).enqueue(conn);
    let (_, part) = claim(conn, "w").expect("no error").expect("a part");
    written_upsert(conn, web.id, &[row(name, "sha256:1")]).expect("no error");
    let right = DeleteRight {
        lease: part.lease(),
        org_id: org,
        project_id: web.id,
        modified: web.modified,
    };
    (web, right)
}

on_both_databases! {
    async fn a_tag_may_be_deleted_only_while_nothing_has_changed(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let bar = |conn: &mut _, right: &DeleteRight, tag: &str| delete_bar(conn, right, &row(tag, "").key(), "sha256:1");
            let (_, right) = world(conn, &key, "a");
            assert_eq!(bar(conn, &right, "a")?, None);
            assert_eq!(bar(conn, &right, "other")?, Some(DeleteBar::NotOurs));
            assert_eq!(delete_bar(conn, &right, &row("a", "").key(), "sha256:2")?, Some(DeleteBar::NotOurs));
            run_cancel(conn, right.org_id, right.lease.run_id, "a-admin")?;
            assert_eq!(bar(conn, &right, "a")?, Some(DeleteBar::Cancelled));

            let (web, right) = world(conn, &key, "b");
            let change = ProjectChange { modified_by: "b-admin", ..ProjectChange::default() };
            project_update(conn, web.org_id, web.id, None, &change)?;
            assert_eq!(bar(conn, &right, "b")?, Some(DeleteBar::ProjectChanged));

            let (web, right) = world(conn, &key, "i");
            project_touch(conn, web.id, "i-admin")?;
            assert_eq!(bar(conn, &right, "i")?, Some(DeleteBar::ProjectChanged));

            let (web, right) = world(conn, &key, "c");
            diesel::update(sync_project::table.find(web.id)).set(sync_project::enabled.eq(false)).execute(conn)?;
            assert_eq!(bar(conn, &right, "c")?, Some(DeleteBar::ProjectDisabled));

            let (_, right) = world(conn, &key, "d");
            diesel::update(run_part::table.find(right.lease.part_id)).set(run_part::fence.eq(right.lease.fence + 1)).execute(conn)?;
            assert_eq!(bar(conn, &right, "d")?, Some(DeleteBar::PartLost));

            let (_, right) = world(conn, &key, "e");
            let (second, _) = world(conn, &key, "f");
            written_upsert(conn, second.id, &[row("e", "sha256:1")])?;
            assert_eq!(bar(conn, &right, "e")?, Some(DeleteBar::Shared));

            let (_, right) = world(conn, &key, "g");
            let gone = DeleteRight { project_id: 4711, ..right };
            assert_eq!(bar(conn, &gone, "g")?, Some(DeleteBar::ProjectGone));
            Ok(())
        })
        .await
        .expect("no error");
    }
}

/// The intents at a place, without their age.
fn rows_of(
    conn: &mut registrysync::store::DbConnection,
    project_id: i64,
    place: &str,
) -> Result<Vec<IntentRow>, Error> {
    let rows = intent_list(conn, project_id, place)?.into_iter();
    Ok(rows.map(|(row, _)| row).collect())
}

on_both_databases! {
    async fn a_tag_that_another_project_found_there_is_not_deleted(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (web, right) = world(conn, &key, "a");
            let ours = WrittenRow { place: "target.example.org/app".to_owned(), ..row("a", "sha256:1") };
            written_upsert(conn, web.id, std::slice::from_ref(&ours))?;
            assert_eq!(delete_bar(conn, &right, &ours.key(), "sha256:1")?, None);
            let other = ProjectBuilder::new("other").make(conn, &key, web.org_id);
            let found = ("a", ResultAction::Skip, ResultStatus::Done, Some("sha256:1"));
            let part = ran(conn, &RunBuilder::of(&other), RunStatus::Finished, &[found]);
            diesel::update(run_part::table.find(part)).set(run_part::target_repository.eq("app")).execute(conn)?;
            assert_eq!(delete_bar(conn, &right, &ours.key(), "sha256:1")?, Some(DeleteBar::Shared));
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn an_intent_is_kept_once_a_tag_by_the_holder_of_the_part_only(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (web, right) = world(conn, &key, "a");
            let intent = |tag: &str, expected: &str| IntentRow {
                place: PLACE.to_owned(),
                tag: tag.to_owned(),
                expected: expected.to_owned(),
            };
            let one = [intent("a", "1"), intent("b", "1"), intent("b", "2")];
            intents_put(conn, right.lease, web.id, &one)?;
            intents_put(conn, right.lease, web.id, &[intent("a", "3")])?;
            let all = rows_of(conn, web.id, PLACE)?;
            assert_eq!(all, [intent("a", "3"), intent("b", "2")]);
            assert_eq!(rows_of(conn, web.id, "target.example/other")?, []);
            let (other, _) = world(conn, &key, "b");
            assert_eq!(rows_of(conn, other.id, PLACE)?, []);
            intents_remove(conn, other.id, &[row("a", "").key()])?;
            intents_remove(conn, web.id, &[row("b", "").key(), row("b", "").key()])?;
            assert_eq!(rows_of(conn, web.id, PLACE)?, [intent("a", "3")]);
            let mut lost = right.lease;
            lost.fence += 1;
            let refused = intents_put(conn, lost, web.id, &[intent("c", "1")]);
            assert!(matches!(refused, Err(Error::FenceLost { .. })), "{refused:?}");
            assert_eq!(rows_of(conn, web.id, PLACE)?, [intent("a", "3")]);
            // An older one that has come about doesn't remove it.
            intents_recovered(conn, web.id, &[intent("a", "1")])?;
            assert_eq!(rows_of(conn, web.id, PLACE)?, [intent("a", "3")]);
            intents_recovered(conn, web.id, &[intent("a", "3")])?;
            assert_eq!(rows_of(conn, web.id, PLACE)?, []);
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn a_part_that_has_ended_deletes_nothing(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (_, right) = world(conn, &key, "a");
            let key = row("a", "").key();
            assert_eq!(delete_bar(conn, &right, &key, "sha256:1")?, None);
            end(conn, right.lease, RunStatus::Finished, "", &RunTotals::default())?;
            assert_eq!(delete_bar(conn, &right, &key, "sha256:1")?, Some(DeleteBar::PartLost));
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn what_another_project_is_about_to_write_is_known_for_a_while(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (web, _) = world(conn, &key, "a");
            let (other, right) = world(conn, &key, "b");
            let intent = IntentRow {
                place: PLACE.to_owned(),
                tag: "x".to_owned(),
                expected: "1".to_owned(),
            };
            let replaced = intents_put(conn, right.lease, other.id, std::slice::from_ref(&intent))?;
            assert_eq!(replaced, []);
            let newer = IntentRow { expected: "2".to_owned(), ..intent.clone() };
            let replaced = intents_put(conn, right.lease, other.id, &[newer])?;
            assert_eq!(replaced, std::slice::from_ref(&intent));
            let (hour, none) = (TimeDelta::hours(1), TimeDelta::zero());
            assert!(is_intended(conn, web.id, &intent.key(), hour)?);
            assert!(!is_intended(conn, web.id, &intent.key(), none)?, "an old one");
            assert!(!is_intended(conn, other.id, &intent.key(), hour)?, "its own");
            assert!(!is_intended(conn, web.id, &row("y", "").key(), hour)?);
            Ok(())
        })
        .await
        .expect("no error");
    }
}
