//! JSON arguments as values, so that both surfaces resolve and read them in one way.

use dxr::Value;
use serde_json::Value as Json;

/// The value of a JSON argument. `null` becomes nil, which counts as left out.
pub fn from_json(json: Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(truth) => Value::Boolean(truth),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => integer(whole),
            // JSON has one sort of number: 148.0 is whole, and so it is in a schema.
            (None, Some(double)) if number.is_f64() => match double.to_string().parse::<i64>() {
                Ok(whole) => integer(whole),
                Err(_) => Value::Double(double),
            },
            // Beyond 64 bits: its digits, which a parameter for text may still want.
            _ => Value::String(number.to_string()),
        },
        Json::String(text) => Value::String(text),
        Json::Array(items) => Value::Array(items.into_iter().map(from_json).collect()),
        Json::Object(members) => {
            let members = members
                .into_iter()
                .map(|(name, member)| (name, from_json(member)));
            Value::Struct(members.collect())
        }
    }
}

fn integer(whole: i64) -> Value {
    i32::try_from(whole).map_or(Value::Long(whole), Value::Integer)
}
