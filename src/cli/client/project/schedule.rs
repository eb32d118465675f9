//! `registrysync project schedule`: when projects run automatically.

use chrono::{DateTime, SecondsFormat};
use chrono_tz::Tz;
use serde_json::{Map, Value as Json, json};

use crate::cli::client::args::ScheduleCommand;
use crate::cli::client::connection::Session;
use crate::cli::client::table::{self, cell, members, rows};
use crate::cli::error::CliError;
use crate::cli::output::{data_line, json_line, talk_line};
use crate::time_zone::zone_parse;

pub(in crate::cli) async fn run(command: ScheduleCommand, json: bool) -> Result<u8, CliError> {
    match command {
        ScheduleCommand::List { connection } => list(&mut Session::open(&connection)?, json).await,
        ScheduleCommand::Show { label, connection } => {
            show(&mut Session::open(&connection)?, &label, json).await
        }
        ScheduleCommand::Set {
            label,
            line,
            connection,
        } => {
            let mut session = Session::open(&connection)?;
            set(&mut session, &label, &line).await?;
            show(&mut session, &label, json).await
        }
        ScheduleCommand::Remove { label, connection } => {
            let mut session = Session::open(&connection)?;
            let args = members(json!({"label": &label}));
            let before = session.get("registrysync.getSchedule", args).await?;
            if cell(&before["cron_expr"]).is_empty() {
                none_say(&label);
                return Ok(0);
            }
            set(&mut session, &label, "").await?;
            Ok(0)
        }
    }
}

async fn set(session: &mut Session, label: &str, line: &str) -> Result<(), CliError> {
    let args = json!({"label": label, "cronExpr": line});
    session
        .post("registrysync.setSchedule", members(args))
        .await?;
    Ok(())
}

async fn list(session: &mut Session, json: bool) -> Result<u8, CliError> {
    let projects = session.get("registrysync.listProjects", Map::new()).await?;
    let scheduled = rows(projects)
        .into_iter()
        .filter(|project| !cell(&project["cron_expr"]).is_empty());
    if json {
        for project in scheduled {
            json_line(&json!({"label": project["label"], "cron_expr": project["cron_expr"]}));
        }
        return Ok(0);
    }
    let lines: Vec<[String; 3]> = scheduled
        .map(|project| ["label", "cron_expr", "enabled"].map(|name| cell(&project[name])))
        .collect();
    table::print(
        ["PROJECT", "SCHEDULE", "ENABLED"],
        &lines,
        "no project has a schedule of its own; set one with `registrysync project schedule set`",
    );
    Ok(0)
}

async fn show(session: &mut Session, label: &str, json: bool) -> Result<u8, CliError> {
    let args = members(json!({"label": label}));
    let schedule = session.get("registrysync.getSchedule", args).await?;
    if json {
        json_line(&schedule);
        return Ok(0);
    }
    let line = cell(&schedule["cron_expr"]);
    if line.is_empty() {
        none_say(label);
        return Ok(0);
    }
    let zone_name = cell(&schedule["time_zone"]);
    let zone = zone_parse(&zone_name);
    let suffix = zone.map_or(String::new(), |_| format!(" ({zone_name})"));
    data_line(&format!(
        "{line}  {}{suffix}",
        cell(&schedule["description"])
    ));
    if let Json::String(reason) = &schedule["disabled_reason"] {
        data_line(&format!("disabled: {reason}"));
    }
    for time in rows(schedule["next_fire_times"].clone()) {
        data_line(&format!("  {}", on_the_wall(&cell(&time), zone)));
    }
    Ok(0)
}

/// A time from the server in `zone`, with its offset from UTC.
fn on_the_wall(time: &str, zone: Option<Tz>) -> String {
    let moment = DateTime::parse_from_rfc3339(time);
    match (moment, zone) {
        (Ok(moment), Some(zone)) => moment
            .with_timezone(&zone)
            .to_rfc3339_opts(SecondsFormat::Secs, true),
        _ => time.to_owned(),
    }
}

fn none_say(label: &str) {
    talk_line(&format!("the project `{label}` has no schedule"));
}
