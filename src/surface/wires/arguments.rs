//! The arguments of a JSON request: query and body merged, where the body wins (rows 42 to 44).

use std::collections::BTreeMap;

use axum::http::{HeaderMap, Uri};
use dxr::Value;
use serde_json::{Map, Value as Json};

use crate::api::value::{from_json, json_parse};
use crate::surface::requests::cross_site::is_form;

/// The arguments by name; `given` are those of the body.
pub(super) fn merged(uri: &Uri, given: Map<String, Json>) -> BTreeMap<String, Value> {
    let mut args = of_query(uri.query().unwrap_or_default());
    for (name, member) in given {
        args.insert(name, from_json(member));
    }
    args
}

/// Text is unchanged; a repeated name becomes an array.
fn of_query(query: &str) -> BTreeMap<String, Value> {
    let mut args: BTreeMap<String, Value> = BTreeMap::new();
    for (name, text) in url::form_urlencoded::parse(query.as_bytes()) {
        let text = Value::String(text.into_owned());
        match args.get_mut(name.as_ref()) {
            None => {
                args.insert(name.into_owned(), text);
            }
            Some(Value::Array(items)) => items.push(text),
            Some(first) => *first = Value::Array(vec![first.clone(), text]),
        }
    }
    args
}

/// The members of a JSON body; none if it is empty or `null`. The error is for the user.
pub(super) fn of_body(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Json>, String> {
    let problem = if body.iter().all(u8::is_ascii_whitespace) {
        // Row 48: without JSON it could be the form of another site's page.
        if !is_form(headers) {
            return Ok(Map::new());
        }
        "it is an empty form".to_owned()
    } else {
        match json_parse(body) {
            Ok(Json::Null) => return Ok(Map::new()),
            Ok(Json::Object(members)) => return Ok(members),
            Ok(other) => format!("expected a JSON object, got {}", json_type(&other)),
            Err(error) => {
                let what = if error.is_data() {
                    "a key occurs twice, or a number is out of range"
                } else {
                    "it isn't JSON"
                };
                format!("{what} (line {}, column {})", error.line(), error.column())
            }
        }
    };
    let hint = if is_form(headers) {
        "; form fields aren't accepted"
    } else {
        ""
    };
    Err(format!(
        "the body can't be read: {problem}{hint}; send one JSON object with the parameters by \
         name, or an empty one"
    ))
}

fn json_type(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}
