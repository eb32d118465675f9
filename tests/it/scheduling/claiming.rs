//! Which part is claimed next: fair between projects, within the limits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use diesel::connection::{Connection as _, InstrumentationEvent};

use registrysync::service::runs::job::load::run_job_load;
use registrysync::store::access::org::org_create;
use registrysync::store::runs::part::PartStatus;
use registrysync::store::runs::progress::part_end;
use registrysync::store::runs::run::{RunStatus, RunTotals, run_get};
use registrysync::store::{DbConnection, SealKey};
use registrysync::taskomatic::RunLimits;
use registrysync::taskomatic::workers::claim::{Claimed, claim};

use crate::support::build::{ProjectBuilder, RunBuilder};

/// A project with this number of items for different places.
fn copies(source: &str, target: &str, items: usize) -> ProjectBuilder {
    ProjectBuilder::new("web")
        .between(source, target)
        .items(items)
        .max_parallel(4)
}

/// A waiting run of the project, in an organisation of its own.
fn waiting(
    conn: &mut DbConnection,
    key: &SealKey,
    org: &str,
    project: &ProjectBuilder,
) -> (i64, i64) {
    let org = org_create(conn, org).expect("an organisation");
    let project = project.make(conn, key, org);
    (org, RunBuilder::of(&project).enqueue(conn))
}

fn next(conn: &mut DbConnection, limits: RunLimits) -> Option<Claimed> {
    conn.write(|conn| claim(conn, "w", Duration::from_mins(1), limits))
        .expect("no error")
}

fn end(conn: &mut DbConnection, claimed: &Claimed) {
    let totals = RunTotals::default();
    part_end(
        conn,
        claimed.part.lease(),
        PartStatus::Finished,
        "",
        &totals,
    )
    .expect("our part");
}

on_both_databases! {
    async fn a_large_project_starves_no_small_one(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (_, large) = waiting(conn, &key, "a", &copies("one.example", "two.example", 6));
            let first = next(conn, RunLimits::default()).expect("a part");
            let second = next(conn, RunLimits::default()).expect("a part");
            assert_eq!((first.run.id, second.run.id), (large, large));
            assert_eq!((first.part.number, second.part.number), (1, 2));
            assert_eq!(first.part.target_repository, "app0");
            let (_, small) = waiting(conn, &key, "b", &copies("one.example", "two.example", 2));
            let (_, later) = waiting(conn, &key, "c", &copies("one.example", "two.example", 1));
            // The project with the fewest running parts; of several, the oldest run.
            let mut order = Vec::new();
            while let Some(claimed) = next(conn, RunLimits::default()) {
                order.push(claimed.run.id);
            }
            assert_eq!(order, [small, later, small, large, large, large, large]);
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn hosts_and_organisations_have_their_limits(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            // All of them have `two.example` at one end.
            waiting(conn, &key, "a", &copies("one.example", "two.example/mirror", 3));
            waiting(conn, &key, "b", &copies("two.example", "three.example", 3));
            let (_, free) = waiting(conn, &key, "c", &copies("four.example", "five.example", 3));
            let host = RunLimits { per_host: Some(2), per_org: None };
            let claimed: Vec<Claimed> = std::iter::from_fn(|| next(conn, host)).collect();
            let (theirs, others): (Vec<_>, Vec<_>) = claimed.iter().partition(|c| c.run.id == free);
            assert_eq!((theirs.len(), others.len()), (2, 2));
            end(conn, others[0]);
            let after = next(conn, host).expect("a part");
            assert_ne!(after.run.id, free);
            assert!(next(conn, host).is_none());

            let org = RunLimits { per_host: None, per_org: Some(2) };
            let more: Vec<Claimed> = std::iter::from_fn(|| next(conn, org)).collect();
            assert_eq!(more.len(), 2, "{more:?}");
            assert!(more.iter().all(|claimed| claimed.run.id != free));
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn a_run_that_cant_begin_ends_at_once_and_says_why(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, empty) = waiting(conn, &key, "a", &copies("one.example", "two.example", 0));
            let (other, broken) = waiting(conn, &key, "b", &copies("one.example", "two.example", 1));
            diesel::RunQueryDsl::execute(
                diesel::sql_query(format!("UPDATE sync_project SET options = 'rubbish' WHERE org_id = {other}")),
                conn,
            )?;
            assert!(next(conn, RunLimits::default()).is_none());
            let empty = run_get(conn, org, empty)?.expect("the run");
            assert_eq!(empty.status, RunStatus::Failed);
            assert_eq!(
                empty.message,
                "`one.example` to `two.example`: the project has no items, so nothing was copied"
            );
            let broken = run_get(conn, other, broken)?.expect("the run");
            assert_eq!(broken.status, RunStatus::Failed);
            assert!(!broken.message.is_empty());
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn claims_look_at_stores_only_where_a_limit_may_be_reached(db) {
        let key = db.key().clone();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let sink = Arc::clone(&seen);
        db.run(move |conn| {
            conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
                if let InstrumentationEvent::StartQuery { query, .. } = event {
                    sink.lock().expect("no panic").push(query.to_string());
                }
            });
            // How often an idle claim, then one with one running part, and one with two reads all
            // of them.
            let limits = RunLimits { per_host: Some(2), per_org: Some(9) };
            let looks = |conn: &mut DbConnection| {
                seen.lock().expect("no panic").clear();
                let claimed = next(conn, limits);
                let seen = seen.lock().expect("no panic");
                let reads = |text: &&String| {
                    let text = text.replace(['`', '"'], "");
                    text.contains("SELECT image_store.id, image_store.uri")
                };
                (claimed.is_some(), seen.iter().filter(reads).count())
            };
            assert_eq!(looks(conn), (false, 0));
            waiting(conn, &key, "a", &copies("one.example", "two.example", 3));
            assert!(looks(conn).0);
            assert_eq!(looks(conn), (true, 0));
            assert_eq!(looks(conn), (false, 2));
            conn.set_instrumentation(|_: InstrumentationEvent<'_>| {});
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn a_copy_within_one_host_counts_once(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            waiting(conn, &key, "a", &copies("one.example/from", "one.example/to", 3));
            let host = RunLimits { per_host: Some(2), per_org: None };
            let claimed: Vec<Claimed> = std::iter::from_fn(|| next(conn, host)).collect();
            assert_eq!(claimed.len(), 2, "{claimed:?}");
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn a_project_that_is_disabled_begins_no_run_and_ends_what_has_begun(db) {
        let key = db.key().clone();
        let run = db.run(move |conn| {
            let (org, begun) = waiting(conn, &key, "a", &copies("one.example", "two.example", 2));
            let first = next(conn, RunLimits::default()).expect("a part");
            let (other, late) = waiting(conn, &key, "b", &copies("one.example", "two.example", 2));
            diesel::RunQueryDsl::execute(
                diesel::sql_query("UPDATE sync_project SET enabled = FALSE"),
                conn,
            )?;
            let second = next(conn, RunLimits::default()).expect("the other part of what has begun");
            assert_eq!((first.run.id, second.run.id), (begun, begun));
            assert!(next(conn, RunLimits::default()).is_none());
            let late = run_get(conn, other, late)?.expect("the run");
            assert_eq!(late.status, RunStatus::Skipped);
            assert_eq!(late.message, "the project was disabled before the run started");
            assert!(late.end_time.is_some());
            assert_eq!(run_get(conn, org, begun)?.expect("the run").status, RunStatus::Running);
            Ok(second.run)
        })
        .await
        .expect("no error");
        run_job_load(&db, &run).await.expect("what the run works on");
    }
}
