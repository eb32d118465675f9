//! The API as a contract over time: nothing that clients of the last release rely on changes without a
//! note in the changelog.
//!
//! `api-docs/released.json` is the document of the last release. A breaking change is announced by a
//! line in CHANGELOG.md's section `[Unreleased]` that contains the word "Breaking" and the method's
//! name.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value as Json, json};

/// A form of a request: the schema of each member, and which are required.
type Form<'d> = (Vec<(String, &'d Json)>, BTreeSet<String>);

/// A document, for resolving references.
struct Document<'d>(&'d Json);

impl<'d> Document<'d> {
    fn operations(&self) -> impl Iterator<Item = (&'d str, &'d str, &'d Json)> {
        let paths = self.0["paths"].as_object().unwrap().iter();
        paths.flat_map(|(path, verbs)| {
            let verbs = verbs.as_object().unwrap().iter();
            verbs.map(move |(verb, operation)| (path.as_str(), verb.as_str(), operation))
        })
    }

    fn resolved(&self, schema: &'d Json) -> &'d Json {
        match schema.get("$ref").and_then(Json::as_str) {
            Some(reference) => self.0.pointer(&reference[1..]).unwrap(),
            None => schema,
        }
    }

    /// The types that a schema allows, such as `string` or `array of object`.
    fn kinds(&self, schema: &'d Json) -> BTreeSet<String> {
        let schema = self.resolved(schema);
        if let Some(choices) = schema.get("oneOf").or(schema.get("anyOf")) {
            let choices = choices.as_array().unwrap().iter();
            return choices.flat_map(|choice| self.kinds(choice)).collect();
        }
        let of = |name: &str| match (name, schema.get("items")) {
            ("array", Some(items)) => {
                let items = self.kinds(items);
                format!(
                    "array of {}",
                    items.into_iter().collect::<Vec<_>>().join("|")
                )
            }
            ("string", _) => format!(
                "string {}",
                schema
                    .get("format")
                    .and_then(Json::as_str)
                    .unwrap_or_default()
            ),
            _ => name.to_owned(),
        };
        match schema.get("type") {
            Some(Json::String(name)) => BTreeSet::from([of(name)]),
            Some(Json::Array(names)) => names.iter().map(|n| of(n.as_str().unwrap())).collect(),
            _ => BTreeSet::new(),
        }
    }

    /// The forms of a request: the schema of each member, and which are required.
    fn requests(&self, operation: &'d Json) -> Vec<Form<'d>> {
        let query = operation.get("parameters").and_then(Json::as_array);
        if let Some(parameters) = query {
            let named = |p: &'d Json| {
                let schema = p.get("schema");
                let schema = schema.unwrap_or(&p["content"]["application/json"]["schema"]);
                (p["name"].as_str().unwrap().to_owned(), schema)
            };
            let required = parameters.iter().filter(|p| p["required"] == true);
            let required = required.map(|p| p["name"].as_str().unwrap().to_owned());
            return vec![(parameters.iter().map(named).collect(), required.collect())];
        }
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        if body.is_null() {
            return vec![(Vec::new(), BTreeSet::new())];
        }
        let body = self.resolved(body);
        let forms = body.get("oneOf").and_then(Json::as_array);
        let forms: Vec<&Json> = forms.map_or(vec![body], |forms| forms.iter().collect());
        let form = |form: &'d Json| {
            let form = self.resolved(form);
            (members(form), required(form))
        };
        forms.into_iter().map(form).collect()
    }

