//! Pending notifications: a project started failing, or works again.

use crate::store::base::clock::clock;
use crate::store::runs::log::{LogLevel, log_now};
use crate::store::runs::run::{Run, RunStatus, run_lock};
use crate::store::schema::{notification, org, tasko_run};
use crate::store::{DbConnection, Error};
use chrono::TimeDelta;
use diesel::prelude::*;
use std::time::Duration;

text_enum! {
    /// A notification channel.
    Channel {
        /// A POST of JSON.
        Webhook => "webhook",
        /// E-mail.
        Mail => "mail",
    }
}

text_enum! {
    /// Why a notification is sent.
    NotificationEvent {
        /// A project, or housekeeping, starts failing or works again.
        Verdict => "verdict",
        /// A working project has warnings that it didn't have before.
        Warnings => "warnings",
    }
}

/// A notification being sent.
#[derive(Clone, Debug)]
pub struct Notification {
    /// Its id.
    pub id: i64,
    /// Its channel.
    pub channel: Channel,
    /// Why.
    pub event: NotificationEvent,
    /// 1 for the first attempt.
    pub attempt: i64,
    /// What it is about.
    pub run: Run,
    /// The run's organisation; `None`: the whole server's,
    pub org_id: Option<i64>,
    /// and its name; "" for the whole server.
    pub org: String,
}

/// Records a notification if a run that has just ended makes a project (or a housekeeping bunch)
/// start failing, recover, or start having warnings. The senders decide whether there is a channel,
/// and whether warnings are wanted.
pub(in crate::store) fn notification_add_on_change(
    conn: &mut DbConnection,
    run_id: i64,
) -> Result<(), Error> {
    const VERDICTS: [RunStatus; 2] = [RunStatus::Finished, RunStatus::Failed];
    type Verdict = (RunStatus, i64);
    let (project, bunch, now): (Option<i64>, String, Verdict) = tasko_run::table
        .find(run_id)
        .select((
            tasko_run::project_id,
            tasko_run::bunch,
            (tasko_run::status, tasko_run::warnings),
        ))
        .first(conn)?;
    let status = now.0;
    if !VERDICTS.contains(&status) {
        return Ok(());
    }
    macro_rules! before {
        ($of:expr) => {
            tasko_run::table
                .filter($of)
                .filter(tasko_run::id.lt(run_id))
                .filter(tasko_run::status.eq_any(VERDICTS))
                .order(tasko_run::id.desc())
                .select((tasko_run::status, tasko_run::warnings))
                .first(conn)
                .optional()?
        };
    }
    let before: Option<Verdict> = match project {
        Some(project) => before!(tasko_run::project_id.eq(project)),
        None => before!(
            tasko_run::bunch
                .eq(bunch)
                .and(tasko_run::project_id.is_null())
        ),
    };
    let (before, warnings) = before.unwrap_or((RunStatus::Finished, 0));
    let event = if before != status {
        NotificationEvent::Verdict
    } else if status == RunStatus::Finished && warnings == 0 && now.1 > 0 {
        NotificationEvent::Warnings
    } else {
        return Ok(());
    };
    let time = clock(conn)?;
    for channel in Channel::ALL {
        diesel::insert_into(notification::table)
            .values((
                notification::run_id.eq(run_id),
                notification::channel.eq(channel),
                notification::created.eq(time),
                notification::attempt.eq(0),
                notification::next_try.eq(time),
                notification::event.eq(event),
            ))
            .execute(conn)?;
    }
    Ok(())
}

/// The notification that has been due longest on one of `channels`; it is due again after `pause`
/// (by its number of attempts) unless [`notification_end`] is called. Only one of several
/// concurrent claimers gets it.
pub fn notification_claim(
    conn: &mut DbConnection,
    channels: &[Channel],
    pause: impl FnOnce(i64) -> Duration,
) -> Result<Option<Notification>, Error> {
    conn.write(|conn| {
        let time = clock(conn)?;
        let due = notification::table
            .filter(notification::next_try.le(time))
            .filter(notification::channel.eq_any(channels))
            .order(notification::next_try)
            .limit(1)
            .select((
                notification::id,
                notification::run_id,
                notification::channel,
                notification::attempt,
                notification::event,
            ));
        let found: Option<(i64, i64, Channel, i64, NotificationEvent)> = match conn {
            DbConnection::Postgres(c) => due.for_update().skip_locked().first(c).optional()?,
            DbConnection::Sqlite(c) => due.first(c).optional()?,
        };
        let Some((id, run_id, channel, tried, event)) = found else {
            return Ok(None);
        };
        let attempt = tried + 1;
        let pause = TimeDelta::from_std(pause(attempt)).unwrap_or_default();
        diesel::update(notification::table.find(id))
            .set((
                notification::attempt.eq(attempt),
                notification::next_try.eq(time + pause),
            ))
            .execute(conn)?;
        let (run, org): (Run, Option<(i64, String)>) = tasko_run::table
            .left_join(org::table)
            .filter(tasko_run::id.eq(run_id))
            .select((Run::as_select(), (org::id, org::name).nullable()))
            .first(conn)?;
        let (org_id, org) = org.unzip();
        Ok(Some(Notification {
            id,
            channel,
            event,
            attempt,
            run,
            org_id,
            org: org.unwrap_or_default(),
        }))
    })
}

/// Removes a notification that was sent or given up, and logs that in its run's log.
pub fn notification_end(
    conn: &mut DbConnection,
    told: &Notification,
    level: LogLevel,
    message: String,
) -> Result<(), Error> {
    conn.write(|conn| {
        diesel::delete(notification::table.find(told.id)).execute(conn)?;
        match run_lock(conn, told.run.id)? {
            Some(run) => log_now(conn, run.id, level, message),
            // It was deleted meanwhile.
            None => Ok(()),
        }
    })
}

/// Removes a notification that nobody wants.
pub fn notification_drop(conn: &mut DbConnection, id: i64) -> Result<(), Error> {
    diesel::delete(notification::table.find(id)).execute(conn)?;
    Ok(())
}

/// Removes notifications that nobody has sent within `age`, since no process has such a channel.
pub fn notification_forget(conn: &mut DbConnection, age: Duration) -> Result<usize, Error> {
    let age = TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX);
    let Some(before) = clock(conn)?.checked_sub_signed(age) else {
        return Ok(0);
    };
    let old = notification::table.filter(notification::created.lt(before));
    Ok(diesel::delete(old).execute(conn)?)
}
