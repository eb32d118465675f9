//! The scheduler on both databases, with a simulated clock.
//! - `claiming`: which part is claimed next.
//! - `firing`: one run per fire time, what is skipped and why.
//! - `jumps`: a clock that goes forward and back, and server downtimes.
//! - `house`, `verify`: housekeeping.
//! - `leases`: parts that no worker works on, and results that the database rejects.
//! - `rubbish`: unusable rows.
//! - `rules`: jitter and minimum distance.

mod claiming;
mod firing;
mod house;
mod jumps;
mod leases;
mod rubbish;
mod rules;
mod verify;

use std::sync::{Arc, Mutex};

use chrono::NaiveDateTime;
use chrono_tz::Tz;
use diesel::prelude::*;
use registrysync::service::ScheduleRules;
use registrysync::store::access::org::org_create;
use registrysync::store::runs::run::{Run, RunStatus, SYNC_BUNCH};
use registrysync::store::schedules::schedule::{
    NewSchedule, Schedule, schedule_by_id, schedule_put,
};
use registrysync::store::schema::tasko_run;
use registrysync::store::{Db, Moment};
use registrysync::taskomatic::{Clock, Scheduler};

use crate::support::build::{ProjectBuilder, StoreBuilder};
use crate::support::database::TestDatabase;

fn moment(text: &str) -> Moment {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").expect(text)
}

/// A clock that returns the time it was set to.
#[derive(Clone)]
struct Hands(Arc<Mutex<Moment>>);

impl Hands {
    fn at(text: &str) -> Hands {
        Hands(Arc::new(Mutex::new(moment(text))))
    }

    fn set(&self, text: &str) {
        *self.0.lock().expect("no panic") = moment(text);
    }

    fn now(&self) -> Moment {
        *self.0.lock().expect("no panic")
    }

    fn clock(&self) -> Clock {
        let hands = self.clone();
        Clock::from_fn(move || hands.now())
    }
}

/// An organisation with stores, and housekeeping that never fires.
struct Place {
    db: TestDatabase,
    hands: Hands,
    org: i64,
    stores: (i64, i64),
}

impl Place {
    async fn new(db: TestDatabase, now: &str) -> Place {
        let key = db.key().clone();
        let made = db.run(move |conn| {
            diesel::sql_query("DELETE FROM tasko_schedule").execute(conn)?;
            let org = org_create(conn, "acme")?;
            let mut store = |label: &str| StoreBuilder::new(label).make(conn, &key, org);
            Ok((org, (store("from"), store("to"))))
        });
        let (org, stores) = made.await.expect("a place");
        let hands = Hands::at(now);
        Place {
            db,
            hands,
            org,
            stores,
        }
    }

    fn scheduler(&self, rules: ScheduleRules) -> Scheduler {
        self.scheduler_on((*self.db).clone(), rules)
    }

    fn scheduler_on(&self, db: Db, rules: ScheduleRules) -> Scheduler {
        Scheduler::new(db, rules, Arc::default()).with_clock(self.hands.clock(), Tz::UTC)
    }

    async fn projects(&self, count: usize) -> Vec<i64> {
        let (org, (src, dest)) = (self.org, self.stores);
        let key = self.db.key().clone();
        let made = self.db.run(move |conn| {
            conn.write(|conn| {
                let project = |number| {
                    let project = ProjectBuilder::new(&format!("p{number}")).stores(src, dest);
                    Ok(project.try_make(conn, &key, org)?.id)
                };
                (0..count).map(project).collect()
            })
        });
        made.await.expect("projects")
    }

    /// Schedules without a next time, one per project; the first check calculates it.
    async fn schedules(&self, projects: &[i64], cron_expr: &'static str) -> Vec<i64> {
        let (org, projects) = (self.org, projects.to_vec());
        let made = self.db.run(move |conn| {
            conn.write(|conn| {
                let schedule = |project_id: i64| {
                    let new = NewSchedule {
                        org_id: Some(org),
                        job_label: &format!("job-{project_id}"),
                        bunch: SYNC_BUNCH,
                        project_id: Some(project_id),
                        cron_expr,
                        data: "{}",
                        active_from: moment("2000-01-01 00:00:00"),
                        active_till: None,
                        next_fire: None,
                        due_time: None,
                    };
                    schedule_put(conn, &new)
                };
                projects.into_iter().map(schedule).collect()
            })
        });
        made.await.expect("schedules")
    }

    /// One project with a schedule.
    async fn one(&self, cron_expr: &'static str) -> (i64, i64) {
        let project = self.projects(1).await;
        let schedule = self.schedules(&project, cron_expr).await;
        (project[0], schedule[0])
    }

    async fn schedule(&self, id: i64) -> Schedule {
        let org = self.org;
        let found = self.db.run(move |conn| schedule_by_id(conn, Some(org), id));
        found.await.expect("no error").expect("the schedule")
    }

    async fn next_fire(&self, id: i64) -> String {
        let next = self.schedule(id).await.next_fire.expect("a next time");
        next.format("%Y-%m-%d %H:%M:%S").to_string()
    }

    async fn runs(&self) -> Vec<Run> {
        let all = self.db.run(|conn| {
            Ok(tasko_run::table
                .order(tasko_run::id)
                .select(Run::as_select())
                .load(conn)?)
        });
        all.await.expect("runs")
    }

    /// Fire time and status of each run.
    async fn fired(&self) -> Vec<String> {
        let runs = self.runs().await;
        let line = |run: &Run| {
            format!(
                "{} {}",
                run.fire_time.format("%Y-%m-%d %H:%M:%S"),
                run.status
            )
        };
        runs.iter().map(line).collect()
    }

    /// As a worker would leave them.
    async fn runs_end(&self, status: RunStatus) {
        let ended = self.db.run(move |conn| {
            let going = tasko_run::table.filter(tasko_run::status.eq(RunStatus::Ready));
            Ok(diesel::update(going)
                .set(tasko_run::status.eq(status))
                .execute(conn)?)
        });
        ended.await.expect("no error");
    }

    async fn sql(&self, statement: &str) {
        let statement = statement.to_owned();
        let done = self
            .db
            .run(move |conn| Ok(diesel::sql_query(statement).execute(conn)?));
        done.await.expect("no error");
    }
}
