//! Parts that the database assigns to a worker that doesn't work on them, and results that the database
//! rejects. The worker is in this process, the registries are real ones.

use std::collections::HashMap;
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use registrysync::service::projects::settings::ProjectSettings;
use registrysync::store::access::org::org_create;
use registrysync::store::projects::project::Project;
use registrysync::store::projects::synced_tag::{
    StorePair, SyncedKey, SyncedState, synced_lookup, synced_upsert,
};
use registrysync::store::runs::cancel::{Cancelled, run_cancel};
use registrysync::store::runs::lease::{leases_renew, parts_overdue};
use registrysync::store::runs::log::{LogLevel, NewLogLine, log_list};
use registrysync::store::runs::part::{Lease, parts_of};
use registrysync::store::runs::progress::log_append;
use registrysync::store::runs::result::{
    NewRunResult, ResultAction, ResultStatus, result_list, result_put,
};
use registrysync::store::runs::run::{Run, RunStatus, run_get};
use registrysync::store::schema::run_part;
use registrysync::store::{Db, DbConnection, now};
use registrysync::taskomatic::workers::claim::claim;
use registrysync::taskomatic::{LeaseRules, LostParts, RunLimits, Worker, WorkerOptions};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::build::{ProjectBuilder, RunBuilder};
use crate::support::database::TestDatabase;
use crate::support::images::{AMD64, Blob, Format, Image};
use crate::support::registry::Registry;
use crate::support::registry::faults::{Action, Fault};

const RULES: LeaseRules = LeaseRules {
    lost_after: Duration::from_secs(3),
    attempts: 5,
};
/// Checks a run until it has ended: every 50 ms, for a minute.
const LOOKS: usize = 1200;

/// A project between two registries, and a worker named `w`.
struct Work {
    db: TestDatabase,
    source: Registry,
    target: Registry,
    stop: CancellationToken,
    worker: Option<JoinHandle<()>>,
    org: i64,
    project: Project,
    first: i64,
}

impl Work {
    /// With a waiting first run.
    async fn new(db: TestDatabase) -> Work {
        let (source, target) = (Registry::start().await, Registry::start().await);
        for tag in ["v1", "v2"] {
            let image = Image::single(Format::Oci, AMD64, &[Blob::layer(1, 1000)]);
            image.store(&source, "app0", Some(tag));
        }
        let key = db.key().clone();
        let address = |registry: &Registry| format!("http://{}", registry.address());
        let (from, to) = (address(&source), address(&target));
        let made = db.run(move |conn| {
            let org = org_create(conn, "acme")?;
            let project = ProjectBuilder::new("web").between(&from, &to).items(1);
            let project = project.make(conn, &key, org);
            let first = RunBuilder::of(&project).enqueue(conn);
            Ok((project, first))
        });
        let (project, first) = made.await.expect("a project");
        Work {
            db,
            source,
            target,
            stop: CancellationToken::new(),
            worker: None,
            org: project.org_id,
            project,
            first,
        }
    }

    /// With a worker that has finished a first run, and so has handled earlier leftovers.
    async fn begun(db: TestDatabase) -> Work {
        let mut work = Work::new(db).await;
        work.worker_start();
        let run = work.ended(work.first).await;
        assert_eq!(run.status, RunStatus::Finished, "{}", run.message);
        assert_eq!(run.totals.copied, 2);
        work
    }

    fn worker_start(&mut self) {
        let options = WorkerOptions {
            name: "w".to_owned(),
            slots: 2,
            leases: RULES,
            limits: RunLimits::default(),
            grace: Duration::from_secs(5),
        };
        let db: &Db = &self.db;
        let worker = Worker::new(
            db.clone(),
            options,
            std::sync::Arc::default(),
            std::sync::Arc::default(),
        );
        self.worker = Some(tokio::spawn(worker.run(self.stop.clone())));
    }

    async fn run(&self) -> i64 {
        let run = RunBuilder::of(&self.project);
        let queued = self.db.run(move |conn| Ok(run.enqueue(conn)));
        queued.await.expect("a run")
    }

