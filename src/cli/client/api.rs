//! `registrysync api`: any method of a server, from a shell.

use std::path::Path;

use serde_json::{Map, Value as Json};

use crate::api::value::from_json;
use crate::api::{Catalog, SessionUse, namespaces};
use crate::client::{Error, Verb};

use super::api_help;
use super::args::ApiArguments;
use super::connection::{CallError, Session};
use crate::cli::error::CliError;
use crate::cli::file::file_read;
use crate::cli::output::{data_text, json_indented, json_line, talk_line};

/// The meaning of the words.
#[derive(Debug, PartialEq)]
enum Request {
    Named {
        verb: Option<Verb>,
        method: String,
        args: Map<String, Json>,
    },
    Positional {
        method: String,
        args: Vec<Json>,
    },
}

pub(in crate::cli) async fn run(arguments: ApiArguments) -> Result<u8, CliError> {
    let registry = namespaces::registry();
    let catalog = registry.catalog();
    let mut words = arguments.words.iter().map(String::as_str);
    let first = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.collect();
    if first == "help" {
        api_help::show(catalog, &rest)?;
        return Ok(0);
    }
    let mut session = Session::open(&arguments.connection)?;
    match (first, rest.is_empty()) {
        ("login", true) => {
            let user = session.login().await?;
            talk_line(&format!("logged in as {user}"));
            return Ok(0);
        }
        ("logout", true) => {
            session.logout().await?;
            talk_line("logged out");
            return Ok(0);
        }
        ("login" | "logout", false) => {
            return Err(CliError::Input(format!("`{first}` takes no further words")));
        }
        _ => {}
    }
    let request = request(catalog, first, &rest)?;
    let result = send(&mut session, catalog, request).await?;
    print(&result, arguments.json);
    Ok(0)
}

async fn send(
    session: &mut Session,
    catalog: &Catalog,
    request: Request,
) -> Result<Json, CliError> {
    match request {
        Request::Positional { method, args } => {
            // A method unknown to this program is newer; those need a session.
            let takes_session = catalog
                .overloads(&method)
                .first()
                .is_none_or(|method| method.session() == SessionUse::Always);
            let args: Vec<_> = args.into_iter().map(from_json).collect();
            Ok(session
                .call_positional(&method, takes_session, &args)
                .await?)
        }
        Request::Named {
            verb: Some(verb),
            method,
            args,
        } => Ok(session.call(verb, &method, &args).await?),
        Request::Named {
            verb: None,
            method,
            args,
        } => {
            let known = catalog.overloads(&method).first();
            let verb = match known {
                Some(method) if method.is_read_only() => Verb::Get,
                _ => Verb::Post,
            };
            match session.call(verb, &method, &args).await {
                // A server of another version knows its methods better.
                Err(CallError::Call(Error::Verb(_))) => {
                    Ok(session.call(verb.other(), &method, &args).await?)
                }
                result => Ok(result?),
            }
        }
    }
}

fn request(catalog: &Catalog, first: &str, rest: &[&str]) -> Result<Request, CliError> {
    let verb = match first {
        "get" => Some(Verb::Get),
        "post" => Some(Verb::Post),
        _ => None,
    };
    let (name, words) = match (verb, rest.split_first()) {
        (None, _) => (first, rest),
        (Some(_), Some((name, words))) => (*name, words),
        (Some(_), None) => return Err(CliError::Input(format!("`{first}` needs a method"))),
    };
    let method = name.trim_matches('/').replace('/', ".");
    if !method.contains('.') {
        return Err(CliError::Input(format!(
            "`{name}` is not a method; write `namespace.method`, see `registrysync api help`"
        )));
    }
    let named: Vec<Option<(&str, &str)>> = words.iter().map(|word| named(word)).collect();
    if let (Some(_), [word]) = (verb, words)
        && let Json::Object(args) = value(word)?
    {
        password_refuse(None, &Json::Object(args.clone()), word)?;
        return Ok(Request::Named { verb, method, args });
    }
    if words.is_empty() || named.iter().all(Option::is_some) {
        let by_place = catalog
            .overloads(&method)
            .first()
            .is_some_and(|method| method.session() != SessionUse::Always);
        // These exist only on XML-RPC, or need no session there.
        if words.is_empty() && verb.is_none() && by_place {
            return Ok(Request::Positional {
                method,
                args: Vec::new(),
            });
        }
        let args = named.into_iter().flatten();
        let args = args.map(|(name, text)| {
            let value = value(text)?;
            password_refuse(Some(name), &value, text)?;
            Ok((name.to_owned(), value))
        });
        let args = args.collect::<Result<_, CliError>>()?;
        return Ok(Request::Named { verb, method, args });
    }
    if verb.is_some() || named.iter().any(Option::is_some) {
        return Err(CliError::Input(
            "either all arguments are NAME=VALUE or none; write positional text that contains `=` as JSON, '\"a=b\"'"
                .into(),
        ));
    }
    let args = words.iter().enumerate().map(|(at, text)| {
        let value = value(text)?;
        let candidates = catalog.overloads(&method).iter();
        let at_place = |method: &crate::api::Method| method.parameters().get(at).map(|p| p.name);
        for name in candidates.filter_map(at_place) {
            password_refuse(Some(name), &value, text)?;
        }
        Ok(value)
    });
    let args = args.collect::<Result<_, CliError>>()?;
    Ok(Request::Positional { method, args })
}

