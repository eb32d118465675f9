//! `registrysync project schedule`: when projects run by themselves.

use serde_json::{Map, Value as Json, json};

use super::CliError;
use super::client_args::ScheduleCommand;
use super::connection::Session;
use super::output::{data_line, json_line};
use super::project::{members, rows};
use super::table::{self, cell};

pub(super) async fn run(command: ScheduleCommand, json: bool) -> Result<u8, CliError> {
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
            let args = members(json!({"label": label}));
            let schedule = session.get("registrysync.getSchedule", args).await?;
            if cell(&schedule["cron_expr"]).is_empty() {
                eprintln!("the project `{label}` has no schedule: nothing to remove");
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
        "no project has a schedule of its own; `registrysync project schedule set` gives one",
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
        eprintln!("the project `{label}` has no schedule");
        return Ok(0);
    }
    data_line(&format!("{line}  {}", cell(&schedule["description"])));
    if let Json::String(reason) = &schedule["disabled_reason"] {
        data_line(&format!("disabled: {reason}"));
    }
    for time in rows(schedule["next_fire_times"].clone()) {
        data_line(&format!("  {}", cell(&time)));
    }
    Ok(0)
}
