//! `registrysync project`: sync projects, for people; [`options`] as flags; `plan` makes and shows plans,
//! `run` starts and watches runs, `evidence` downloads what they did, `schedule`
//! manages schedules.

mod evidence;
pub mod options;
mod plan;
mod run;
mod schedule;

use serde_json::{Map, Value as Json, json};

use super::args::{ProjectArguments, ProjectCommand, ProjectCreateArguments, ProjectSetArguments};
use super::connection::Session;
use super::table::{self, cell, members, rows};
use crate::cli::error::CliError;
use crate::cli::one_shot::source::reference;
use crate::cli::output::{data_line, json_line, talk_line};
use crate::sync::SelectorSpec;
use crate::text::counted;
use run::RunOptions;

pub(in crate::cli) async fn run(arguments: ProjectArguments) -> Result<u8, CliError> {
    let json = arguments.json;
    match arguments.command {
        ProjectCommand::List { connection } => list(&mut Session::open(&connection)?, json).await,
        ProjectCommand::Show { label, connection } => {
            let project = details(&mut Session::open(&connection)?, &label).await?;
            show(&project, json);
            Ok(0)
        }
        ProjectCommand::Create(arguments) => create(&arguments, json).await,
        ProjectCommand::Set(arguments) => set(&arguments, json).await,
        ProjectCommand::Run {
            label,
            wait,
            quiet,
            queue,
            retry,
            plan,
            force,
            connection,
        } => {
            let mut session = Session::open(&connection)?;
            let options = RunOptions {
                queue,
                retry,
                plan,
                force,
            };
            let id = run::start(&mut session, &label, options).await?;
            if wait {
                return run::watch(&mut session, id, json, quiet).await;
            }
            if json {
                json_line(&json!({"run": id}));
            } else {
                data_line(&id.to_string());
            }
            Ok(0)
        }
        ProjectCommand::Plan {
            label,
            keep,
            connection,
        } => plan::make(&mut Session::open(&connection)?, &label, keep, json).await,
        ProjectCommand::Plans { label, connection } => {
            plan::list(&mut Session::open(&connection)?, &label, json).await
        }
        ProjectCommand::PlanShow { plan, connection } => {
            plan::show(&mut Session::open(&connection)?, plan, json).await
        }
        ProjectCommand::PlanDelete { plan, connection } => {
            plan::delete(&mut Session::open(&connection)?, plan).await
        }
        ProjectCommand::Log {
            label,
            run,
            connection,
        } => run::log(&mut Session::open(&connection)?, &label, run, json).await,
        ProjectCommand::Evidence(arguments) => evidence::run(&arguments, json).await,
        ProjectCommand::Schedule { command } => schedule::run(command, json).await,
    }
}

async fn list(session: &mut Session, json: bool) -> Result<u8, CliError> {
    let projects = rows(session.get("registrysync.listProjects", Map::new()).await?);
    if json {
        projects.iter().for_each(json_line);
        return Ok(0);
    }
    let lines: Vec<[String; 6]> = projects
        .iter()
        .map(|project| {
            let last = &project["last_run"];
            [
                cell(&project["label"]),
                cell(&project["src_store_label"]),
                cell(&project["dest_store_label"]),
                cell(&project["enabled"]),
                last_status(last),
                cell(&last["end_time"]),
            ]
        })
        .collect();
    table::print(
        ["LABEL", "FROM", "TO", "ENABLED", "LAST RUN", "ENDED"],
        &lines,
        "there are no projects; create one with `registrysync project create`",
    );
    Ok(0)
}

/// The status of a project's latest run, with its warnings.
fn last_status(last: &Json) -> String {
    let status = cell(&last["status"]);
    match last["warnings"].as_u64() {
        Some(warnings @ 1..) => format!("{status}, {}", counted(warnings, "warning")),
        _ => status,
    }
}

async fn details(session: &mut Session, label: &str) -> Result<Json, CliError> {
    session
        .get("registrysync.getDetails", members(json!({"label": label})))
        .await
}

fn show(project: &Json, json: bool) {
    if json {
        json_line(project);
        return;
    }
    let Json::Object(all) = project else { return };
    let plain = all
        .iter()
        .filter(|(name, value)| *name != "items" && !value.is_object() && !cell(value).is_empty());
    for (name, value) in plain {
        data_line(&format!("{:<18} {}", format!("{name}:"), cell(value)));
    }
    if let Some(last) = all.get("last_run") {
        data_line(&format!(
            "{:<18} {} {} {}",
            "last_run:",
            cell(&last["id"]),
            last_status(last),
            cell(&last["end_time"])
        ));
    }
    data_line("");
    let items: Vec<[String; 3]> = rows(project["items"].clone())
        .iter()
        .map(|item| [cell(&item["id"]), repositories(item), selection(item)])
        .collect();
    table::print(
        ["ITEM", "REPOSITORY", "TAGS"],
        &items,
        "there are no items yet; add one with `registrysync api registrysync.addImage`",
    );
}

