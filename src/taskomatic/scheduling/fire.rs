//! What happens to a schedule that is due.

use std::collections::{HashMap, HashSet};

use chrono::TimeDelta;
use chrono_tz::Tz;

use crate::service::{Misfire, ScheduleRules};
use crate::store::Moment;
use crate::store::runs::run::{RunStatus, SYNC_BUNCH};
use crate::store::schedules::fire::{BusyRun, Fire, FiringProject, Next};
use crate::store::schedules::schedule::Schedule;

/// A fire time this late counts as missed; as in Quartz.
const MISSED_AFTER: TimeDelta = TimeDelta::minutes(1);

/// The result for a due schedule.
pub(super) enum Firing {
    /// It is handled.
    Done {
        /// The run to create.
        fire: Option<Fire>,
        /// When it fires next.
        next: Next,
    },
    /// It is left for the next check: its project is being changed, or has just got a run whose id
    /// isn't known yet.
    Later,
}

/// The state at the moment of firing.
pub(super) struct FireContext {
    pub(in crate::taskomatic) now: Moment,
    pub(in crate::taskomatic) rules: ScheduleRules,
    pub(super) zone: Tz,
    pub(in crate::taskomatic) projects: HashMap<i64, FiringProject>,
    pub(super) projects_busy: HashMap<i64, BusyRun>,
    pub(super) bunches_busy: HashMap<String, BusyRun>,
    /// The task of each bunch.
    pub(super) tasks: HashMap<String, String>,
    /// The projects (or bunches) that get a run now.
    pub(in crate::taskomatic) begun: HashSet<(Option<i64>, String)>,
}

impl FireContext {
    /// The result for `schedule`. Err: why it is unusable.
    pub(super) fn firing(&mut self, schedule: &Schedule) -> Result<Firing, String> {
        let next = self.next(schedule)?;
        let over = |fire: &Moment| schedule.active_till.is_some_and(|till| *fire >= till);
        let Some(fire_time) = schedule.next_fire.filter(|fire| !over(fire)) else {
            // The time is unknown, or too late.
            return Ok(Firing::Done { fire: None, next });
        };
        let (project, busy) = match schedule.project_id {
            None => (None, self.bunches_busy.get(&schedule.bunch)),
            Some(id) => {
                let Some(project) = self.projects.get(&id) else {
                    return Ok(Firing::Later);
                };
                (Some(project), self.projects_busy.get(&id))
            }
        };
        owner_check(schedule, project)?;
        let disabled = project.is_some_and(|project| !project.enabled);
        if disabled && !schedule.cron_expr.is_empty() {
            return Ok(Firing::Done { fire: None, next });
        }
        let skipped = disabled
            .then(|| "skipped: the project is disabled".to_owned())
            .or_else(|| self.missed(schedule, fire_time))
            .or_else(|| busy.map(in_the_way));
        let key = (schedule.project_id, schedule.bunch.clone());
        if skipped.is_none() && !self.begun.insert(key) {
            return Ok(Firing::Later);
        }
        let task = self.tasks.get(&schedule.bunch);
        let fire = Fire {
            schedule_id: schedule.id,
            fire_time,
            bunch: schedule.bunch.clone(),
            task: task.cloned().ok_or("its bunch has no task")?,
            org_id: schedule.org_id,
            project_id: schedule.project_id,
            project_label: project.map_or_else(String::new, |project| project.label.clone()),
            skipped,
        };
        Ok(Firing::Done {
            fire: Some(fire),
            next,
        })
    }

    fn next(&self, schedule: &Schedule) -> Result<Next, String> {
        if schedule.cron_expr.is_empty() {
            return Ok(Next::Over(self.now));
        }
        self.rules.next_of(schedule, self.zone, self.now)
    }

    fn missed(&self, schedule: &Schedule, fire_time: Moment) -> Option<String> {
        let due = schedule.due_time.unwrap_or(fire_time);
        let missed = self.now - due > MISSED_AFTER;
        (missed && self.rules.misfire == Misfire::Skip).then(|| {
            let now = self.now.format("%Y-%m-%d %H:%M:%S");
            format!("missed: no server checked the schedule until {now} UTC")
        })
    }
}

fn in_the_way(run: &BusyRun) -> String {
    match run.status {
        RunStatus::Running => format!("skipped: run {} is still running", run.id),
        _ => format!("skipped: run {} is still waiting", run.id),
    }
}

fn owner_check(schedule: &Schedule, project: Option<&FiringProject>) -> Result<(), String> {
    match (schedule.bunch == SYNC_BUNCH, project) {
        (true, None) => Err("it names no project".to_owned()),
        (false, Some(_)) => Err(format!("`{}` belongs to no project", schedule.bunch)),
        (true, Some(project)) if schedule.org_id != Some(project.org_id) => {
            Err("its project belongs to another organisation".to_owned())
        }
        _ => Ok(()),
    }
}
