//! `registrysync store`: image stores, for people.

use serde_json::{Map, Value as Json, json};

use secrecy::ExposeSecret as _;

use super::args::{StoreAddArguments, StoreArguments, StoreCommand};
use super::connection::{Session, prompt_password};
use super::table::{self, cell, members, rows};
use crate::cli::error::CliError;
use crate::cli::file::{file_read, password_read};
use crate::cli::one_shot::source::reference;
use crate::cli::output::{json_line, talk_line};

pub(in crate::cli) async fn run(arguments: StoreArguments) -> Result<u8, CliError> {
    let json = arguments.json;
    match arguments.command {
        StoreCommand::List { connection } => list(&mut Session::open(&connection)?, json).await,
        StoreCommand::Add(arguments) => add(&arguments, json).await,
        StoreCommand::Test { label, connection } => {
            test(&mut Session::open(&connection)?, &label, json).await
        }
    }
}

async fn list(session: &mut Session, json: bool) -> Result<u8, CliError> {
    let stores = rows(
        session
            .get("image.store.listImageStores", Map::new())
            .await?,
    );
    if json {
        stores.iter().for_each(json_line);
        return Ok(0);
    }
    let lines: Vec<[String; 4]> = stores
        .iter()
        .map(|store| {
            let tls = match (&store["plain_http"], &store["tls_verify"]) {
                (Json::Bool(true), _) => "none",
                (_, Json::Bool(false)) => "not verified",
                _ => "verified",
            };
            [
                cell(&store["label"]),
                cell(&store["uri"]),
                cell(&store["username"]),
                tls.to_owned(),
            ]
        })
        .collect();
    table::print(
        ["LABEL", "ADDRESS", "USER", "TLS"],
        &lines,
        "there are no image stores; create one with `registrysync store add`",
    );
    Ok(0)
}

async fn add(arguments: &StoreAddArguments, json: bool) -> Result<u8, CliError> {
    let mut credentials = Map::new();
    if let Some(username) = &arguments.username {
        let password = match &arguments.registry_password_file {
            Some(path) => password_read("--registry-password-file", path)?,
            None => prompt_password(
                &format!("Password of `{username}` at `{}`", arguments.uri),
                "--registry-password-file",
            )?,
        };
        credentials.insert("username".into(), json!(username));
        credentials.insert("password".into(), json!(password.expose_secret()));
    }
    if let Some(path) = &arguments.registry_ca_certificate {
        credentials.insert(
            "ca_certificate".into(),
            json!(file_read("--registry-ca-certificate", path)?),
        );
    }
    if arguments.no_tls_verify {
        credentials.insert("tls_verify".into(), json!(false));
    }
    let mut session = Session::open(&arguments.connection)?;
    let label = &arguments.label;
    let args = json!({"label": label, "uri": reference(&arguments.uri), "storeType": "registry",
        "credentials": credentials});
    session.post("image.store.create", members(args)).await?;
    let store = session
        .get("image.store.getDetails", members(json!({"label": label})))
        .await?;
    if json {
        json_line(&store);
    } else {
        talk_line(&format!(
            "created the image store `{label}`; test it with `registrysync store test {label}`"
        ));
    }
    Ok(0)
}

async fn test(session: &mut Session, label: &str, json: bool) -> Result<u8, CliError> {
    let ping = session
        .get("registrysync.ping", members(json!({"storeLabel": label})))
        .await?;
    if json {
        json_line(&ping);
    } else {
        let steps: Vec<[String; 4]> = rows(ping["steps"].clone())
            .iter()
            .map(|step| {
                let state = if step["ok"] == true { "ok" } else { "failed" };
                [
                    cell(&step["name"]),
                    state.to_owned(),
                    format!("{} ms", cell(&step["milliseconds"])),
                    cell(&step["message"]),
                ]
            })
            .collect();
        table::print(["STEP", "STATE", "TIME", ""], &steps, "no step was tried");
    }
    if ping["ok"] == true {
        return Ok(0);
    }
    Err(CliError::Unreachable(format!(
        "the registry of `{label}` isn't usable"
    )))
}
