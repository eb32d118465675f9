//! Plans of projects, for people: make one, keep it, show what is kept.

use serde_json::{Value as Json, json};

use crate::cli::client::connection::Session;
use crate::cli::client::table::{self, cell, members, rows};
use crate::cli::error::CliError;
use crate::cli::output::{data_line, failure_tell, json_line, named, talk_line};
use crate::text::{Bytes, counted};

/// Plans a project, and keeps the plan if asked.
pub(super) async fn make(
    session: &mut Session,
    label: &str,
    keep: bool,
    json: bool,
) -> Result<u8, CliError> {
    let args = members(json!({"label": label}));
    let plan = if keep {
        session.post("registrysync.createPlan", args).await?
    } else {
        session.get("registrysync.plan", args).await?
    };
    plan_print(&plan, json);
    let has = |names: &[&str]| names.iter().any(|name| plan["totals"][name] != 0);
    if let (Some(id), false) = (plan["id"].as_i64(), json) {
        let then = if has(&["copy", "update", "delete"]) {
            format!("to run exactly this: registrysync project run {label} --plan {id}")
        } else {
            "it has nothing to copy or to delete".to_owned()
        };
        talk_line(&format!(
            "plan {id} is kept until {}; {then}",
            cell(&plan["expires"])
        ));
    }
    let is_bad = has(&["blocked", "failed"]) || !plan["failure"].is_null();
    Ok(u8::from(is_bad))
}

/// Shows a kept plan.
pub(super) async fn show(session: &mut Session, id: i64, json: bool) -> Result<u8, CliError> {
    let args = members(json!({"planId": id}));
    let plan = session.get("registrysync.getPlan", args).await?;
    plan_print(&plan, json);
    if !json {
        talk_line(&format!(
            "plan {id} of `{}`, made {} by {}, is kept until {}",
            cell(&plan["project_label"]),
            cell(&plan["created"]),
            cell(&plan["created_by"]),
            cell(&plan["expires"])
        ));
    }
    Ok(0)
}

/// Lists the kept plans of a project.
pub(super) async fn list(session: &mut Session, label: &str, json: bool) -> Result<u8, CliError> {
    let args = members(json!({"label": label}));
    let plans = rows(session.get("registrysync.listPlans", args).await?);
    if json {
        plans.iter().for_each(json_line);
        return Ok(0);
    }
    let lines: Vec<[String; 9]> = plans
        .iter()
        .map(|plan| {
            let total = |name: &str| cell(&plan["totals"][name]);
            [
                cell(&plan["id"]),
                cell(&plan["created"]),
                cell(&plan["created_by"]),
                cell(&plan["expires"]),
                total("copy"),
                total("update"),
                total("delete"),
                total("blocked"),
                total("failed"),
            ]
        })
        .collect();
    table::print(
        [
            "PLAN", "MADE", "BY", "EXPIRES", "COPY", "UPDATE", "DELETE", "BLOCKED", "FAILED",
        ],
        &lines,
        "there are no kept plans; make one with `registrysync project plan LABEL --keep`",
    );
    Ok(0)
}

/// Deletes a kept plan.
pub(super) async fn delete(session: &mut Session, id: i64) -> Result<u8, CliError> {
    let args = members(json!({"planId": id}));
    session.post("registrysync.deletePlan", args).await?;
    talk_line(&format!("plan {id} was deleted"));
    Ok(0)
}

fn plan_print(plan: &Json, json: bool) {
    if json {
        json_line(plan);
        return;
    }
    for warning in rows(plan["warnings"].clone()) {
        talk_line(&format!("warning: {}", cell(&warning)));
    }
    for action in rows(plan["actions"].clone()) {
        let [word, repository, tag, target, reason] =
            ["action", "repository", "tag", "target", "reason"].map(|name| cell(&action[name]));
        let target = match target.as_str() {
            "" => String::new(),
            target => format!(" -> {target}"),
        };
        let size = match number(&action["size"]) {
            Some(size) => format!(" ({})", Bytes(size)),
            None => String::new(),
        };
        let name = named(&repository, &tag);
        data_line(&format!("{word:<8}{name}{target}{size}: {reason}"));
    }
    let total = |name: &str| number(&plan["totals"][name]).unwrap_or(0);
    talk_line(&format!(
        "would copy {}, update {}, skip {}, delete {}; {} blocked, {} failed; at most {} to send; {} to the source ({}), {} to \
         the target; nothing was written",
        total("copy"),
        total("update"),
        total("skip"),
        total("delete"),
        total("blocked"),
        total("failed"),
        Bytes(total("bytes")),
        counted(total("source_requests"), "request"),
        counted(total("pulls"), "pull"),
        counted(total("target_requests"), "request"),
    ));
    if let Json::String(failure) = &plan["failure"] {
        failure_tell(failure);
    }
}

/// A number, or a count of bytes, which is text.
fn number(value: &Json) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
