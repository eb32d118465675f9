//! Recalculates when schedules fire.

use chrono_tz::Tz;

use crate::service::ScheduleRules;
use crate::store::base::clock::clock;
use crate::store::schedules::fire::{HELD_AT_ONCE, active_hold, next_set};
use crate::store::{DbConnection, Error};

/// Recalculates every schedule's next time from now, even if one is due.
pub(super) fn schedules_recalculate(
    conn: &mut DbConnection,
    rules: ScheduleRules,
    zone: Tz,
) -> Result<(), Error> {
    let mut after = 0;
    loop {
        let last = conn.write(|conn| {
            let now = clock(conn)?;
            let loaded = active_hold(conn, now, after, HELD_AT_ONCE)?;
            let rows = loaded.schedules.iter();
            let next = rows.filter_map(|schedule| {
                let next = rules.next_of(schedule, zone, now).ok()?;
                Some((schedule.id, next))
            });
            next_set(conn, &next.collect::<Vec<_>>())?;
            let unreadable = loaded.unreadable.iter().map(|(id, _)| *id);
            let ids = loaded.schedules.iter().map(|row| row.id);
            Ok::<_, Error>(ids.chain(unreadable).max())
        })?;
        match last {
            Some(last) => after = last,
            None => return Ok(()),
        }
    }
}