    /// The schema of the result.
    fn result(&self, operation: &'d Json) -> &'d Json {
        let answer = &operation["responses"]["200"]["content"]["application/json"]["schema"];
        match answer["oneOf"].as_array() {
            Some(answers) => &self.resolved(&answers[0])["properties"]["result"],
            None => &Json::Null,
        }
    }
}

fn members(schema: &Json) -> Vec<(String, &Json)> {
    let members = schema["properties"].as_object().into_iter().flatten();
    members
        .map(|(name, schema)| (name.clone(), schema))
        .collect()
}

fn required(schema: &Json) -> BTreeSet<String> {
    let names = schema["required"].as_array().into_iter().flatten();
    names
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

/// What breaks a client of `old` in `new`: the method, and which part of it.
fn breaks(old: &Json, new: &Json) -> Vec<(String, String)> {
    let (old, new) = (Document(old), Document(new));
    let mut found = Vec::new();
    for (path, verb, before) in old.operations() {
        let method = path.trim_matches('/').replace('/', ".");
        let now = new.operations().find(|(p, v, _)| (*p, *v) == (path, verb));
        let Some((_, _, now)) = now else {
            found.push((method, format!("{verb} {path} is gone")));
            continue;
        };
        for (given, _) in old.requests(before) {
            let fits = |(taken, needed): &Form<'_>| {
                let names: BTreeSet<String> = given.iter().map(|(name, _)| name.clone()).collect();
                needed.is_subset(&names)
                    && given.iter().all(|(name, schema)| {
                        let same = taken.iter().find(|(other, _)| other == name);
                        same.is_some_and(|(_, other)| {
                            old.kinds(schema).is_subset(&new.kinds(other))
                        })
                    })
            };
            if !new.requests(now).iter().any(fits) {
                let names: Vec<&str> = given.iter().map(|(name, _)| name.as_str()).collect();
                let text = format!("it can't be called with ({}) any more", names.join(", "));
                found.push((method.clone(), text));
            }
            // Optional parts stay optional.
        }
        let needed_before = old.requests(before).into_iter().map(|(_, needed)| needed);
        for needed in needed_before {
            let mut forms = new.requests(now).into_iter().map(|(_, needed)| needed);
            if !forms.any(|now| now.is_subset(&needed)) {
                found.push((method.clone(), "it needs more parameters".to_owned()));
            }
        }
        let mut lost = Vec::new();
        result_breaks(
            (&old, old.result(before)),
            (&new, new.result(now)),
            "result",
            0,
            &mut lost,
        );
        found.extend(lost.into_iter().map(|text| (method.clone(), text)));
    }
    found
}

type Side<'s, 'd> = (&'s Document<'d>, &'d Json);

fn result_breaks(
    (old, before): Side<'_, '_>,
    (new, now): Side<'_, '_>,
    place: &str,
    depth: usize,
    found: &mut Vec<String>,
) {
    let (before, now) = (old.resolved(before), new.resolved(now));
    if depth > 8 || before.is_null() {
        return;
    }
    let (was, is) = (old.kinds(before), new.kinds(now));
    let choices = before.get("oneOf").is_some();
    if !is.is_subset(&was) && !choices {
        found.push(format!("`{place}` was {was:?} and is {is:?}"));
    }
    for (name, member) in members(before) {
        let inner = format!("{place}.{name}");
        match members(now).into_iter().find(|(other, _)| *other == name) {
            None => found.push(format!("`{inner}` is gone")),
            Some(_) if required(before).contains(&name) && !required(now).contains(&name) => {
                found.push(format!("`{inner}` isn't always there any more"));
            }
            Some((_, other)) => {
                result_breaks((old, member), (new, other), &inner, depth + 1, found);
            }
        }
    }
    if let (Some(before), Some(now)) = (before.get("items"), now.get("items")) {
        result_breaks(
            (old, before),
            (new, now),
            &format!("{place}[]"),
            depth + 1,
            found,
        );
    }
}

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(path).unwrap()
}

fn document(name: &str) -> Json {
    serde_json::from_str(&read(name)).unwrap()
}

#[test]
fn a_breaking_change_is_announced() {
    let changelog = read("CHANGELOG.md");
    let unreleased = changelog.split("\n## ").nth(1).unwrap();
    assert!(unreleased.starts_with("[Unreleased]"), "{unreleased}");
    let released = document("api-docs/released.json");
    let found = breaks(&released, &document("api-docs/openapi.json"));
    let unannounced = found.iter().filter(|(method, _)| {
        let mut lines = unreleased.lines();
        !lines.any(|line| line.contains("Breaking") && line.contains(&format!("`{method}`")))
    });
    let unannounced: Vec<_> = unannounced.collect();
    assert!(
        unannounced.is_empty(),
        "clients of the last release stumble over these; undo them, or announce each in \
         CHANGELOG.md: {unannounced:#?}"
    );
}

/// Changes `released.json` with `change`, and returns what breaks for its clients.
fn broken(change: impl FnOnce(&mut Json)) -> Vec<(String, String)> {
    let released = document("api-docs/released.json");
    let mut changed = released.clone();
    change(&mut changed);
    assert_ne!(released, changed);
    breaks(&released, &changed)
}

#[test]
fn breaking_changes_are_found() {
    let released = document("api-docs/released.json");
    assert_eq!(breaks(&released, &released), []);
    let tags = "/registrysync/listTags";
    let only = |found: Vec<(String, String)>, method: &str, text: &str| {
        assert!(!found.is_empty(), "{text}");
        for (name, what) in found {
            assert_eq!(name, method, "{what}");
            assert!(what.contains(text), "{what}");
        }
    };
    only(
        broken(|doc| drop(doc["paths"].as_object_mut().unwrap().remove(tags))),
        "registrysync.listTags",
        "is gone",
    );
    only(
        broken(|doc| doc["paths"][tags]["get"]["parameters"][1]["name"] = json!("image")),
        "registrysync.listTags",
        "",
    );
    let needed =
        json!({"name": "more", "in": "query", "required": true, "schema": {"type": "string"}});
    only(
        broken(|doc| {
            let parameters = doc["paths"][tags]["get"]["parameters"].as_array_mut();
            parameters.unwrap().push(needed);
        }),
        "registrysync.listTags",
        "",
    );
    let result = "/responses/200/content/application~1json/schema/oneOf/0/properties/result";
    only(
        broken(|doc| {
            let operation = &mut doc["paths"][tags]["get"];
            *operation.pointer_mut(result).unwrap() =
                json!({"type": "array", "items": {"type": "integer"}});
        }),
        "registrysync.listTags",
        " and is {",
    );
    let runs = broken(|doc| {
        let run = doc["components"]["schemas"]["Run"]["properties"].as_object_mut();
        run.unwrap().remove("status");
    });
    assert!(
        runs.iter()
            .any(|(method, what)| method == "registrysync.getRun"
                && what == "`result.status` is gone"),
        "{runs:?}"
    );
}

#[test]
fn additions_break_nothing() {
    let tags = "/registrysync/listTags";
    let optional =
        json!({"name": "more", "in": "query", "required": false, "schema": {"type": "string"}});
    let found = broken(|doc| {
        doc["paths"][tags]["get"]["deprecated"] = json!(true);
        doc["paths"]["/registrysync/other"] = json!({"get": {}});
        let parameters = doc["paths"][tags]["get"]["parameters"].as_array_mut();
        parameters.unwrap().push(optional);
        let run = doc["components"]["schemas"]["Run"]["properties"].as_object_mut();
        run.unwrap()
            .insert("more".into(), json!({"type": "string"}));
    });
    assert_eq!(found, []);
}
