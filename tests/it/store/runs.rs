use super::account;
use crate::support::build::{ProjectBuilder, RunBuilder};
use crate::support::queue::{LEASE, claim, end};
use diesel::prelude::*;
use registrysync::service::runs::settle::run_settle;
use registrysync::store::projects::project::{Project, project_delete};
use registrysync::store::runs::cancel::{Cancelled, run_cancel};
use registrysync::store::runs::lease::{
    Offered, leases_renew, part_claim, part_offer, part_release, parts_overdue,
};
use registrysync::store::runs::log::{LogLevel, NewLogLine, log_list};
use registrysync::store::runs::part::{Lease, Part, PartStatus, parts_held, parts_of};
use registrysync::store::runs::progress::{log_append, part_end, part_progress};
use registrysync::store::runs::queue::{Enqueued, run_begin};
use registrysync::store::runs::result::{
    NewRunResult, ResultAction, ResultStatus, result_list, result_put, results_resume,
};
use registrysync::store::runs::run::{
    RunStatus, RunTotals, RunTrigger, run_active, run_get, run_list,
};
use registrysync::store::schema::{run_log, run_part, run_result, tasko_run};
use registrysync::store::{DbConnection, Error, now};

fn result(tag: &str, status: ResultStatus) -> NewRunResult {
    NewRunResult {
        repository: "library/nginx".to_owned(),
        tag: tag.to_owned(),
        target: format!("library/nginx:{tag}"),
        action: ResultAction::Copy,
        status,
        source_digest: Some("sha256:00".to_owned()),
        target_digest: None,
        previous_digest: None,
        bytes: 3_000_000_000,
        duration_ms: 12,
        error: None,
        source: format!("source.example/library/nginx:{tag}"),
        platforms: "linux/amd64".to_owned(),
        reason: "literal; not there yet".to_owned(),
        blobs_copied: 2,
        blobs_mounted: 1,
    }
}

fn line(message: &str) -> NewLogLine {
    NewLogLine {
        time: now(),
        level: LogLevel::Info,
        message: message.to_owned(),
    }
}

