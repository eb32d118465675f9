//! A parameter that has two forms, such as an id or a label.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::api::types::FORMS;

/// One of two forms; see [`Param::or`](crate::api::method::Param::or).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub enum Either<A, B> {
    /// The form that was defined first. The dispatcher puts the form's number next to the value.
    #[serde(rename = "0")]
    First(A),
    /// The other one.
    #[serde(rename = "1")]
    Second(B),
}

impl<A: JsonSchema, B: JsonSchema> JsonSchema for Either<A, B> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Either_{}_{}", A::schema_name(), B::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let forms = [A::json_schema(generator), B::json_schema(generator)];
        json_schema!({ FORMS: forms })
    }
}
