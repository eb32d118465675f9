//! The check of a schedule's line: in Quartz's syntax, in the server's time zone, and by the server's
//! rules.

use crate::quartz::Expression;
use crate::service::{Error, ScheduleRules};
use crate::store::Moment;
use crate::store::schedules::fire::Next;
use crate::time_zone::server_zone;

/// Number of characters of a refused line that are repeated.
const LINE_SHOWN: usize = 120;

/// A schedule's start and end time.
pub(super) type Active = (Moment, Option<Moment>);

/// A valid line, and when it fires first.
#[derive(Clone, Debug)]
pub(super) struct CheckedLine {
    /// With one space between fields.
    pub(in crate::service) text: String,
    /// The first time of the line.
    pub(super) fire: Moment,
    /// When its run is created.
    pub(super) due: Moment,
}

/// Parses `text`, and checks that it fires while it is active, and not too often.
pub(super) fn line_check(
    rules: &ScheduleRules,
    text: &str,
    active: Active,
    now: Moment,
) -> Result<CheckedLine, Error> {
    let refused = |why: &dyn std::fmt::Display| {
        let shown: String = text.chars().take(LINE_SHOWN).collect();
        Error::Refused(format!("Cron trigger: {shown}: {why}"))
    };
    let line = Expression::parse(text).map_err(|error| refused(&error))?;
    let zone = server_zone();
    let Some(Next::At { fire, due }) = rules.next(&line, zone, active, now) else {
        return Err(refused(&match active.1 {
            None => "it never fires".to_owned(),
            Some(_) => "it never fires between start and end".to_owned(),
        }));
    };
    if let Some((one, other)) = rules.too_close(&line, zone, now) {
        return Err(refused(&format!(
            "it fires at {one} and at {other}, but this server requires at least {} s between fire times \
             (`schedule_min_distance`)",
            rules.min_distance.as_secs()
        )));
    }
    Ok(CheckedLine {
        text: line.to_string(),
        fire,
        due,
    })
}
