//! The schemas of types: shared ones are components of the document; those of results describe the
//! wire, where members without a value are omitted and there are no others.

use serde_json::{Map, Value as Json, json};

use super::parts::reference;
use crate::api::schema::{null_allowed, null_remove};
use crate::api::types::Shape;

/// Components, by name.
pub(super) struct Schemas(Map<String, Json>);

impl Schemas {
    pub(super) fn new() -> Schemas {
        let object = |properties: Json, required: &[&str]| {
            json!({
                "type": "object",
                "properties": properties,
                "required": required,
                "additionalProperties": false,
            })
        };
        let text = json!({"type": "string"});
        let failed = json!({"const": false});
        let fault = json!({"success": failed, "message": text, "code": {"type": "integer"}});
        let refusal = json!({"success": failed, "message": text});
        let success = object(json!({"success": {"const": true}}), &["success"]);
        Schemas(Map::from_iter([
            ("Success".to_owned(), success),
            (
                "Fault".to_owned(),
                object(fault, &["success", "message", "code"]),
            ),
            (
                "Refusal".to_owned(),
                object(refusal, &["success", "message"]),
            ),
        ]))
    }

    pub(super) fn into_json(self) -> Json {
        Json::Object(self.0)
    }

    /// The schema of a parameter.
    pub(super) fn argument(&mut self, shape: &Shape) -> Json {
        self.shared(shape.schema().as_value().clone())
    }

    /// The schema of a result.
    pub(super) fn result(&mut self, shape: &Shape) -> Json {
        let mut schema = shape.schema().as_value().clone();
        closed(&mut schema);
        self.shared(schema)
    }

    /// Moves the definitions of a root schema, and itself if it has a name, to the components.
    fn shared(&mut self, mut root: Json) -> Json {
        let Some(members) = root.as_object_mut() else {
            return root;
        };
        members.shift_remove("$schema");
        let title = members.shift_remove("title");
        let definitions = members.shift_remove("$defs");
        let mut definitions = match definitions {
            Some(Json::Object(definitions)) => definitions,
            _ => Map::new(),
        };
        if let Some(Json::String(name)) = title
            && root.get("properties").is_some()
        {
            let moved = std::mem::replace(&mut root, json!({"$ref": format!("#/$defs/{name}")}));
            definitions.insert(name, moved);
        }
        let names: Vec<(String, String)> = definitions
            .iter()
            .map(|(name, schema)| (name.clone(), self.name_for(name, schema, &definitions)))
            .collect();
        for (name, schema) in &mut definitions {
            renamed(schema, &names);
            if let Some((_, own)) = names.iter().find(|(old, _)| old == name) {
                self.0.insert(own.clone(), schema.clone());
            }
        }
        renamed(&mut root, &names);
        root
    }

    /// The name itself, or with a number if another type has it.
    fn name_for(&self, name: &str, schema: &Json, definitions: &Map<String, Json>) -> String {
        let same: Vec<(String, String)> = definitions
            .keys()
            .map(|name| (name.clone(), name.clone()))
            .collect();
        let mut wanted = schema.clone();
        renamed(&mut wanted, &same);
        let free = |candidate: &String| self.0.get(candidate).is_none_or(|there| *there == wanted);
        std::iter::once(name.to_owned())
            .chain((2..=self.0.len() + 2).map(|number| format!("{name}{number}")))
            .find(free)
            .unwrap_or_default()
    }
}

/// A union of these, without duplicates.
pub(super) fn one_of(schemas: Vec<Json>) -> Json {
    let mut choices: Vec<Json> = Vec::new();
    for schema in schemas {
        if !choices.contains(&schema) {
            choices.push(schema);
        }
    }
    match choices.pop() {
        Some(only) if choices.is_empty() => only,
        last => json!({"oneOf": choices.into_iter().chain(last).collect::<Vec<_>>()}),
    }
}

/// Redirects references to the components.
fn renamed(schema: &mut Json, names: &[(String, String)]) {
    match schema {
        Json::Object(members) => {
            if let Some(Json::String(target)) = members.get("$ref") {
                let name = target.strip_prefix("#/$defs/");
                let new = names.iter().find(|(old, _)| Some(old.as_str()) == name);
                if let Some((_, new)) = new {
                    members.extend(reference(new).as_object().cloned().unwrap_or_default());
                }
            }
            members
                .values_mut()
                .for_each(|member| renamed(member, names));
        }
        Json::Array(items) => items.iter_mut().for_each(|item| renamed(item, names)),
        _ => {}
    }
}

/// The form of a result on the wire: nothing is null, and a struct has no additional members.
fn closed(schema: &mut Json) {
    match schema {
        Json::Object(members) => {
            let properties = members.get("properties").and_then(Json::as_object);
            if let Some(properties) = properties {
                let optional: Vec<String> = properties
                    .iter()
                    .filter(|(_, member)| null_allowed(member))
                    .map(|(name, _)| name.clone())
                    .collect();
                if let Some(Json::Array(required)) = members.get_mut("required") {
                    required.retain(|name| !optional.iter().any(|other| *name == **other));
                }
                members.insert("additionalProperties".into(), false.into());
            }
            null_remove(members);
            members.values_mut().for_each(closed);
        }
        Json::Array(items) => items.iter_mut().for_each(closed),
        _ => {}
    }
}