/// The repositories of an item, as text.
fn repositories(item: &Json) -> String {
    let [one, regex, exclude] = [
        "repository",
        "repositories_regex",
        "repositories_exclude_regex",
    ]
    .map(|name| cell(&item[name]));
    match (regex.as_str(), exclude.as_str()) {
        ("", _) => one,
        (regex, "") => format!("/{regex}/"),
        (regex, exclude) => format!("/{regex}/, but not /{exclude}/"),
    }
}

/// What an item selects, as text.
fn selection(item: &Json) -> String {
    let named = [
        ("", "tags"),
        ("/", "tags_regex"),
        ("semver ", "semver"),
        ("but not /", "tags_exclude_regex"),
        ("newest ", "newest"),
        ("by ", "newest_by"),
        ("newer than days ", "newer_than_days"),
        ("only ", "architectures"),
        ("to ", "target_repository"),
    ];
    let parts: Vec<String> = named
        .into_iter()
        .map(|(before, name)| (before, cell(&item[name])))
        .filter(|(_, text)| !text.is_empty())
        .map(|(before, text)| {
            format!(
                "{before}{text}{}",
                if before.ends_with('/') { "/" } else { "" }
            )
        })
        .collect();
    let picks = ["tags", "tags_regex", "semver"];
    let all = picks.into_iter().all(|name| cell(&item[name]).is_empty());
    let all = all.then(|| "all".to_owned());
    all.into_iter().chain(parts).collect::<Vec<_>>().join(", ")
}

async fn create(arguments: &ProjectCreateArguments, json: bool) -> Result<u8, CliError> {
    let item = item(arguments)?;
    let mut options = arguments.options.members();
    if arguments.disabled {
        options.insert("enabled".into(), json!(false));
    }
    let label = &arguments.label;
    let mut session = Session::open(&arguments.connection)?;
    let args = json!({"label": label, "srcStore": arguments.from, "destStore": arguments.to,
        "options": options});
    session.post("registrysync.create", members(args)).await?;
    if let Some(item) = item
        && let Err(error) = session.post("registrysync.addImage", item).await
    {
        // The request is a unit: either both are created or nothing.
        session
            .post("registrysync.delete", members(json!({"label": label})))
            .await?;
        return Err(error);
    }
    let project = details(&mut session, label).await?;
    if json {
        json_line(&project);
    } else {
        let next = match (&project["items"], &project["enabled"]) {
            (Json::Array(items), _) if items.is_empty() => {
                "add an item with `registrysync api registrysync.addImage`".to_owned()
            }
            (_, Json::Bool(false)) => "it is disabled".to_owned(),
            _ => format!("start it with `registrysync project run {label}`"),
        };
        talk_line(&format!("created the project `{label}`; {next}"));
    }
    Ok(0)
}

async fn set(arguments: &ProjectSetArguments, json: bool) -> Result<u8, CliError> {
    let (label, mut details) = (&arguments.label, arguments.options.members());
    if arguments.enabled || arguments.disabled {
        details.insert("enabled".into(), json!(arguments.enabled));
    }
    if details.is_empty() {
        return Err(CliError::Input(
            "nothing to change; give an option, such as `--prune gone`".into(),
        ));
    }
    let mut session = Session::open(&arguments.connection)?;
    let args = members(json!({"label": label, "details": details}));
    let project = session.post("registrysync.setDetails", args).await?;
    if json {
        json_line(&project);
    } else {
        talk_line(&format!("changed the project `{label}`"));
    }
    Ok(0)
}

/// The first item, if a repository is named.
fn item(arguments: &ProjectCreateArguments) -> Result<Option<Map<String, Json>>, CliError> {
    let select = &arguments.select;
    let mut options = members(json!(SelectorSpec::from(select.clone())));
    let tags = options.remove("tags").unwrap_or_else(|| json!([]));
    let pattern = arguments.repositories.pattern();
    let repository = match (&arguments.repositories.repository, pattern) {
        (Some(repository), _) => reference(repository),
        (None, Some(pattern)) => {
            options.extend(members(json!(pattern)));
            ""
        }
        (None, None) if options.is_empty() && select.tags.is_empty() => return Ok(None),
        (None, None) => {
            return Err(CliError::Input(
                "what to select is given without a repository; give `--repository` or `--repository-regex`".into(),
            ));
        }
    };
    let args = json!({"label": arguments.label, "repository": repository, "tags": tags,
        "options": options});
    Ok(Some(members(args)))
}

#[cfg(test)]
mod tests {
    use super::selection;
    use serde_json::json;

    #[test]
    fn the_selection_of_an_item_is_shown_in_words() {
        for (item, expected) in [
            (json!({"tags": [], "tags_regex": ""}), "all"),
            (json!({"tags": ["a", "b"]}), "a, b"),
            (
                json!({"tags_regex": "^1", "tags_exclude_regex": "rc"}),
                "/^1/, but not /rc/",
            ),
            (
                json!({"semver": ">=1", "target_repository": "x"}),
                "semver >=1, to x",
            ),
            (
                json!({"newest": 3, "newest_by": "created"}),
                "all, newest 3, by created",
            ),
        ] {
            assert_eq!(selection(&item), expected);
        }
    }
}
