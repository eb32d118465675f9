//! The types that introspection and documentation name, from the schema of a Rust type.

use std::fmt;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::Value as Json;

use super::schema::{null_allowed, null_remove, resolved};

/// The type of a parameter or result on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `string`
    Text,
    /// `int`
    Int,
    /// `boolean`
    Boolean,
    /// `double`
    Double,
    /// `date`: `dateTime.iso8601` on XML-RPC, RFC 3339 on JSON.
    Date,
    /// `base64`
    Bytes,
    /// `struct`
    Struct,
    /// `array`
    Array,
}

impl Kind {
    /// The name in introspection, documentation and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Text => "string",
            Kind::Int => "int",
            Kind::Boolean => "boolean",
            Kind::Double => "double",
            Kind::Date => "date",
            Kind::Bytes => "base64",
            Kind::Struct => "struct",
            Kind::Array => "array",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The key of a schema that lists the forms of a parameter with several.
pub(super) const FORMS: &str = "x-forms";

/// A type as the surfaces describe it.
#[derive(Clone, Debug)]
pub struct Shape {
    kind: Kind,
    schema: Schema,
}

impl Shape {
    /// The shapes of a parameter: one for each form of an [`Either`](super::value::Either),
    /// otherwise one. That of an `Option` is the one of its content.
    ///
    /// # Panics
    /// If the type has no name on the wire. The registry is built in every test run, so this is
    /// found before a release.
    pub fn forms<T: JsonSchema>() -> Vec<Shape> {
        let generator = SchemaSettings::draft2020_12().into_generator();
        let mut schema = generator.into_root_schema_for::<T>();
        if let Some(Json::Array(forms)) = schema.remove(FORMS) {
            let schemas = forms.into_iter().filter_map(|form| form.try_into().ok());
            return schemas.map(Shape::of).collect();
        }
        if let Some(members) = schema.as_object_mut() {
            null_remove(members);
        }
        vec![Shape::of(schema)]
    }

    /// The shape of a result.
    ///
    /// # Panics
    /// Like [`Shape::forms`].
    pub fn result<T: JsonSchema>() -> Shape {
        let settings = SchemaSettings::draft2020_12().for_serialize();
        Shape::of(settings.into_generator().into_root_schema_for::<T>())
    }

    fn of(schema: Schema) -> Shape {
        match kind(schema.as_value(), schema.as_value()) {
            Some(kind) => Shape { kind, schema },
            None => panic!("a type without a name on the wire: {}", schema.as_value()),
        }
    }

    /// Its type on the wire.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The whole JSON schema, definitions included.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Whether it is that of [`Done`](super::value::Done).
    pub(super) fn is_done(&self) -> bool {
        self.schema.get("const").and_then(Json::as_i64) == Some(1)
    }

    /// The kind of an array's items.
    pub fn item_kind(&self) -> Option<Kind> {
        self.item()
            .and_then(|item| kind(item, self.schema.as_value()))
    }

    /// The members of a struct, or of the structs in an array, in the order of the type.
    pub fn members(&self) -> Vec<Member> {
        let root = self.schema.as_value();
        let holder = self.item().unwrap_or_else(|| resolved(root, root));
        let Some(properties) = holder.get("properties").and_then(Json::as_object) else {
            return Vec::new();
        };
        let required = holder.get("required").and_then(Json::as_array);
        properties
            .iter()
            .filter_map(|(name, member)| {
                Some(Member {
                    name: name.clone(),
                    kind: kind(member, root)?,
                    doc: description(member),
                    // A member without a value is omitted on both wires, though its schema allows
                    // null.
                    required: !null_allowed(member)
                        && required.is_some_and(|names| names.iter().any(|n| n == name)),
                })
            })
            .collect()
    }

    /// The resolved schema of an array's items.
    fn item(&self) -> Option<&Json> {
        let root = self.schema.as_value();
        let items = resolved(root, root).get("items")?;
        Some(resolved(items, root))
    }
}

/// A member of a struct, for the documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The name on both wires.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// One line; the member's doc comment.
    pub doc: String,
    /// Whether it is always present.
    pub required: bool,
}

