//! A sample response of a call, generated from the schema of the result.

use serde_json::{Map, Value as Json, json};

use super::samples::known_text;
use crate::api::Method;
use crate::api::catalog::camel_case;
use crate::api::schema::resolved;

/// Deeper than any result; ends recursive types.
const DEPTH_LIMIT: usize = 8;

/// The body of a JSON response.
pub(super) fn answer(method: &Method) -> String {
    let root = method.result().schema().as_value();
    let result = example("", root, root, 0);
    format!("{:#}", json!({"success": true, "result": result}))
}

fn example(name: &str, schema: &Json, root: &Json, depth: usize) -> Json {
    if depth > DEPTH_LIMIT {
        return Json::Null;
    }
    let schema = resolved(schema, root);
    let inner = |name: &str, schema: &Json| example(name, schema, root, depth + 1);
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(first) = schema.get("enum").and_then(|values| values.get(0)) {
        return first.clone();
    }
    let choices = ["anyOf", "oneOf"].iter().find_map(|word| schema.get(*word));
    if let Some(first) = choices.and_then(|choices| choices.get(0)) {
        return inner(name, first);
    }
    let kind = schema.get("type").map(|kind| kind.get(0).unwrap_or(kind));
    match kind.and_then(Json::as_str) {
        Some("object") => {
            let members = schema.get("properties").and_then(Json::as_object);
            let members = members.into_iter().flatten();
            let shown: Map<String, Json> = members
                .map(|(name, member)| (name.clone(), inner(name, member)))
                .collect();
            match schema.get("additionalProperties") {
                Some(value @ Json::Object(_)) if shown.is_empty() => {
                    json!({"name": inner("name", value)})
                }
                _ => Json::Object(shown),
            }
        }
        Some("array") => {
            let item = schema.get("items");
            json!([item.map_or(json!("…"), |item| inner(name, item))])
        }
        Some("integer") => json!(1),
        Some("number") => json!(1.5),
        Some("boolean") => json!(true),
        _ => match schema.get("format").and_then(Json::as_str) {
            Some("date-time") => json!("2027-01-02T03:04:05Z"),
            _ => json!(known_text(&camel_case(name)).unwrap_or("…")),
        },
    }
}
