//! `registrysync cron`: explains a cron line, and when it fires; needs no server.

use chrono::{DateTime, NaiveDateTime, SecondsFormat, TimeZone as _, Utc};
use chrono_tz::Tz;
use serde::Serialize;

use crate::quartz::Expression;
use crate::time_zone::{system_zone, zone_parse};

use crate::cli::args::CronArguments;
use crate::cli::error::CliError;
use crate::cli::output::{data_line, json_line};

#[derive(Serialize)]
struct Shown {
    cron_expr: String,
    description: String,
    time_zone: &'static str,
    next_fire_times: Vec<String>,
}

pub(in crate::cli) fn run(arguments: &CronArguments) -> Result<u8, CliError> {
    let refused = |why: &dyn std::fmt::Display| {
        CliError::Input(format!("Cron trigger: {}: {why}", arguments.expression))
    };
    let line = Expression::parse(&arguments.expression).map_err(|error| refused(&error))?;
    let zone = match &arguments.time_zone {
        Some(name) => zone_parse(name).ok_or_else(|| {
            CliError::Input(format!(
                "`--time-zone`: `{name}`: expected a name such as `Europe/Berlin` or `UTC`"
            ))
        })?,
        None => system_zone(),
    };
    let from = match &arguments.from {
        Some(text) => moment(text, zone)?,
        None => Utc::now().with_timezone(&zone),
    };
    let first = line.next_after(&from);
    if first.is_none() {
        return Err(refused(&"it never fires"));
    }
    let times = std::iter::successors(first, |last| line.next_after(last));
    let shown = Shown {
        cron_expr: line.to_string(),
        description: line.describe(),
        time_zone: zone.name(),
        next_fire_times: times
            .take(arguments.count)
            .map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
            .collect(),
    };
    if arguments.json {
        json_line(&shown);
        return Ok(0);
    }
    data_line(&shown.description);
    for time in &shown.next_fire_times {
        data_line(time);
    }
    Ok(0)
}

/// RFC 3339, or the same without an offset, in `zone`.
fn moment(text: &str, zone: Tz) -> Result<DateTime<Tz>, CliError> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(moment.with_timezone(&zone));
    }
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S")
        .ok()
        .and_then(|wall| zone.from_local_datetime(&wall).earliest())
        .ok_or_else(|| {
            CliError::Input(format!(
                "`--from`: `{text}`: expected an existing time, such as `2027-01-31T03:00:00Z`, \
                 or without `Z` in the time zone"
            ))
        })
}