on_both_databases! {
    async fn a_run_goes_its_way(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            let mirror = ProjectBuilder::new("mirror").make(conn, &key, org);
            assert!(claim(conn, "w")?.is_none());
            let id = RunBuilder::of(&mirror).enqueue(conn);
            let ready = run_get(conn, org, id)?.expect("the run");
            assert_eq!((ready.status, ready.attempt, ready.worker), (RunStatus::Ready, 1, None));
            let another = RunBuilder::of(&mirror).alone();
            assert_eq!(another.try_enqueue(conn)?, Enqueued::Busy(id));

            let (run, part) = claim(conn, "w")?.expect("the run");
            assert_eq!((run.id, part.status, part.fence), (id, PartStatus::Running, 1));
            let run = run_get(conn, org, id)?.expect("the run");
            assert_eq!((run.status, run.worker.as_deref()), (RunStatus::Running, Some("w")));
            assert!(part.lease_until > run.start_time);
            assert_eq!(run_active(conn, org, mirror.id)?.map(|run| run.id), Some(id));
            assert_eq!(another.try_enqueue(conn)?, Enqueued::Busy(id));

            let totals = RunTotals { selected: 5, copied: 2, bytes: 1 << 40, ..RunTotals::default() };
            part_progress(conn, part.lease(), &totals)?;
            assert_eq!(run_get(conn, org, id)?.expect("the run").totals, totals);

            end(conn, part.lease(), RunStatus::Failed, "3 tags failed", &totals)?;
            let ended = run_get(conn, org, id)?.expect("the run");
            assert_eq!((ended.status, &*ended.message), (RunStatus::Failed, "3 tags failed"));
            assert!(ended.end_time >= ended.start_time);
            assert_eq!(run_active(conn, org, mirror.id)?, None);
            assert!(matches!(another.try_enqueue(conn)?, Enqueued::Run(_)));
            let unknown = RunBuilder::of(&Project { id: 4711, ..mirror }).alone();
            assert_eq!(unknown.try_enqueue(conn)?, Enqueued::NoProject);
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn a_run_is_cancelled_where_it_stands(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            let (other, _) = account(conn, "other");
            let mirror = ProjectBuilder::new("mirror").make(conn, &key, org);
            assert_eq!(run_cancel(conn, org, 4711, "me")?, Cancelled::NoRun);

            let waiting = RunBuilder::of(&mirror).enqueue(conn);
            assert_eq!(run_cancel(conn, other, waiting, "me")?, Cancelled::NoRun);
            assert_eq!(run_cancel(conn, org, waiting, "me")?, Cancelled::Ended);
            let ended = run_get(conn, org, waiting)?.expect("the run");
            assert_eq!((ended.status, &*ended.message), (RunStatus::Interrupted, "cancelled by `me`"));
            assert!(ended.end_time.is_some() && claim(conn, "w")?.is_none());
            assert_eq!(run_cancel(conn, org, waiting, "me")?, Cancelled::WasOver(RunStatus::Interrupted));

            RunBuilder::of(&mirror).enqueue(conn);
            let (run, part) = claim(conn, "w")?.expect("the run");
            assert_eq!(run_cancel(conn, org, run.id, "me")?, Cancelled::Asked);
            let held = parts_held(conn, "w")?;
            assert_eq!((held.len(), held[0].cancel_requested), (1, true));
            // Its worker disappears silently.
            assert!(!parts_overdue(conn, LEASE)?.iter().any(|late| late.id == part.id));
            diesel::update(run_part::table.find(part.id))
                .set(run_part::lease_until.eq(now() - chrono::TimeDelta::hours(1)))
                .execute(conn)?;
            assert_eq!(run_cancel(conn, org, run.id, "you")?, Cancelled::Asked);
            assert_eq!(run_settle(conn, run.id)?, Some(RunStatus::Interrupted));
            let late = part_progress(conn, part.lease(), &RunTotals::default());
            assert!(matches!(late, Err(Error::FenceLost { .. })), "{late:?}");
            let lines: Vec<String> = log_list(conn, org, run.id, 0, 9)?.into_iter().map(|line| line.message).collect();
            assert_eq!(lines[..2], ["cancelled by `me`", "cancelled by `you`"]);
            assert_eq!(lines[2], "cancelled");
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn six_claimers_get_each_run_once_and_one_of_a_project_at_a_time(db) {
        let key = db.key().clone();
        let mut wanted = db
            .run(move |conn| {
                let (org, _) = account(conn, "acme");
                let mut ids = Vec::new();
                for number in 0..4 {
                    let one = ProjectBuilder::new(&format!("p{number}")).make(conn, &key, org);
                    ids.extend((0..6).map(|_| RunBuilder::of(&one).enqueue(conn)));
                }
                Ok(ids)
            })
            .await
            .expect("no error");
        let claimers: Vec<_> = (0..6)
            .map(|number| tokio::spawn(claim_all((*db).clone(), format!("w{number}"))))
            .collect();
        let mut got = Vec::new();
        for claimer in claimers {
            got.extend(claimer.await.expect("no panic"));
        }
        got.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(got, wanted);
    }
}

on_both_databases! {
    async fn a_project_is_busy_also_while_its_run_is_being_claimed(db) {
        let key = db.key().clone();
        let mirror = db
            .run(move |conn| {
                let (org, _) = account(conn, "acme");
                Ok(ProjectBuilder::new("mirror").make(conn, &key, org))
            })
            .await
            .expect("no error");
        let run = RunBuilder::of(&mirror);
        let another = run.clone().alone();
        for round in 0..100 {
            let run = run.clone();
            let first = db.run(move |conn| Ok(run.enqueue(conn))).await;
            let first = first.expect("no error");
            let claimer = (*db).clone();
            let claim = tokio::spawn(async move {
                claimer.run(|conn| claim(conn, "w")).await
            });
            let others = (0..4).map(|_| {
                let (db, another) = ((*db).clone(), another.clone());
                tokio::spawn(async move {
                    db.run(move |conn| another.try_enqueue(conn)).await
                })
            });
            for other in others.collect::<Vec<_>>() {
                let other = other.await.expect("no panic").expect("no error");
                assert_eq!(other, Enqueued::Busy(first), "round {round}");
            }
            let (_, part) = claim.await.expect("no panic").expect("no error").expect("the run");
            db.run(move |conn| {
                end(conn, part.lease(), RunStatus::Finished, "", &RunTotals::default())
            })
            .await
            .expect("no error");
        }
    }
}

/// Claims and finishes until nothing is waiting; a run may wait for another of its project.
async fn claim_all(db: registrysync::store::Db, worker: String) -> Vec<i64> {
    let mut got = Vec::new();
    loop {
        let name = worker.clone();
        let claimed = db.run(move |conn| claim(conn, &name)).await;
        if let Some((run, part)) = claimed.expect("no error") {
            got.push(run.id);
            db.run(move |conn| {
                end(
                    conn,
                    part.lease(),
                    RunStatus::Finished,
                    "",
                    &RunTotals::default(),
                )
            })
            .await
            .expect("the run is still ours");
        } else if db.run(nothing_waits).await.expect("no error") {
            return got;
        }
    }
}

fn nothing_waits(conn: &mut DbConnection) -> Result<bool, Error> {
    let waiting: i64 = tasko_run::table
        .filter(tasko_run::status.eq(RunStatus::Ready))
        .count()
        .get_result(conn)?;
    Ok(waiting == 0)
}

on_both_databases! {
    async fn a_queued_run_waits_for_the_one_before(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            let one = ProjectBuilder::new("one").make(conn, &key, org);
            let two = ProjectBuilder::new("two").make(conn, &key, org);
            let first = RunBuilder::of(&one).enqueue(conn);
            let second = RunBuilder::of(&one).enqueue(conn);
            let third = RunBuilder::of(&two).enqueue(conn);
            let (running, part) = claim(conn, "w")?.expect("a run");
            assert_eq!(running.id, first);
            assert_eq!(claim(conn, "w")?.map(|(run, _)| run.id), Some(third));
            assert!(claim(conn, "w")?.is_none());
            let totals = RunTotals::default();
            end(conn, part.lease(), RunStatus::Finished, "", &totals)?;
            assert_eq!(claim(conn, "w")?.map(|(run, _)| run.id), Some(second));
            Ok(())
        })
        .await
        .expect("no error");
    }
}

