//! The tags that the latest runs of other projects have.

use super::account;
use crate::support::build::{ProjectBuilder, RunBuilder};
use crate::support::queue::{claim, end};
use diesel::prelude::*;
use registrysync::store::projects::needed_tag::{parts_of_others, targets_of};
use registrysync::store::projects::project::Project;
use registrysync::store::runs::result::{NewRunResult, ResultAction, ResultStatus, result_put};
use registrysync::store::runs::run::{RunStatus, RunTotals};
use registrysync::store::schema::{run_part, sync_project};
use registrysync::store::{DbConnection, Error};

/// A run with these results; returns its part.
pub(super) fn ran(
    conn: &mut DbConnection,
    run: &RunBuilder,
    status: RunStatus,
    results: &[(&str, ResultAction, ResultStatus, Option<&str>)],
) -> i64 {
    run.enqueue(conn);
    let (_, part) = claim(conn, "w").expect("no error").expect("a part");
    let results: Vec<NewRunResult> = results
        .iter()
        .map(|(tag, action, status, digest)| NewRunResult {
            repository: "app".to_owned(),
            tag: (*tag).to_owned(),
            target: format!("target.example.org/app:{tag}"),
            action: *action,
            status: *status,
            source_digest: None,
            target_digest: digest.map(str::to_owned),
            previous_digest: None,
            bytes: 0,
            duration_ms: 0,
            error: None,
            source: String::new(),
            platforms: String::new(),
            reason: String::new(),
            blobs_copied: 0,
            blobs_mounted: 0,
        })
        .collect();
    result_put(conn, part.lease(), &results).expect("no error");
    end(conn, part.lease(), status, "", &RunTotals::default()).expect("no error");
    part.id
}

/// The run of a part.
fn part_run(conn: &mut DbConnection, part: i64) -> Result<i64, Error> {
    Ok(run_part::table
        .find(part)
        .select(run_part::run_id)
        .first(conn)?)
}

fn run_of(project: &Project) -> RunBuilder {
    RunBuilder::of(project)
}

on_both_databases! {
    async fn the_latest_runs_of_others_say_what_they_need(db) {
        use ResultAction::{Blocked, Copy, Delete, Skip, Update};
        use ResultStatus::{Done, Failed};
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            let [web, other, third] =
                ["web", "other", "third"].map(|name| ProjectBuilder::new(name).make(conn, &key, org));
            let has = Some("sha256:1");
            ran(conn, &run_of(&other), RunStatus::Finished, &[("older", Copy, Done, has)]);
            let finished = ran(conn, &run_of(&other), RunStatus::Finished, &[("old", Copy, Done, has)]);
            let latest = ran(conn, &run_of(&other), RunStatus::Failed, &[
                ("new", Copy, Done, has),
                ("moved", Update, Done, has),
                ("same", Skip, Done, has),
                ("left-out", Skip, Done, None),
                ("failed", Copy, Failed, has),
                ("blocked", Blocked, ResultStatus::Blocked, has),
                ("gone", Delete, Done, has),
            ]);
            let failed = part_run(conn, latest)?;
            let retried = ran(conn, &run_of(&other).retry_of(failed), RunStatus::Finished, &[("failed", Copy, Done, has)]);
            let half = ran(conn, &run_of(&other), RunStatus::Interrupted, &[("half", Copy, Done, has)]);
            let own = ran(conn, &run_of(&web), RunStatus::Finished, &[("own", Copy, Done, has)]);
            let thirds = ran(conn, &run_of(&third), RunStatus::Finished, &[]);
            let mut parts: Vec<i64> = parts_of_others(conn, web.id)?.into_values().flatten().collect();
            parts.sort_unstable();
            assert_eq!(parts, [finished, latest, retried, half, thirds]);
            let mut parts: Vec<i64> = parts_of_others(conn, other.id)?.into_values().flatten().collect();
            parts.sort_unstable();
            assert_eq!(parts, [own, thirds]);
            let mut targets: Vec<String> = targets_of(conn, latest)?.into_iter().collect();
            targets.sort();
            let names = ["moved", "new", "same"].map(|tag| format!("target.example.org/app:{tag}"));
            assert_eq!(targets, names);
            assert!(targets_of(conn, thirds)?.is_empty());

            // Neither a disabled project nor another organisation's bars anything.
            diesel::update(sync_project::table.find(other.id)).set(sync_project::enabled.eq(false)).execute(conn)?;
            let parts: Vec<i64> = parts_of_others(conn, web.id)?.into_values().flatten().collect();
            assert_eq!(parts, [thirds]);
            let (elsewhere, _) = account(conn, "elsewhere");
            let stranger = ProjectBuilder::new("stranger").make(conn, &key, elsewhere);
            assert!(parts_of_others(conn, stranger.id)?.is_empty());
            Ok(())
        })
        .await
        .expect("no error");
    }
}
