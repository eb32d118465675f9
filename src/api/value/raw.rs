//! A value that is passed on unchanged, for a method that makes other calls.

use std::borrow::Cow;
use std::collections::BTreeMap;

use dxr::Value;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use super::wire::TIMESTAMP;

/// Requests a date as a newtype from the deserialiser, which otherwise returns it as text.
pub(super) const RAW: &str = "$registrysync::Raw";

/// Any value, including dates.
#[derive(Clone, Debug, PartialEq)]
pub struct Raw(pub Value);

impl JsonSchema for Raw {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Raw".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!(true)
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Value::Integer(number) => serializer.serialize_i32(*number),
            Value::Long(number) => serializer.serialize_i64(*number),
            Value::Boolean(truth) => serializer.serialize_bool(*truth),
            Value::String(text) => serializer.serialize_str(text),
            Value::Double(number) => serializer.serialize_f64(*number),
            Value::DateTime(date) => {
                serializer.serialize_newtype_struct(TIMESTAMP, &date.to_string())
            }
            Value::Base64(bytes) => serializer.serialize_bytes(bytes),
            Value::Struct(members) => {
                serializer.collect_map(members.iter().map(|(name, v)| (name, Raw(v.clone()))))
            }
            Value::Array(items) => serializer.collect_seq(items.iter().cloned().map(Raw)),
            _ => serializer.serialize_none(),
        }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_newtype_struct(RAW, AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Raw;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any value")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, date: D) -> Result<Raw, D::Error> {
        let date = String::deserialize(date)?.parse();
        date.map(|date| Raw(Value::DateTime(date)))
            .map_err(|_| D::Error::custom("expected a date"))
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw(Value::Nil))
    }

    fn visit_i32<E>(self, number: i32) -> Result<Raw, E> {
        Ok(Raw(Value::Integer(number)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Raw, E> {
        Ok(Raw(Value::Long(number)))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Raw, E> {
        Ok(Raw(Value::Boolean(truth)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Raw, E> {
        Ok(Raw(Value::Double(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw(Value::String(text.into())))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Raw, E> {
        Ok(Raw(Value::Base64(bytes)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut values = Vec::new();
        while let Some(Raw(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(Raw(Value::Array(values)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Raw, A::Error> {
        let mut values = BTreeMap::new();
        while let Some((name, Raw(value))) = members.next_entry::<String, Raw>()? {
            values.insert(name, value);
        }
        Ok(Raw(Value::Struct(values)))
    }
}

#[cfg(test)]
mod tests {
    use super::Raw;
    use crate::api::value::from_value;
    use dxr::Value;

    #[test]
    fn every_value_comes_through_as_it_was() {
        let date = "20260102T03:04:05".parse().map(Value::DateTime);
        let all = Value::Array(vec![
            Value::Integer(-7),
            Value::Boolean(true),
            Value::String("20260102T03:04:05".into()),
            Value::Double(1.5),
            date.expect("a date"),
            Value::Base64(vec![0, 255]),
            Value::Struct([("a".to_owned(), Value::Array(Vec::new()))].into()),
        ]);
        let raw: Raw = from_value(all.clone()).expect("readable");
        assert_eq!(raw.0, all);
        assert_eq!(from_value(Value::Nil), Ok(Raw(Value::Nil)));
        assert_eq!(
            from_value(Value::Long(1 << 40)),
            Ok(Raw(Value::Long(1 << 40)))
        );
    }
}