/// `name=value`; JSON strings, arrays and objects, and files have no name.
fn named(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(letter))
        .then_some((name, value))
}

/// An argument. `1.10` and `007` aren't numbers here: as tags and labels they are text.
fn value(text: &str) -> Result<Json, CliError> {
    if let Some(name) = text.strip_prefix('@') {
        if name.starts_with('@') {
            return Ok(name.into());
        }
        let path = if name == "-" { "/dev/stdin" } else { name };
        let held = file_read(text, Path::new(path))?;
        return Ok(match serde_json::from_str(&held) {
            Ok(value @ (Json::Array(_) | Json::Object(_))) => value,
            _ => held.trim_end_matches(['\n', '\r']).into(),
        });
    }
    Ok(match serde_json::from_str(text) {
        Ok(Json::Number(number)) if !number.is_i64() || number.to_string() != text => text.into(),
        Ok(value) => value,
        Err(_) => text.into(),
    })
}

/// Every user of the machine can read the command line.
fn password_refuse(name: Option<&str>, value: &Json, text: &str) -> Result<(), CliError> {
    if text.starts_with('@') {
        return Ok(());
    }
    let secret = |name: &str| name.to_ascii_lowercase().contains("password");
    let held = match value {
        Json::Object(members) => members
            .iter()
            .any(|(name, member)| secret(name) && !matches!(member, Json::Null)),
        _ => name.is_some_and(secret),
    };
    if !held {
        return Ok(());
    }
    Err(CliError::Input(format!(
        "a password on the command line can be read by others: give `{}=@FILE`, or `@-` for standard input",
        name.unwrap_or("NAME")
    )))
}

fn print(result: &Json, json: bool) {
    match result {
        // A method without a result prints nothing.
        Json::Null if !json => {}
        Json::String(text) if !json => data_text(text),
        _ if json => json_line(result),
        _ => json_indented(result),
    }
}

#[cfg(test)]
mod tests {
    use super::{Request, Verb, named, request, value};
    use crate::api::namespaces;
    use serde_json::{Value as Json, json};

    #[test]
    fn values_are_json_where_nothing_is_lost() {
        for (text, expected) in [
            ("17", json!(17)),
            ("-1", json!(-1)),
            ("1.10", json!("1.10")),
            ("1e3", json!("1e3")),
            ("007", json!("007")),
            ("99999999999999999999", json!("99999999999999999999")),
            ("true", json!(true)),
            ("latest", json!("latest")),
            ("\"17\"", json!("17")),
            ("[\"1.10\", 2]", json!(["1.10", 2])),
            ("{\"a\": 1}", json!({"a": 1})),
            ("[broken", json!("[broken")),
            ("@@all", json!("@all")),
            ("", json!("")),
        ] {
            assert_eq!(value(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn names_are_told_from_texts() {
        assert_eq!(named("label=a=b"), Some(("label", "a=b")));
        for word in ["^a=b", "\"a=b\"", "a b=c", "=", "plain", "{\"a\":\"=\"}"] {
            assert_eq!(named(word), None, "{word}");
        }
    }

    fn of(words: &[&str]) -> Result<Request, String> {
        let (first, rest) = words.split_first().unwrap();
        request(namespaces::registry().catalog(), first, rest).map_err(|e| e.to_string())
    }

    fn by_name(verb: Option<Verb>, method: &str, args: Json) -> Request {
        let Json::Object(args) = args else { panic!() };
        let method = method.to_owned();
        Request::Named { verb, method, args }
    }

    #[test]
    fn words_become_calls() {
        assert_eq!(
            of(&["registrysync.listTags", "hub", "app"]),
            Ok(Request::Positional {
                method: "registrysync.listTags".into(),
                args: vec![json!("hub"), json!("app")]
            })
        );
        assert_eq!(
            of(&["registrysync.run", "label=web"]),
            Ok(by_name(None, "registrysync.run", json!({"label": "web"})))
        );
        assert_eq!(
            of(&["post", "registrysync/run", "{\"label\": \"web\"}"]),
            Ok(by_name(
                Some(Verb::Post),
                "registrysync.run",
                json!({"label": "web"})
            ))
        );
        assert_eq!(
            of(&["get", "/registrysync/listProjects"]),
            Ok(by_name(
                Some(Verb::Get),
                "registrysync.listProjects",
                json!({})
            ))
        );
    }

    #[test]
    fn invalid_arguments_are_refused() {
        for (words, reason) in [
            (vec!["listTags"], "is not a method"),
            (vec!["get"], "needs a method"),
            (vec!["get", "a.b", "c"], "NAME=VALUE"),
            (vec!["a.b", "c=d", "e"], "NAME=VALUE"),
            (vec!["auth.login", "admin", "hunter2"], "@FILE"),
            (
                vec!["post", "auth/login", "login=a", "password=hunter2"],
                "@FILE",
            ),
            (
                vec!["a.b", "credentials={\"password\": \"hunter2\"}"],
                "@FILE",
            ),
            (vec!["post", "a.b", "{\"password\": \"hunter2\"}"], "@FILE"),
            (vec!["a.b", "c=@/nowhere/at/all"], "/nowhere/at/all"),
        ] {
            let error = of(&words).unwrap_err();
            assert!(
                error.contains(reason) && !error.contains("hunter2"),
                "{words:?}: {error}"
            );
        }
    }
}