/// The doc comment of a schema, on one line.
fn description(schema: &Json) -> String {
    let text = schema
        .get("description")
        .and_then(Json::as_str)
        .unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn kind(schema: &Json, root: &Json) -> Option<Kind> {
    let schema = resolved(schema, root);
    if let Some(name) = schema.get("type") {
        let name = match name {
            Json::Array(names) => names.iter().find(|name| *name != "null")?,
            name => name,
        };
        return kind_of_type(name.as_str()?, schema);
    }
    if let Some(value) = schema.get("const").or_else(|| schema.get("enum")?.get(0)) {
        return value.is_string().then_some(Kind::Text);
    }
    let choices = schema
        .get("anyOf")
        .or_else(|| schema.get("oneOf"))?
        .as_array()?;
    let mut kinds = choices
        .iter()
        .filter(|choice| choice.get("type").is_none_or(|name| name != "null"))
        .map(|choice| kind(choice, root));
    let first = kinds.next()??;
    kinds.all(|other| other == Some(first)).then_some(first)
}

fn kind_of_type(name: &str, schema: &Json) -> Option<Kind> {
    Some(match name {
        "string" if schema.get("format").is_some_and(|f| f == "date-time") => Kind::Date,
        "string" if schema.get("contentEncoding").is_some_and(|e| e == "base64") => Kind::Bytes,
        "string" => Kind::Text,
        "integer" => Kind::Int,
        "number" => Kind::Double,
        "boolean" => Kind::Boolean,
        "object" => Kind::Struct,
        "array" => Kind::Array,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Kind, Shape};
    use crate::api::value::{ByteCount, Bytes, Done, Either, Timestamp};
    use schemars::JsonSchema;
    use serde::Serialize;
    use std::collections::BTreeMap;

    #[derive(JsonSchema, Serialize)]
    #[serde(rename_all = "lowercase")]
    #[expect(dead_code, reason = "only the schema counts here")]
    enum Choice {
        /// One.
        One,
        /// Two.
        Two,
    }

    #[derive(JsonSchema, Serialize)]
    struct Inner {
        /// A
        /// name.
        name: String,
        choice: Option<Choice>,
    }

    fn only<T: JsonSchema>() -> Kind {
        let forms = Shape::forms::<T>();
        let [form] = forms.as_slice() else {
            panic!("{forms:?}");
        };
        assert!(!form.schema().as_value().to_string().contains("null\"]"));
        form.kind()
    }

    #[test]
    fn the_forms_of_a_parameter_are_told_apart() {
        let forms = Shape::forms::<Either<i32, String>>();
        let kinds: Vec<Kind> = forms.iter().map(Shape::kind).collect();
        assert_eq!(kinds, [Kind::Int, Kind::Text]);
    }

    #[test]
    fn every_type_of_the_api_has_its_name() {
        let kinds = [
            (Shape::result::<String>().kind(), Kind::Text),
            (Shape::result::<i64>().kind(), Kind::Int),
            (Shape::result::<Option<u32>>().kind(), Kind::Int),
            (Shape::result::<bool>().kind(), Kind::Boolean),
            (Shape::result::<f64>().kind(), Kind::Double),
            (Shape::result::<Timestamp>().kind(), Kind::Date),
            (Shape::result::<Option<Timestamp>>().kind(), Kind::Date),
            (Shape::result::<Bytes>().kind(), Kind::Bytes),
            (Shape::result::<Done>().kind(), Kind::Int),
            (Shape::result::<ByteCount>().kind(), Kind::Text),
            (Shape::result::<Inner>().kind(), Kind::Struct),
            (
                Shape::result::<BTreeMap<String, Inner>>().kind(),
                Kind::Struct,
            ),
            (only::<Vec<Inner>>(), Kind::Array),
            (only::<Choice>(), Kind::Text),
            (only::<Option<i32>>(), Kind::Int),
            (only::<Option<Inner>>(), Kind::Struct),
        ];
        for (kind, expected) in kinds {
            assert_eq!(kind, expected);
        }
        let members = Shape::result::<Vec<Inner>>().members();
        let names: Vec<_> = members
            .iter()
            .map(|m| (m.name.as_str(), m.kind, m.doc.as_str(), m.required))
            .collect();
        assert_eq!(
            names,
            [
                ("name", Kind::Text, "A name.", true),
                ("choice", Kind::Text, "", false)
            ]
        );
        assert_eq!(Shape::result::<Vec<Choice>>().item_kind(), Some(Kind::Text));
    }
}
