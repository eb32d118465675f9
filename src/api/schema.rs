//! What is read from, and changed in, JSON schemas.

use serde_json::{Map, Value as Json};

/// Follows a `$ref` into the root's definitions.
pub(crate) fn resolved<'a>(schema: &'a Json, root: &'a Json) -> &'a Json {
    let name = schema
        .get("$ref")
        .and_then(Json::as_str)
        .and_then(|reference| reference.strip_prefix("#/$defs/"));
    name.and_then(|name| root.get("$defs")?.get(name))
        .unwrap_or(schema)
}

/// Whether a schema allows null.
pub(crate) fn null_allowed(schema: &Json) -> bool {
    let is_null = |item: &Json| item == "null" || item.get("type").is_some_and(|t| t == "null");
    ["type", "anyOf"].iter().any(|name| match schema.get(name) {
        Some(Json::Array(items)) => items.iter().any(is_null),
        _ => false,
    })
}

/// Removes null from what the members of a schema allow; its definitions stay as they are.
pub(crate) fn null_remove(members: &mut Map<String, Json>) {
    if let Some(Json::Array(choices)) = members.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
        if let [Json::Object(only)] = choices.as_slice() {
            let only = only.clone();
            members.shift_remove("anyOf");
            members.extend(only);
        }
    }
    if let Some(Json::Array(types)) = members.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            members.insert("type".into(), only);
        }
    }
    if let Some(Json::Array(values)) = members.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
}