    /// A run that the database assigns to the worker without its knowledge.
    async fn claimed_out_of_sight(&self) -> i64 {
        let run = RunBuilder::of(&self.project);
        self.db
            .run(move |conn| {
                conn.write(|conn| {
                    let id = run.enqueue(conn);
                    let claimed = claim(conn, "w", RULES.lost_after * 2 / 3, RunLimits::default());
                    let claimed = claimed.expect("no error").expect("a part");
                    assert_eq!(claimed.run.id, id);
                    Ok(id)
                })
            })
            .await
            .expect("a part")
    }

    async fn ended(&self, id: i64) -> Run {
        let org = self.org;
        for _ in 0..LOOKS {
            let run = self.db.run(move |conn| run_get(conn, org, id));
            let run = run.await.expect("no error").expect("the run");
            if !matches!(run.status, RunStatus::Ready | RunStatus::Running) {
                return run;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("run {id} doesn't end");
    }

    async fn log(&self, id: i64) -> Vec<String> {
        let org = self.org;
        let lines = self.db.run(move |conn| log_list(conn, org, id, 0, 1000));
        let lines = lines.await.expect("a log");
        lines.into_iter().map(|line| line.message).collect()
    }

    async fn sql(&self, sqlite: &'static str, postgres: &'static str) {
        let done = self.db.run(move |conn| {
            match conn {
                DbConnection::Sqlite(c) => c.batch_execute(sqlite)?,
                DbConnection::Postgres(c) => c.batch_execute(postgres)?,
            }
            Ok(())
        });
        done.await.expect("no error");
    }

    async fn end(self) {
        self.stop.cancel();
        if let Some(worker) = self.worker {
            worker.await.expect("no panic");
        }
    }
}

on_both_databases! {
    async fn a_part_whose_claim_got_no_answer_is_offered_again(db) {
        let work = Work::begun(db).await;
        let id = work.claimed_out_of_sight().await;
        let run = work.ended(id).await;
        assert_eq!((run.status, run.totals.skipped), (RunStatus::Finished, 2), "{}", run.message);
        let log = work.log(id).await.join("\n");
        assert!(log.contains("its worker `w` isn't working on it; retried, attempt 2 of 5"), "{log}");
        work.end().await;
    }
}

on_both_databases! {
    async fn a_run_is_cancelled_though_its_worker_does_not_know_of_it(db) {
        let work = Work::begun(db).await;
        let id = work.claimed_out_of_sight().await;
        let org = work.org;
        let cancelled = work.db.run(move |conn| run_cancel(conn, org, id, "me")).await;
        assert_eq!(cancelled.expect("no error"), Cancelled::Asked);
        let run = work.ended(id).await;
        assert_eq!(run.status, RunStatus::Interrupted, "{}", run.message);
        // The project is free.
        let next = work.ended(work.run().await).await;
        assert_eq!(next.status, RunStatus::Finished, "{}", next.message);
        work.end().await;
    }
}

on_both_databases! {
    async fn a_run_whose_workers_are_all_gone_is_cancelled(db) {
        let work = Work::new(db).await;
        let (org, id) = (work.org, work.first);
        work.db
            .run(move |conn| {
                conn.write(|conn| claim(conn, "gone", RULES.lost_after / 3, RunLimits::default()))
                    .expect("no error")
                    .expect("a part");
                assert_eq!(run_cancel(conn, org, id, "me")?, Cancelled::Asked);
                Ok(())
            })
            .await
            .expect("no error");
        let db: &Db = &work.db;
        let search = LostParts::new(db.clone(), RULES, std::sync::Arc::default());
        let search = tokio::spawn(search.run(work.stop.clone()));
        assert_eq!(work.ended(id).await.status, RunStatus::Interrupted);
        work.stop.cancel();
        search.await.expect("no panic");
    }
}

on_both_databases! {
    async fn only_what_is_held_is_renewed(db) {
        let work = Work::new(db).await;
        work.db
            .run(move |conn| {
                let short = Duration::from_secs(1);
                let claimed = conn
                    .write(|conn| claim(conn, "w", short, RunLimits::default()))
                    .expect("no error")
                    .expect("a part");
                let lease = claimed.part.lease();
                let until = |conn: &mut DbConnection| -> Result<_, registrysync::store::Error> {
                    Ok(parts_of(conn, Some("w"))?[0].lease_until)
                };
                let first = until(conn)?;
                let long = Duration::from_mins(10);
                leases_renew(conn, &[], long)?;
                let other = Lease { fence: lease.fence + 1, ..lease };
                leases_renew(conn, &[other], long)?;
                assert_eq!(until(conn)?, first, "neither by name nor under another fence");
                leases_renew(conn, &[other, lease], long)?;
                assert!(until(conn)? > first);
                // A row without a lease end is overdue, and can be offered.
                diesel::update(run_part::table)
                    .set(run_part::lease_until.eq(None::<registrysync::store::Moment>))
                    .execute(conn)?;
                assert_eq!(parts_overdue(conn, long)?.len(), 1);
                Ok(())
            })
            .await
            .expect("no error");
    }
}

on_both_databases! {
    async fn results_that_the_database_refuses_end_the_run_with_words(db) {
        let work = Work::begun(db).await;
        work.sql(
            "CREATE TRIGGER refuse BEFORE INSERT ON run_result BEGIN SELECT RAISE(ABORT, 'no'); END",
            "ALTER TABLE run_result ADD CONSTRAINT refuse CHECK (bytes < 0) NOT VALID",
        )
        .await;
        let run = work.ended(work.run().await).await;
        assert_eq!(run.status, RunStatus::Failed, "{}", run.message);
        assert!(run.message.contains("the database rejected some of the results"), "{}", run.message);
        work.sql("DROP TRIGGER refuse", "ALTER TABLE run_result DROP CONSTRAINT refuse").await;
        let run = work.ended(work.run().await).await;
        assert_eq!((run.status, run.totals.skipped), (RunStatus::Finished, 2), "{}", run.message);
        work.end().await;
    }
}

on_both_databases! {
    async fn results_wait_for_a_database_that_is_full_for_a_while(db) {
        let work = Work::begun(db).await;
        work.sql(
            "CREATE TRIGGER refuse BEFORE INSERT ON run_result BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END",
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$BEGIN RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'no space'; END$$; \
             CREATE TRIGGER refuse BEFORE INSERT ON run_result FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        .await;
        let id = work.run().await;
        // Several leases long, and longer than any fixed number of retries.
        tokio::time::sleep(Duration::from_secs(15)).await;
        let org = work.org;
        let run = work.db.run(move |conn| run_get(conn, org, id)).await.expect("no error").expect("the run");
        assert_eq!(run.status, RunStatus::Running, "{}", run.message);
        let parts = work.db.run(|conn| parts_of(conn, Some("w"))).await.expect("its part");
        assert!(parts[0].lease_until.is_some_and(|until| until > now()), "it is renewed: {parts:?}");
        work.sql("DROP TRIGGER refuse", "DROP TRIGGER refuse ON run_result").await;
        let run = work.ended(id).await;
        assert_eq!((run.status, run.totals.skipped), (RunStatus::Finished, 2), "{}", run.message);
        let results = work.db.run(move |conn| result_list(conn, org, id, None, 0, 99)).await.expect("results");
        assert_eq!(results.len(), 2);
        work.end().await;
    }
}

on_both_databases! {
    async fn one_row_that_the_database_refuses_holds_back_no_other(db) {
        let work = Work::new(db).await;
        work.sql(
            "CREATE TRIGGER r BEFORE INSERT ON run_result WHEN NEW.tag = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END; \
             CREATE TRIGGER l BEFORE INSERT ON run_log WHEN NEW.message = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END",
            "ALTER TABLE run_result ADD CHECK (tag <> 'bad'); ALTER TABLE run_log ADD CHECK (message <> 'bad')",
        )
        .await;
        let (org, id) = (work.org, work.first);
        work.db
            .run(move |conn| {
                let claimed = conn.write(|conn| claim(conn, "w", Duration::from_mins(1), RunLimits::default()));
                let lease = claimed.expect("no error").expect("a part").part.lease();
                let before = log_list(conn, org, id, 0, 99)?.len();
                let lines = ["one", "bad", "three"].map(|text| NewLogLine::now(LogLevel::Info, text.to_owned()));
                log_append(conn, lease, &lines)?;
                let lines: Vec<String> = log_list(conn, org, id, 0, 99)?.into_iter().skip(before).map(|line| line.message).collect();
                assert_eq!((lines.len(), &*lines[0], &*lines[2]), (3, "one", "three"));
                assert!(lines[1].contains("the database rejected this line"), "{lines:?}");
                result_put(conn, lease, &["v1", "bad", "v3"].map(result))?;
                let results = result_list(conn, org, id, None, 0, 99)?;
                let tags: Vec<&str> = results.iter().map(|row| &*row.result.tag).collect();
                assert_eq!((tags.len(), tags[0], tags[2]), (3, "v1", "v3"));
                assert!(results[1].result.error.as_deref().is_some_and(|error| error.contains("rejected")));
                Ok(())
            })
            .await
            .expect("no error");
    }
}

on_both_databases! {
    async fn a_tag_whose_intent_the_database_refuses_is_not_written(db) {
        let work = Work::begun(db).await;
        work.sql(
            "CREATE TRIGGER refuse BEFORE INSERT ON write_intent WHEN NEW.tag LIKE 'bad%' BEGIN SELECT RAISE(ABORT, 'no'); END",
            "ALTER TABLE write_intent ADD CHECK (tag NOT LIKE 'bad%')",
        )
        .await;
        // Several, so that they wait for each other.
        for seed in 10..20 {
            for (word, more) in [("bad", 0), ("good", 100)] {
                let image = Image::single(Format::Oci, AMD64, &[Blob::layer(seed + more, 1000)]);
                image.store(&work.source, "app0", Some(&format!("{word}{seed}")));
            }
        }
        let (org, id) = (work.org, work.run().await);
        let run = work.ended(id).await;
        assert!(run.totals.failed >= 10, "{:?}", run.totals);
        let results = work.db.run(move |conn| result_list(conn, org, id, None, 0, 99)).await.expect("results");
        assert_eq!(results.len(), 22, "{results:?}");
        let mut bad = results.iter().filter(|row| row.result.tag.starts_with("bad"));
        assert!(bad.all(|row| row.result.status == ResultStatus::Failed), "{results:?}");
        let requests = work.target.requests();
        let put = requests.0.iter().find(|one| one.method == "PUT" && one.path.contains("/manifests/bad"));
        assert!(put.is_none(), "{put:?}");
        work.end().await;
    }
}

fn result(tag: &str) -> NewRunResult {
    NewRunResult {
        repository: "app0".to_owned(),
        tag: tag.to_owned(),
        target: format!("app0:{tag}"),
        action: ResultAction::Copy,
        status: ResultStatus::Done,
        source_digest: None,
        target_digest: None,
        previous_digest: None,
        bytes: 1,
        duration_ms: 1,
        error: None,
        source: format!("source.example/app0:{tag}"),
        platforms: "linux/amd64".to_owned(),
        reason: "literal; not there yet".to_owned(),
        blobs_copied: 2,
        blobs_mounted: 1,
    }
}

on_both_databases! {
    async fn foreign_text_is_stored_clean_and_bounded(db) {
        let work = Work::new(db).await;
        let (org, id) = (work.org, work.first);
        work.db
            .run(move |conn| {
                let claimed = conn.write(|conn| claim(conn, "w", Duration::from_mins(1), RunLimits::default()));
                let lease = claimed.expect("no error").expect("a part").part.lease();
                let before = log_list(conn, org, id, 0, 99)?.len();
                let foul = format!("nul\0 esc\u{1b}[31m {}", "x".repeat(8_000_001));
                log_append(conn, lease, &[NewLogLine::now(LogLevel::Warn, foul.clone())])?;
                let line = log_list(conn, org, id, 0, 99)?.swap_remove(before).message;
                assert!(line.starts_with("nul\u{fffd} esc\u{fffd}[31m xxx") && line.len() < 8192, "{}", line.len());
                let foul_result = NewRunResult {
                    source_digest: Some(foul.clone()),
                    error: Some(foul.clone()),
                    ..result(&foul)
                };
                result_put(conn, lease, &[foul_result, result("v1")])?;
                let results = result_list(conn, org, id, None, 0, 99)?;
                assert_eq!(results.len(), 2);
                let kept = &results[0].result;
                let texts = [&kept.tag, &kept.target, kept.error.as_ref().expect("an error")];
                for text in texts {
                    assert!(text.len() < 8192 && !text.contains(['\0', '\u{1b}']), "{}", text.len());
                }
                // What can't be stored unchanged isn't recorded.
                let pair = StorePair { src: 1, dest: 2 };
                let key = |tag: &str| SyncedKey {
                    tag: tag.to_owned(),
                    target_repository: "app0".to_owned(),
                    target_tag: tag.to_owned(),
                };
                let state = |platforms: &str| SyncedState {
                    source_digest: "sha256:1".to_owned(),
                    target_digest: "sha256:2".to_owned(),
                    platforms: platforms.to_owned(),
                    verified_at: now(),
                    lack: String::new(),
                    lost_at: None,
                };
                let tags = HashMap::from([
                    (key("v1"), state("linux/amd64")),
                    (key("v2"), state("linux/s390\0x")),
                    (key(&foul), state("")),
                ]);
                synced_upsert(conn, pair, "app0", &tags)?;
                let known = synced_lookup(conn, pair, "app0")?;
                assert_eq!(known.into_keys().collect::<Vec<_>>(), [key("v1")]);
                Ok(())
            })
            .await
            .expect("no error");
    }
}

on_both_databases! {
    async fn a_registry_with_foul_names_costs_no_run_its_results(db) {
        let mut work = Work::new(db).await;
        let names = serde_json::json!(["v1", "bad\0tag", "esc\u{1b}[2J", "y".repeat(8_000_001)]);
        let answer = Action::Answer {
            status: 200,
            headers: vec![("content-type", "application/json".to_owned())],
            body: serde_json::json!({"name": "app0", "tags": names}).to_string(),
        };
        work.source.fault_add(Fault::on("GET", "/tags/list", answer));
        work.worker_start();
        let run = work.ended(work.first).await;
        assert_eq!(run.totals.copied, 1, "{}", run.message);
        assert!(work.target.tags("app0").contains_key("v1"));
        for line in work.log(work.first).await {
            assert!(line.len() < 16_384 && !line.contains(['\0', '\u{1b}']), "{line:.300}");
        }
        work.end().await;
    }
}

on_both_databases! {
    async fn an_index_with_a_foul_platform_costs_no_run_its_results(db) {
        let mut work = Work::new(db).await;
        let child = Image::single(Format::Oci, AMD64, &[Blob::layer(5, 1000)]);
        let index = Image::index(Format::Oci, &[(["linux", "s390\0x", ""], child)]);
        index.store(&work.source, "app0", Some("foul"));
        let project = work.project.id;
        work.db
            .run(move |conn| {
                use registrysync::store::schema::sync_project;
                let mut settings = ProjectSettings::default();
                settings.architectures = vec!["amd64".to_owned()];
                let options = serde_json::to_string(&settings).expect("JSON");
                diesel::update(sync_project::table.find(project)).set(sync_project::options.eq(options)).execute(conn)?;
                Ok(())
            })
            .await
            .expect("no error");
        work.worker_start();
        let run = work.ended(work.first).await;
        assert_eq!((run.totals.selected, run.totals.copied), (3, 2), "{}", run.message);
        for line in work.log(work.first).await {
            assert!(!line.contains('\0'), "{line}");
        }
        work.end().await;
    }
}
