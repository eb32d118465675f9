use super::account;
use crate::support::build::{ProjectBuilder, RunBuilder};
use crate::support::queue;
use registrysync::store::DbConnection;
use registrysync::store::projects::project::Project;
use registrysync::store::runs::log::{LogLevel, log_list};
use registrysync::store::runs::run::{RunStatus, RunTotals};
use registrysync::store::trail::notification::{
    Channel, Notification, notification_claim, notification_end, notification_forget,
};
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);

/// A run of the project that ends like this.
fn run(conn: &mut DbConnection, project: &Project, status: RunStatus) -> i64 {
    let id = RunBuilder::of(project).enqueue(conn);
    let (_, part) = queue::claim(conn, "host-1")
        .expect("no error")
        .expect("the run");
    let totals = RunTotals::default();
    queue::end(conn, part.lease(), status, "", &totals).expect("no error");
    id
}

fn claim(conn: &mut DbConnection, channels: &[Channel], pause: Duration) -> Option<Notification> {
    notification_claim(conn, channels, |_| pause).expect("no error")
}

on_both_databases! {
    async fn a_first_run_that_fails_is_noted_and_one_that_works_is_not(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            let [bad, good] = ["bad", "good"].map(|label| ProjectBuilder::new(label).make(conn, &key, org));
            run(conn, &good, RunStatus::Finished);
            assert!(claim(conn, Channel::ALL, HOUR).is_none());
            let failed = run(conn, &bad, RunStatus::Failed);
            for _ in Channel::ALL {
                let told = claim(conn, Channel::ALL, HOUR).expect("one a channel");
                assert_eq!(told.run.id, failed);
            }
            // The outcome of one project doesn't affect the other.
            run(conn, &good, RunStatus::Finished);
            run(conn, &bad, RunStatus::Failed);
            assert!(claim(conn, Channel::ALL, HOUR).is_none());
            Ok(())
        })
        .await
        .expect("no error");
    }
}

on_both_databases! {
    async fn a_change_is_noted_and_claimed_once(db) {
        let key = db.key().clone();
        db.run(move |conn| {
            let (org, _) = account(conn, "acme");
            let mirror = ProjectBuilder::new("mirror").make(conn, &key, org);
            let mut changed = Vec::new();
            for (status, is_change) in [
                (RunStatus::Finished, false),
                (RunStatus::Failed, true),
                (RunStatus::Interrupted, false),
                (RunStatus::Failed, false),
                (RunStatus::Finished, true),
            ] {
                let id = run(conn, &mirror, status);
                changed.extend(is_change.then_some(id));
            }
            for id in changed {
                let told = claim(conn, &[Channel::Mail], HOUR).expect("one");
                assert_eq!((told.run.id, told.attempt, told.org.as_str()), (id, 1, "acme"));
            }
            // A notification being sent waits for its next attempt; one for a channel that no
            // process has waits forever.
            assert!(claim(conn, &[Channel::Mail], HOUR).is_none());
            assert!(claim(conn, &[], HOUR).is_none());

            let first = claim(conn, &[Channel::Webhook], Duration::ZERO).expect("one");
            let others = [1, 2].map(|_| claim(conn, &[Channel::Webhook], Duration::ZERO));
            let again = others.into_iter().flatten().find(|told| told.id == first.id);
            assert_eq!(again.expect("the first once more").attempt, 2);
            notification_end(conn, &first, LogLevel::Info, "told".to_owned())?;
            let log = log_list(conn, org, first.run.id, 0, 10)?;
            assert_eq!(log.last().expect("a line").message, "told");
            assert_eq!(notification_forget(conn, HOUR)?, 0);
            assert_eq!(notification_forget(conn, Duration::ZERO)?, 3);
            Ok(())
        })
        .await
        .expect("no error");
    }
}