/// Every write of a worker, with this lease.
fn writes(conn: &mut DbConnection, lease: Lease) -> Vec<Result<(), Error>> {
    let totals = RunTotals::default();
    vec![
        part_progress(conn, lease, &totals),
        result_put(conn, lease, &[result("1", ResultStatus::Done)]),
        results_resume(conn, lease).map(drop),
        log_append(conn, lease, &[line("x")]),
        part_release(conn, lease, "stopped"),
        part_end(conn, lease, PartStatus::Finished, "", &totals),
    ]
}

fn assert_refused(conn: &mut DbConnection, lease: Lease) {
    for written in writes(conn, lease) {
        assert!(
            matches!(written, Err(Error::FenceLost { .. })),
            "{written:?}"
        );
    }
}

on_both_databases! {
    async fn a_lost_part_is_offered_again_and_the_fence_refuses_its_late_writer(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            let mirror = ProjectBuilder::new("mirror").make(conn, &key, org);
            let id = RunBuilder::of(&mirror).enqueue(conn);
            let (_, part) = claim(conn, "w")?.expect("the run");
            let older = Lease { fence: part.fence - 1, ..part.lease() };
            assert_refused(conn, older);
            let totals = RunTotals { selected: 3, copied: 1, failed: 1, bytes: 7, ..RunTotals::default() };
            let results = [result("1", ResultStatus::Done), result("2", ResultStatus::Failed)];
            result_put(conn, part.lease(), &results)?;
            part_progress(conn, part.lease(), &totals)?;
            assert_eq!(run_get(conn, org, id)?.expect("the run").totals, totals);

            // Renewed meanwhile: its worker is alive.
            let seen = parts_of(conn, Some("w"))?.remove(0);
            let stale = Part { lease_until: seen.lease_until.map(|t| t - chrono::TimeDelta::seconds(1)), ..seen.clone() };
            assert_eq!(part_offer(conn, &stale, "gone", 2)?, Offered::Not);
            assert!(parts_of(conn, Some("another"))?.is_empty());
            assert_eq!(part_offer(conn, &seen, "gone", 2)?, Offered::Again);
            assert_eq!(part_offer(conn, &seen, "gone", 2)?, Offered::Not);
            assert_refused(conn, part.lease());
            assert_eq!(run_get(conn, org, id)?.map(|run| (run.status, run.attempt)), Some((RunStatus::Running, 2)));

            let again = part_claim(conn, id, "v", LEASE)?.expect("the part");
            assert_eq!((again.id, again.attempt), (part.id, 2));
            assert_refused(conn, part.lease());
            let recorded = results_resume(conn, again.lease())?;
            assert_eq!(recorded.iter().map(|tag| &*tag.tag).collect::<Vec<_>>(), ["1"]);
            result_put(conn, again.lease(), &[result("2", ResultStatus::Done), result("2", ResultStatus::Failed)])?;
            let listed = result_list(conn, org, id, None, 0, 10)?;
            let listed: Vec<_> = listed.iter().map(|row| (&*row.result.tag, row.result.status)).collect();
            assert_eq!(listed, [("1", ResultStatus::Done), ("2", ResultStatus::Failed)]);
            let totals = RunTotals { selected: 2, copied: 1, failed: 1, bytes: 7, ..RunTotals::default() };
            part_progress(conn, again.lease(), &totals)?;
            assert_eq!(run_get(conn, org, id)?.expect("the run").totals, totals);

            // Releasing it is not a failed attempt; losing it again is one too many.
            part_release(conn, again.lease(), "stopped")?;
            assert_refused(conn, again.lease());
            let third = part_claim(conn, id, "u", LEASE)?.expect("the part");
            assert_eq!(third.attempt, 2);
            assert_eq!(part_offer(conn, &third, "gone", 2)?, Offered::Ended);
            assert_eq!(run_settle(conn, id)?, Some(RunStatus::Failed));
            let ended = run_get(conn, org, id)?.expect("the run");
            assert!(ended.message.starts_with("given up after 2 attempts: gone; 2 tags selected"), "{}", ended.message);
            let log: Vec<_> = log_list(conn, org, id, 0, 10)?.into_iter().map(|line| line.message).collect();
            assert_eq!(log[0], "`library/nginx`: gone; retried, attempt 2 of 2");
            assert_eq!(log[1], "`library/nginx`: stopped; it is retried");
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn a_run_ends_with_the_last_of_its_parts(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            let mirror = ProjectBuilder::new("mirror").make(conn, &key, org);
            let id = RunBuilder::of(&mirror).enqueue(conn);
            let places = ["a", "b", "c", "d"].map(str::to_owned);
            assert!(run_begin(conn, id, "w", &places)?);
            assert!(!run_begin(conn, id, "v", &places)?);
            let one = RunTotals { selected: 1, copied: 1, bytes: 1 << 40, ..RunTotals::default() };
            for (status, message) in [
                (PartStatus::Finished, ""),
                (PartStatus::Failed, "no way to `a.example`"),
                (PartStatus::Failed, "no way to `a.example`"),
                (PartStatus::Failed, ""),
            ] {
                assert_eq!(run_settle(conn, id)?, None);
                let part = part_claim(conn, id, "w", LEASE)?.expect("a part");
                part_end(conn, part.lease(), status, message, &one)?;
            }
            assert_eq!(part_claim(conn, id, "w", LEASE)?, None);
            assert_eq!(run_settle(conn, id)?, Some(RunStatus::Failed));
            assert_eq!(run_settle(conn, id)?, None);
            let run = run_get(conn, org, id)?.expect("the run");
            assert_eq!((run.totals.copied, run.totals.bytes), (4, 4 << 40));
            assert!(run.message.starts_with("no way to `a.example`; 4 tags selected: 4 copied"), "{}", run.message);
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn a_lease_that_a_clock_made_endless_is_overdue(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            let mirror = ProjectBuilder::new("mirror").make(conn, &key, org);
            RunBuilder::of(&mirror).enqueue(conn);
            let (_, part) = claim(conn, "w")?.expect("the run");
            for (days, overdue) in [(0, false), (800, true), (-800, true)] {
                let until = part.lease_until.map(|time| time + chrono::TimeDelta::days(days));
                diesel::update(run_part::table.find(part.id)).set(run_part::lease_until.eq(until)).execute(conn)?;
                assert_eq!(!parts_overdue(conn, LEASE)?.is_empty(), overdue, "{days}");
            }
            leases_renew(conn, &[part.lease()], LEASE)?;
            assert!(parts_overdue(conn, LEASE)?.is_empty());
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn a_deleted_project_takes_all_with_it_and_stops_its_worker(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            let mirror = ProjectBuilder::new("mirror").make(conn, &key, org);
            let id = RunBuilder::of(&mirror).enqueue(conn);
            let (_, part) = claim(conn, "w")?.expect("the run");
            result_put(conn, part.lease(), &[result("1", ResultStatus::Done)])?;
            log_append(conn, part.lease(), &[line("begun")])?;
            assert!(project_delete(conn, org, mirror.id)?);
            assert!(run_get(conn, org, id)?.is_none());
            assert_refused(conn, part.lease());
            assert_eq!(run_result::table.count().get_result::<i64>(conn)?, 0);
            assert_eq!(run_log::table.count().get_result::<i64>(conn)?, 0);
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn results_and_logs_are_kept_in_order_and_paged(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            let (other, _) = account(conn, "other");
            let mirror = ProjectBuilder::new("mirror").make(conn, &key, org);
            let id = RunBuilder::of(&mirror).enqueue(conn);
            let lease = claim(conn, "w")?.expect("the run").1.lease();
            // More than one statement handles.
            let results: Vec<_> = (0..2500)
                .map(|number| {
                    let failed = number % 1000 == 7;
                    let status = if failed { ResultStatus::Failed } else { ResultStatus::Done };
                    result(&number.to_string(), status)
                })
                .collect();
            result_put(conn, lease, &results)?;
            let first = result_list(conn, org, id, None, 0, 1500)?;
            let rest = result_list(conn, org, id, None, first[1499].id, 1500)?;
            let listed: Vec<_> = first.into_iter().chain(rest).map(|row| row.result).collect();
            assert_eq!(listed, results);
            let failed = result_list(conn, org, id, Some(ResultStatus::Failed), 0, 10)?;
            let tags: Vec<_> = failed.iter().map(|row| &*row.result.tag).collect();
            assert_eq!(tags, ["7", "1007", "2007"]);

            log_append(conn, lease, &[line("one"), line("two")])?;
            let lines: Vec<_> = (0..2100).map(|number| line(&number.to_string())).collect();
            log_append(conn, lease, &lines)?;
            let page = log_list(conn, org, id, 1, 3)?;
            let seen: Vec<_> = page.iter().map(|line| (line.seq, &*line.message)).collect();
            assert_eq!(seen, [(2, "two"), (3, "0"), (4, "1")]);
            assert_eq!(log_list(conn, org, id, 2101, 10)?[0].message, "2099");

            assert!(run_get(conn, other, id)?.is_none());
            assert!(run_list(conn, other, mirror.id, i64::MAX, 10)?.is_empty());
            assert!(run_active(conn, other, mirror.id)?.is_none());
            assert!(result_list(conn, other, id, None, 0, 10)?.is_empty());
            assert!(log_list(conn, other, id, 0, 10)?.is_empty());
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn runs_are_listed_latest_first(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            let mirror = ProjectBuilder::new("mirror").make(conn, &key, org);
            let ids: Vec<_> = (0..3).map(|_| RunBuilder::of(&mirror).enqueue(conn)).collect();
            let page = run_list(conn, org, mirror.id, i64::MAX, 2)?;
            assert_eq!(page.iter().map(|run| run.id).collect::<Vec<_>>(), [ids[2], ids[1]]);
            let page = run_list(conn, org, mirror.id, ids[1], 2)?;
            assert_eq!(page.iter().map(|run| run.id).collect::<Vec<_>>(), [ids[0]]);
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn a_queued_run_is_found_by_what_it_would_do(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            let mirror = ProjectBuilder::new("mirror").make(conn, &key, org);
            let by_hand = RunBuilder::of(&mirror);
            let by_schedule = by_hand.clone().trigger(RunTrigger::Schedule);
            assert_eq!(by_hand.queued(conn)?, None);
            let first = by_hand.enqueue(conn);
            let again = by_hand.clone().retry_of(first);
            assert_eq!((by_schedule.queued(conn)?, again.queued(conn)?), (None, None));
            let (second, third) = (by_schedule.enqueue(conn), again.enqueue(conn));
            by_hand.enqueue(conn);
            assert_eq!(by_hand.queued(conn)?, Some(first));
            assert_eq!(by_schedule.queued(conn)?, Some(second));
            assert_eq!(again.queued(conn)?, Some(third));
            Ok(())
        })
        .await
        .expect("no error");
    }
}
